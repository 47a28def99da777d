"""How long our own event loop stood still, also for those who ask before it could be noted."""

import asyncio
import time
from datetime import timedelta

from synthetics.running.stalls import LoopWatch


async def test_a_stall_is_told_to_whoever_asks_first() -> None:
    async with LoopWatch() as watch:
        await asyncio.sleep(0.05)
        began = time.monotonic()
        time.sleep(0.15)  # noqa: ASYNC251  # it is the stall

        assert watch.longest_since(began) >= timedelta(seconds=0.12)
