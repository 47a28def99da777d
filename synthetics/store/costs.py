"""What runs cost, added up."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.tables import runs


async def since(connection: AsyncConnection, moment: datetime) -> float:
    """US dollars that runs of ticks from this moment on have cost."""
    spent = await connection.scalar(select(func.sum(runs.c.cost_dollars)).where(runs.c.tick >= moment))
    return float(spent or 0.0)
