"""Something that goes on in the background for as long as a block is open."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self


class Background(ABC):
    """An async context manager that runs `_live` beside the block and ends it with the block."""

    _living: asyncio.Task[None] | None = None

    @abstractmethod
    async def _live(self) -> None:
        """Go on until cancelled."""

    async def __aenter__(self) -> Self:
        self._living = asyncio.create_task(self._live(), name=type(self).__name__)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._living is not None:
            await ended(self._living)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
