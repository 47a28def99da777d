"""How everything stands: states, the sentence about the whole, what is in flight, what is due."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from synthetics.model.grid import Grid
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.queries.status import RECENT, Status
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.runs import EVERY, NOW, a_probe, a_run, claim, publish, record, tick


async def status(client: AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/status")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


async def test_nothing_is_known_before_the_first_run(client: AsyncClient, store: Database) -> None:
    told = await status(client)

    assert told["state"] == "unknown"
    assert told["summary"] == "No run has finished yet."
    [probe] = told["probes"]
    assert probe["why"] == "no run has finished yet"
    assert (probe["latest_run"], probe["last_success_at"], probe["in_flight"]) == (None, None, [])


async def test_without_a_catalogue_it_says_so(client: AsyncClient, store: Database) -> None:
    await publish(store)

    told = await status(client)

    assert (told["state"], told["probes"]) == ("unknown", [])
    assert told["summary"] == "No probe is known yet: no worker has published its catalogue."


async def test_a_probe_that_passed_is_up(client: AsyncClient, store: Database) -> None:
    passed = a_run(tick(1))
    await record(store, a_run(tick(2), Outcome.FAILED), passed)

    told = await status(client)

    assert (told["state"], told["summary"]) == ("up", "The one promise holds.")
    [probe] = told["probes"]
    assert probe["state"] == "up"
    assert probe["latest_run"]["id"] == str(passed.id)
    assert probe["latest_run"]["took_seconds"] == 3.0
    assert probe["last_success_at"] == passed.finished.isoformat().replace("+00:00", "Z")
    assert [run["outcome"] for run in probe["recent_runs"]] == ["passed", "failed"]
    assert probe["next_tick"] == Grid.of("open_document", EVERY).after(NOW).isoformat().replace("+00:00", "Z")


async def test_a_probe_that_failed_is_down_and_says_why(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(2)), a_run(tick(1), Outcome.FAILED))

    told = await status(client)

    assert told["state"] == "down"
    assert told["summary"] == "1 of 1 promises is broken: open_document."
    assert told["probes"][0]["why"] == "unexpected: status: wanted 200, got 500"


@pytest.mark.parametrize("silent", [Outcome.INTERRUPTED, Outcome.MISSED])
async def test_what_we_stopped_says_nothing_about_the_platform(
    client: AsyncClient, store: Database, silent: Outcome
) -> None:
    await record(store, a_run(tick(2)), a_run(tick(1), silent))

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "up"
    assert probe["latest_run"]["outcome"] == silent.value


async def test_a_probe_that_does_not_work_is_broken_not_down(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(2)), a_run(tick(1), Outcome.BROKEN, reason="no credentials"))

    told = await status(client)

    assert told["state"] == "broken"
    assert told["summary"] == "Our own probing does not work for open_document."
    assert told["probes"][0]["why"] == "no credentials"


async def test_what_was_learned_long_ago_is_not_told_as_now(
    client: AsyncClient, store: Database, clock: FakeClock
) -> None:
    await record(store, a_run(tick(1)))
    clock.advance(2 * EVERY + timedelta(minutes=2))

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "unknown"
    assert probe["why"].startswith("nothing was learned since 2026-03-10 11:")
    assert probe["last_success_at"] is not None


async def test_a_confirmed_failure_is_judged_by_the_confirmation(client: AsyncClient, store: Database) -> None:
    first = a_run(tick(1), Outcome.FAILED)
    again = RunKey("open_document", "default", tick(1), Trigger.CONFIRM, attempt=1)
    await record(store, first, a_run(tick(1), key=again, confirms=first.id))

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "up"
    assert probe["latest_run"]["confirms"] == str(first.id)


async def test_one_location_that_is_down_is_enough(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(2), Outcome.FAILED, location="west"), a_run(tick(1), location="east"))

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "down"


async def test_a_location_given_up_long_ago_does_not_count(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(9), Outcome.FAILED, location="west"), a_run(tick(1), location="east"))

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "up"


async def test_a_run_in_flight_is_shown_and_changes_no_state(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(1)))
    key = RunKey("open_document", "default", tick(0))
    await claim(store, key)

    [probe] = (await status(client))["probes"]

    assert probe["state"] == "up"
    [running] = probe["in_flight"]
    assert (running["id"], running["outcome"], running["took_seconds"]) == (str(key.id), None, None)


async def test_the_sentence_names_what_is_wrong(client: AsyncClient, store: Database) -> None:
    await publish(store, *[a_probe(name) for name in ("alpha", "beta", "gamma", "delta")])
    await record(
        store,
        a_run(tick(1, name="alpha"), name="alpha"),
        a_run(tick(1, name="beta"), Outcome.FAILED, name="beta"),
        a_run(tick(1, name="delta"), Outcome.BROKEN, name="delta"),
    )

    told = await status(client)

    assert told["summary"] == (
        "1 of 4 promises is broken: beta. Our own probing does not work for delta. "
        "No run has finished yet of gamma."
    )
    assert [probe["state"] for probe in told["probes"]] == ["up", "down", "broken", "unknown"]


async def test_disabled_and_retired_probes_do_not_count(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe("alpha"), disabled=[a_probe("beta")])
    await record(store, a_run(tick(1, name="alpha"), name="alpha"))

    told = await status(client)

    assert (told["state"], told["summary"]) == ("up", "The one promise holds.")
    assert [(probe["name"], probe["enabled"]) for probe in told["probes"]] == [("alpha", True), ("beta", False)]
    assert told["probes"][1]["next_tick"] is None


@pytest.mark.parametrize("seed", range(6))
async def test_the_verdict_is_the_same_however_few_runs_are_shown(store: Database, seed: int) -> None:
    draw = random.Random(seed)
    outcomes = draw.choices([Outcome.INTERRUPTED, Outcome.MISSED, Outcome.BROKEN, Outcome.FAILED], k=3)
    history = [
        a_run(
            tick(back), draw.choice([*outcomes, Outcome.PASSED]), location=place, reason=f"at {place}, {back}"
        )
        for back in range(40)
        for place in ("east", "west")
        if draw.random() < 0.7
    ]
    await record(store, *history)
    await claim(store, RunKey("open_document", "north", tick(44)))
    reads = Status(store, FakeClock(NOW))

    whole = (await reads.overview()).probes[0]
    assert len(whole.in_flight) == (len(history) < RECENT)
    for recent in (0, 1, 12):
        shown = (await reads.overview(recent=recent)).probes[0]
        assert shown == replace(whole, recent=whole.recent[:recent])
