"""What runs cost, added up."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.tables import runs


async def since(connection: AsyncConnection, moment: datetime) -> dict[str, float]:
    """US dollars that runs of ticks from this moment on have cost, by probe."""
    chosen = (
        select(runs.c.probe, func.sum(runs.c.cost_dollars))
        .where(runs.c.tick >= moment, runs.c.cost_dollars.is_not(None))
        .group_by(runs.c.probe)
    )
    return {probe: float(dollars) for probe, dollars in await connection.execute(chosen)}
