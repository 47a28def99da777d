"""What happens, told to everybody who listens, as it happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from synthetics.clock import Clock
from synthetics.errors import StoreError
from synthetics.queries.live import Changed, Newest
from synthetics.queries.values import RunSummary

Happening = RunSummary | Changed

MOST_LISTENERS = 200
#: Who falls so far behind is let go; a browser connects again by itself.
MOST_BEHIND = 500
_LOOK_EVERY = timedelta(seconds=1)


class Live:
    """One look at the database a second, however many listen; none while nobody does.

    There is no replay: whoever connects again reads the lists.
    """

    def __init__(self, newest: Callable[[], Awaitable[Newest]], clock: Clock) -> None:
        self._newest = newest
        self._clock = clock
        self._listeners: set[asyncio.Queue[Happening | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether as many listen as can."""
        return len(self._listeners) >= MOST_LISTENERS

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[Happening]]:
        """What happens inside the block, until the process stops or the listener falls too far behind."""
        queue: asyncio.Queue[Happening | None] = asyncio.Queue(MOST_BEHIND)
        self._listeners.add(queue)
        if self._closed:
            self._let_go(queue)
        elif self._looking is None:
            self._looked.clear()
            self._looking = asyncio.create_task(self._look(), name="live")
        try:
            if not self._closed:
                await self._looked.wait()
            yield _told(queue)
        finally:
            self._listeners.discard(queue)
            if not self._listeners:
                await self._rest()

    def close(self) -> None:
        """Let every listener go, and take no more."""
        self._closed = True
        self._looked.set()
        for queue in list(self._listeners):
            self._let_go(queue)

    async def _look(self) -> None:
        known: set[object] | None = None
        while True:
            with suppress(StoreError):  # it is away; who listens hears of what happened when it is back
                newest = await self._newest()
                happenings: tuple[Happening, ...] = (*newest.runs, *newest.changes)
                now = {_mark(happening): happening for happening in happenings}
                for mark, happening in now.items():
                    if known is not None and mark not in known:
                        self._tell(happening)
                known = set(now)
                self._looked.set()
            await self._clock.sleep(_LOOK_EVERY)

    async def _rest(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    def _tell(self, happening: Happening) -> None:
        for queue in list(self._listeners):
            if queue.full():
                self._let_go(queue)
            else:
                queue.put_nowait(happening)

    def _let_go(self, queue: asyncio.Queue[Happening | None]) -> None:
        self._listeners.discard(queue)
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


async def _told(queue: asyncio.Queue[Happening | None]) -> AsyncIterator[Happening]:
    while (happening := await queue.get()) is not None:
        yield happening


def _mark(happening: Happening) -> object:
    """The same for the same thing in the same state."""
    if isinstance(happening, Changed):
        return happening.number
    return happening.id, happening.outcome
