"""The stored catalogue follows the one in the code."""

from datetime import timedelta
from typing import Any

from synthetics.contract.context import ProbeContext
from synthetics.contract.probe import Probe, ProbeSpec, Severity, Step, TimingSpec, probe
from synthetics.model.check import Case, Effect
from synthetics.store import tables
from synthetics.store.catalogue import Published, publish
from synthetics.store.engine import Database
from tests.store.builders import rows


def a_probe(name: str, every: timedelta = timedelta(minutes=15)) -> Probe:
    spec = ProbeSpec(
        name=name,
        owner="containers",
        severity=Severity.PAGE,
        every=every,
        timeout=timedelta(minutes=3),
        steps=(Step("activate", timedelta(seconds=5)),),
        cases=(Case("CS-01", "a session starts", Effect.SCALE),),
        timings=(TimingSpec("cold_start", "how long", ("", "api"), ("pull",), timedelta(seconds=60)),),
        exclusive=frozenset({"edit-service"}),
    )

    @probe(spec)
    async def scenario(ctx: ProbeContext[Any]) -> None:
        """Somebody who writes sees a preview."""

    return scenario


async def test_a_probe_is_published_as_it_runs_here(database: Database) -> None:
    async with database.transaction() as connection:
        await publish(connection, [Published(a_probe("cold-start"), enabled=False)], version="1.2.3")
    (row,) = await rows(database, tables.probes)
    assert row["promise"] == "Somebody who writes sees a preview."
    assert (row["every_seconds"], row["timeout_seconds"], row["severity"]) == (900, 180, "page")
    assert row["steps"] == [{"name": "activate", "budget_seconds": 5}]
    assert row["cases"] == [{"id": "CS-01", "promise": "a session starts", "effect": "scale"}]
    assert row["timings"] == [
        {
            "name": "cold_start",
            "help": "how long",
            "paths": ["", "api"],
            "phases": ["pull"],
            "target_seconds": 60,
        }
    ]
    assert (row["exclusive"], row["enabled"], row["version"]) == (["edit-service"], False, "1.2.3")


async def test_what_is_no_longer_there_is_retired_and_may_come_back(database: Database) -> None:
    async def retired(*names: str, every: timedelta = timedelta(minutes=15)) -> dict[str, bool]:
        async with database.transaction() as connection:
            await publish(connection, [Published(a_probe(name, every)) for name in names], version="1")
        return {row["name"]: row["retired_at"] is not None for row in await rows(database, tables.probes)}

    assert await retired("cold-start", "wake") == {"cold-start": False, "wake": False}
    assert await retired("wake") == {"cold-start": True, "wake": False}
    assert await retired() == {"cold-start": True, "wake": True}
    hourly = timedelta(hours=1)
    assert await retired("cold-start", every=hourly) == {"cold-start": False, "wake": True}
    assert {row["every_seconds"] for row in await rows(database, tables.probes)} == {3600, 900}
