"""A run is asked for over the API: it is there at once, and whoever may not ask is told so."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from synthetics.access import Access
from synthetics.model.token import Scope
from synthetics.store import runs, workers
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.runs import a_probe, publish

PLACE = "/api/v1/probes/open-document/runs"


@pytest.fixture
async def headers(store: Database, clock: FakeClock) -> dict[str, str]:
    _, secret = await Access(store, clock).create("robot", (Scope.ACT,), lasts=None)
    return {"Authorization": f"Bearer {secret}"}


async def worker_at(store: Database, *locations: str) -> None:
    async with store.transaction() as connection:
        for location in locations:
            await workers.present(connection, f"worker-{location}", location=location, version="test")


async def told(client: AsyncClient, run: str) -> dict[str, Any]:
    answer = await client.get(run)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["run"]
    return found


async def test_it_is_in_flight_at_once_and_is_taken_by_one_worker(
    client: AsyncClient, store: Database, headers: dict[str, str]
) -> None:
    await worker_at(store, "east", "west")
    answer = await client.post(PLACE, json={"location": "west"}, headers=headers)

    assert answer.status_code == 202
    run = await told(client, answer.headers["Location"])
    assert (run["id"], run["probe"], run["location"]) == (answer.json()["id"], "open_document", "west")
    assert (run["trigger"], run["outcome"], run["started_at"]) == ("manual", None, None)

    async with store.transaction() as connection:
        lease: dict[str, Any] = {"worker": "w", "lease": timedelta(minutes=1), "tag": "0a1b2c3d"}
        assert not await runs.any_asked(connection, "east")
        assert await runs.take_asked(connection, ["another"], "west", **lease) is None
        key = await runs.take_asked(connection, ["open_document"], "west", **lease)
        assert key is not None
        assert str(key.id) == run["id"]
        assert await runs.take_asked(connection, ["open_document"], "west", **lease) is None
        assert not await runs.any_asked(connection, "west")


async def test_what_runs_already_is_not_run_twice(
    client: AsyncClient, store: Database, headers: dict[str, str]
) -> None:
    await worker_at(store, "east")
    answers = await asyncio.gather(*(client.post(PLACE, json={}, headers=headers) for _ in range(5)))

    (taken,) = [answer for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer is not taken]
    assert {answer.status_code for answer in refused} == {409}
    assert all(taken.json()["id"] in answer.json()["detail"] for answer in refused)


async def test_where_nobody_takes_it_it_is_over_and_says_why(
    client: AsyncClient, store: Database, headers: dict[str, str]
) -> None:
    await worker_at(store, "east")
    answer = await client.post(PLACE, json={}, headers=headers)
    async with store.transaction() as connection:
        since = text(
            "UPDATE runs SET heard_at = now() - interval '301 s', lease_until = now() - interval '1 s'"
        )
        await connection.execute(since)
        (closed,) = await runs.close_abandoned(connection)
    assert str(closed.id) == answer.json()["id"]
    run = await told(client, answer.headers["Location"])
    assert (run["outcome"], run["reason"]) == ("interrupted", "no worker took it within 301 s")


async def test_without_a_worker_or_a_probe_it_is_refused(
    client: AsyncClient, store: Database, headers: dict[str, str]
) -> None:
    alone = await client.post(PLACE, json={}, headers=headers)
    assert (alone.status_code, alone.json()["detail"]) == (409, "no worker is there that could run it")
    await worker_at(store, "east")
    elsewhere = await client.post(PLACE, json={"location": "north"}, headers=headers)
    assert elsewhere.status_code == 422
    assert "there are workers at east" in elsewhere.text
    await publish(store, a_probe(), disabled=[a_probe("closed")])
    for name, why in (("open-documents", "did you mean open_document?"), ("closed", "is not scheduled")):
        unknown = await client.post(f"/api/v1/probes/{name}/runs", json={}, headers=headers)
        assert unknown.status_code == 404
        assert why in unknown.text


async def test_it_needs_the_scope(client: AsyncClient, store: Database, clock: FakeClock) -> None:
    await worker_at(store, "east")
    _, reader = await Access(store, clock).create("reader", (Scope.READ,), lasts=None)
    assert (await client.post(PLACE, json={})).status_code == 401
    refused = await client.post(PLACE, json={}, headers={"Authorization": f"Bearer {reader}"})
    assert refused.status_code == 403
    async with store.transaction() as connection:
        assert not await runs.any_asked(connection, "east")
