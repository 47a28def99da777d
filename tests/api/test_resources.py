"""The ledger over the API: what is not known to be gone, page by page."""

from datetime import timedelta
from uuid import uuid4

from httpx import AsyncClient

from synthetics.model.resource import Resource, ResourceState
from synthetics.store import resources
from synthetics.store.engine import Database
from tests.support.runs import NOW


def entry(number: int) -> Resource:
    return Resource(
        id=uuid4(), run_id=uuid4(), probe="open_document", tag="0a1b2c3d", kind="session",
        name=f"session-{number}", state=ResourceState.INTENDED, intended=NOW - timedelta(minutes=number),
    )  # fmt: skip


async def test_what_is_not_gone_is_listed_newest_first_in_pages(client: AsyncClient, store: Database) -> None:
    entries = [entry(number) for number in range(5)]
    async with store.transaction() as connection:
        for one in entries:
            await resources.intend(connection, one)
        await resources.created(connection, entries[1].id, "session-1", {})
        await resources.failed_removal(connection, entries[1].id, "409: still in use")
        await resources.gone(connection, entries[2].id)

    first = await client.get("/api/v1/resources?limit=3")
    second = await client.get(first.json()["next"])

    assert first.headers["link"] == f'<{first.json()["next"]}>; rel="next"'
    listed = [*first.json()["resources"], *second.json()["resources"]]
    assert [one["name"] for one in listed] == ["session-0", "session-1", "session-3", "session-4"]
    assert second.json()["next"] is None
    assert (listed[1]["state"], listed[1]["attempts"], listed[1]["last_error"]) == (
        "created", 1, "409: still in use",
    )  # fmt: skip
    assert listed[0]["run_id"] == str(entries[0].run_id)
