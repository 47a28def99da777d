"""The stored catalogue: which probes there are, for everybody who reads only the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.contract.probe import Probe
from synthetics.store import workers
from synthetics.store.storable import seconds
from synthetics.store.tables import probes

_LOCK_KEY = 7_310_031_190_554_320_015


@dataclass(frozen=True, slots=True)
class Published:
    """A probe as this deployment runs it: its spec holds the interval and the timeout in force."""

    probe: Probe
    enabled: bool = True


async def publish(connection: AsyncConnection, catalogue: Sequence[Published], *, version: str) -> bool:
    """Make the stored catalogue this one: known probes are renewed, those that are not in it retired.

    `version` is that of the code. While a worker of a newer one is there its catalogue stays, and this returns
    False. Retired probes keep their row, because their history needs it.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    newest = await workers.newest(connection)
    if newest is not None and workers.order(newest) > workers.order(version):
        return False
    for row in sorted((_row(entry, version) for entry in catalogue), key=lambda row: str(row["name"])):
        statement = upsert(probes).values(row)
        renewed = {**row, "published_at": func.now(), "retired_at": None}
        await connection.execute(statement.on_conflict_do_update(index_elements=[probes.c.name], set_=renewed))
    await connection.execute(
        update(probes)
        .where(probes.c.name.not_in([entry.probe.name for entry in catalogue]), probes.c.retired_at.is_(None))
        .values(retired_at=func.now())
    )
    return True


async def introduce(connection: AsyncConnection, catalogue: Sequence[Published], *, version: str) -> None:
    """Add what the stored catalogue lacks, and change nothing in it: for those who are not in charge."""
    for entry in catalogue:
        await connection.execute(upsert(probes).values(_row(entry, version)).on_conflict_do_nothing())


async def unchanged(connection: AsyncConnection, catalogue: Sequence[Published]) -> frozenset[str]:
    """The names of those that the stored catalogue declares just so, whichever version published them."""
    found = await connection.execute(select(probes).where(probes.c.retired_at.is_(None)))
    stored = {row.name: dict(row._mapping) for row in found}
    same = set()
    for entry in catalogue:
        own = _row(entry, "")
        there = stored.get(entry.probe.name)
        if there is not None and all(there[name] == own[name] for name in own.keys() - {"version"}):
            same.add(entry.probe.name)
    return frozenset(same)


async def published_by(connection: AsyncConnection) -> frozenset[str]:
    """The versions whose declarations the catalogue holds."""
    found = await connection.scalars(select(probes.c.version).where(probes.c.retired_at.is_(None)).distinct())
    return frozenset(found)


def _row(entry: Published, version: str) -> dict[str, Any]:
    spec = entry.probe.spec
    return {
        "name": spec.name,
        "promise": entry.probe.promise,
        "owner": spec.owner,
        "severity": spec.severity.value,
        "price": spec.price.value,
        "every_seconds": seconds(spec.every),
        "timeout_seconds": seconds(spec.timeout),
        "steps": [{"name": step.name, "budget_seconds": seconds(step.budget)} for step in spec.steps],
        "cases": [{"id": case.id, "promise": case.promise, "effect": case.effect.value} for case in spec.cases],
        "timings": [
            {
                "name": timing.name,
                "help": timing.help,
                "paths": list(timing.paths),
                "phases": list(timing.phases),
                "target_seconds": seconds(timing.target),
            }
            for timing in spec.timings
        ],
        "exclusive": sorted(spec.exclusive),
        "shares": sorted(spec.shares),
        "leans_on": list(spec.leans_on),
        "enabled": entry.enabled,
        "version": version,
    }
