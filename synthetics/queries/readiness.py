"""Whether this process can do its work now, and if not, why."""

import asyncio
from datetime import timedelta

from synthetics.errors import StoreError
from synthetics.store import migrating
from synthetics.store.engine import Database

_WITHIN = timedelta(seconds=3)


class Readiness:
    """Asks the database whether it answers and whether its schema is the one this code was written for."""

    def __init__(self, database: Database, *, within: timedelta = _WITHIN) -> None:
        self._database = database
        self._within = within

    async def reasons(self) -> list[str]:
        """What stands in the way, one sentence each; [] when ready. Never waits long, never raises."""
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                await migrating.verify(self._database)
        except StoreError as error:
            return [str(error)]
        except TimeoutError:
            return [f"the database did not answer within {self._within.total_seconds():g} s"]
        return []
