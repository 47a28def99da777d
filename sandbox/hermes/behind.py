"""What goes on behind an answer that was given already."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from sandbox.hermes.cloud import CloudError
from sandbox.hermes.tasks import StartFailed
from sandbox.truth import Truth


class Behind:
    """Work that nobody waits for; how it ends is told by rows, not by exceptions."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._tasks: set[asyncio.Task[None]] = set()

    def go(self, work: Coroutine[Any, Any, None]) -> None:
        """Let this go on."""
        task = asyncio.create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up everything that still goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (StartFailed, CloudError) as error:
            self._truth.write("hermes.gave_up", reason=str(error))
