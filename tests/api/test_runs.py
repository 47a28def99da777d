"""The runs of a probe, page by page, and one run in full."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from synthetics.model.log_line import LogLine
from synthetics.model.resource import Resource, ResourceState
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.queries.history import Cursor
from synthetics.store import resources
from synthetics.store.engine import Database
from tests.support.runs import NOW, a_probe, a_run, a_timing, claim, publish, record, tick

RUNS = "/api/v1/probes/open_document/runs"


async def pages(client: AsyncClient, first: str) -> AsyncIterator[list[str]]:
    """The ids on each page, following the links."""
    following: str | None = first
    while following is not None:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        yield [run["id"] for run in told["runs"]]
        link = answer.headers.get("link")
        assert link == (f'<{told["next"]}>; rel="next"' if told["next"] else None)
        following = told["next"]


async def test_pages_have_no_gaps_and_no_repeats_while_runs_arrive(
    client: AsyncClient, store: Database
) -> None:
    kept = [a_run(tick(back), location=place) for back in range(1, 26) for place in ("east", "west")]
    await record(store, *kept)
    newest_first = sorted(kept, key=lambda run: (run.key.tick, run.id.bytes), reverse=True)

    seen: list[str] = []
    arriving = iter(range(0, -20, -1))
    async for ids in pages(client, f"{RUNS}?limit=7"):
        seen += ids
        await record(store, a_run(tick(next(arriving)), location="east"))

    assert seen == [str(run.id) for run in newest_first]


async def test_the_next_page_is_linked_by_the_probes_own_name(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe("passes_on"))
    await record(store, *[a_run(tick(back, name="passes_on"), name="passes_on") for back in (1, 2)])

    # The long s is another way to write an s, but no header can carry it.
    answer = await client.get("/api/v1/probes/Pa\u017f\u017fes-on/runs?limit=1&outcome=passed")

    assert answer.json()["next"].startswith("/api/v1/probes/passes_on/runs?limit=1&outcome=passed&cursor=")


async def test_a_page_that_just_fits_has_no_next(client: AsyncClient, store: Database) -> None:
    await record(store, *[a_run(tick(back)) for back in range(1, 5)])

    assert [len(ids) async for ids in pages(client, f"{RUNS}?limit=4")] == [4]
    assert [len(ids) async for ids in pages(client, f"{RUNS}?limit=3")] == [3, 1]


async def test_a_run_in_flight_is_listed_without_an_outcome(client: AsyncClient, store: Database) -> None:
    await claim(store, RunKey("open_document", "default", tick(0)))
    await record(store, a_run(tick(1)))

    told = (await client.get(RUNS)).json()

    assert [run["outcome"] for run in told["runs"]] == [None, "passed"]
    assert told["runs"][0]["finished_at"] is None


async def test_runs_can_be_chosen_by_outcome_and_location(client: AsyncClient, store: Database) -> None:
    await record(
        store,
        a_run(tick(1), location="east"),
        a_run(tick(2), Outcome.FAILED, location="west"),
        a_run(tick(3), Outcome.MISSED, location="west"),
    )

    async def chosen(query: str) -> list[str]:
        return [run["outcome"] for run in (await client.get(f"{RUNS}?{query}")).json()["runs"]]

    assert await chosen("outcome=failed&outcome=missed") == ["failed", "missed"]
    assert await chosen("location=east") == ["passed"]
    assert await chosen("location=nowhere") == []


async def test_other_probes_runs_are_not_listed(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe(), a_probe("close_document"))
    await record(store, a_run(tick(1, name="close_document"), name="close_document"))

    assert (await client.get(RUNS)).json() == {"runs": [], "next": None}
    assert len((await client.get("/api/v1/probes/Close-Document/runs")).json()["runs"]) == 1


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%C3%A4", "////////", "f" * 32, "🦊", "A" * 2000])
async def test_a_cursor_that_is_none_of_ours_is_refused(client: AsyncClient, cursor: str) -> None:
    answer = await client.get(RUNS, params={"cursor": cursor})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"parameter": "cursor", "detail": "not a cursor of this list; start again without one"}
    ]


@given(
    st.datetimes(timezones=st.just(NOW.tzinfo)),
    st.uuids(),
)
def test_a_cursor_survives_its_journey(at: datetime, run_id: UUID) -> None:
    cursor = Cursor(at, run_id)

    assert Cursor.parse(cursor.text) == cursor


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except ValueError:
        return
    assert Cursor.parse(cursor.text) == cursor


async def test_a_run_is_told_in_full(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1), Outcome.FAILED, timings=[a_timing(4.2)], cleanup_errors=("close(1): refused",))
    await record(store, run)
    entry = Resource(
        uuid4(), run.id, "open_document", "0a1b2c3d", "document", "doc-1", ResourceState.INTENDED, run.key.tick
    )
    async with store.transaction() as connection:
        await resources.intend(connection, entry)

    told = (await client.get(f"/api/v1/runs/{run.id}")).json()

    assert told["run"]["id"] == str(run.id)
    assert told["run"]["trigger"] == Trigger.SCHEDULE
    assert told["run"]["waited_seconds"] == 0.005
    assert [(step["name"], step["outcome"], step["over_budget"]) for step in told["steps"]] == [
        ("ask_for_it", "passed", True),
        ("wait_for_it", "failed", False),
    ]
    assert [(check["case"], check["outcome"]) for check in told["checks"]] == [
        ("OD-01", "failed"),
        ("OD-02", "degraded"),
        ("OD-03", "skipped"),
    ]
    assert told["checks"][0]["evidence"] == {"status": 500}
    [timing] = told["timings"]
    assert (timing["name"], timing["path"], timing["seconds"]) == ("opening", "near", 4.2)
    assert [phase["name"] for phase in timing["phases"]] == ["request", "fetch", "draw"]
    assert sum(phase["seconds"] for phase in timing["phases"]) == timing["seconds"]
    assert timing["resolution_seconds"] == 0.025
    assert told["resources"] == [{"kind": "document", "name": "doc-1", "state": "intended", "last_error": None}]
    assert told["cleanup_errors"] == ["close(1): refused"]
    assert (told["versions"], told["facts"]) == ({"reader": "58"}, {"launch": "cold"})


async def test_the_log_of_a_run_is_told(client: AsyncClient, store: Database) -> None:
    second = timedelta(seconds=1)
    said = (
        LogLine(0.25 * second, "warning", "state.unknown", {"state": "AJAR\0"}),
        LogLine(second, "debug", "request.ended", {"service": "ecs"}, took=0.5 * second, times=3),
    )
    run = a_run(tick(1), Outcome.FAILED, log=said)
    await record(store, run)

    told = (await client.get(f"/api/v1/runs/{run.id}")).json()

    assert told["log"] == [
        {
            "offset_seconds": 0.25,
            "level": "warning",
            "event": "state.unknown",
            "fields": {"state": "AJAR\N{REPLACEMENT CHARACTER}"},
            "took_seconds": None,
            "times": 1,
        },
        {
            "offset_seconds": 1.0,
            "level": "debug",
            "event": "request.ended",
            "fields": {"service": "ecs"},
            "took_seconds": 0.5,
            "times": 3,
        },
    ]


async def test_a_missed_run_is_told_too(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1), Outcome.MISSED, reason="the worker was not running")
    await record(store, run)

    told = (await client.get(f"/api/v1/runs/{run.id}")).json()

    assert (told["run"]["outcome"], told["run"]["started_at"]) == ("missed", None)
    assert (told["steps"], told["checks"], told["timings"], told["log"]) == ([], [], [], [])


async def test_the_catalogue_is_told(client: AsyncClient, store: Database) -> None:
    [told] = (await client.get("/api/v1/probes")).json()["probes"]

    assert told["name"] == "open_document"
    assert told["promise"] == "Someone who opens a document can read it."
    assert told["every_seconds"] == 300
    assert [case["id"] for case in told["cases"]] == ["OD-01", "OD-02", "OD-03"]
    assert told["timings"][0]["target_seconds"] == 10


async def test_a_retired_probe_keeps_its_history(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1))
    await record(store, run)
    await publish(store)

    assert (await client.get("/api/v1/probes")).json()["probes"] == []
    told = (await client.get("/api/v1/probes/open-document")).json()
    assert (told["probe"]["retired"], told["status"]["next_tick"]) == (True, None)
    assert [run["outcome"] for run in (await client.get(RUNS)).json()["runs"]] == ["passed"]


async def test_coverage_counts_due_ticks(client: AsyncClient, store: Database) -> None:
    # Due from the first tick on: 12, of which one was never recorded and one is noted as missed.
    recorded = [a_run(tick(back)) for back in (12, 11, 10, 9, 7, 6, 5, 4, 3, 2)]
    off_the_grid = a_run(tick(5) + timedelta(seconds=1))
    by_hand = a_run(tick(8), key=RunKey("open_document", "default", tick(8), Trigger.MANUAL))
    await record(store, *recorded, a_run(tick(1), Outcome.MISSED), off_the_grid, by_hand)

    coverage = (await client.get("/api/v1/probes/open_document")).json()["coverage"]

    assert (coverage["due"], coverage["recorded"], coverage["ran"]) == (12, 11, 10)
    assert coverage["share"] == 11 / 12


async def test_coverage_of_a_probe_that_never_ran_is_unknown(client: AsyncClient, store: Database) -> None:
    coverage = (await client.get("/api/v1/probes/open_document")).json()["coverage"]

    assert (coverage["due"], coverage["share"]) == (0, None)


async def test_coverage_counts_a_silence_at_the_begin_of_the_span(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(12 * 30)), a_run(tick(1)))

    coverage = (await client.get("/api/v1/probes/open_document")).json()["coverage"]

    assert (coverage["due"], coverage["recorded"]) == (12 * 24, 1)


async def test_coverage_of_a_probe_that_rested_for_weeks_begins_anew(
    client: AsyncClient, store: Database
) -> None:
    await record(store, a_run(tick(12 * 24 * 9)), a_run(tick(2)), a_run(tick(1)))

    coverage = (await client.get("/api/v1/probes/open_document")).json()["coverage"]

    assert (coverage["due"], coverage["recorded"]) == (2, 2)


def test_a_cursor_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="start again without one"):
        Cursor.parse("nonsense")
