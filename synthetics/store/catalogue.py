"""The stored catalogue: which probes there are, for everybody who reads only the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.contract.probe import Probe
from synthetics.store.storable import seconds
from synthetics.store.tables import probes


@dataclass(frozen=True, slots=True)
class Published:
    """A probe as this deployment runs it: its spec holds the interval and the timeout in force."""

    probe: Probe
    enabled: bool = True


async def publish(connection: AsyncConnection, catalogue: Sequence[Published], *, version: str) -> None:
    """Make the stored catalogue this one: known probes are renewed, those that are not in it retired.

    `version` is that of the code. Retired probes keep their row, because their history needs it.
    """
    for row in sorted((_row(entry, version) for entry in catalogue), key=lambda row: str(row["name"])):
        statement = upsert(probes).values(row)
        renewed = {**row, "published_at": func.now(), "retired_at": None}
        await connection.execute(statement.on_conflict_do_update(index_elements=[probes.c.name], set_=renewed))
    await connection.execute(
        update(probes)
        .where(probes.c.name.not_in([entry.probe.name for entry in catalogue]), probes.c.retired_at.is_(None))
        .values(retired_at=func.now())
    )


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
