"""How long our own event loop stood still: a timing taken meanwhile would be ours, not the platform's."""

import asyncio
import gc
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from synthetics.background import Background

_BEAT = 0.02
_WORTH_KEEPING = 0.01
_KEPT = 4_096
#: Of Python's own five milliseconds a loop that meets two busy threads is 16 ms late at the 95th percentile.
_TURN_SECONDS = 0.001


class LoopWatch(Background):
    """Notices when the running event loop could not get to a task that was due.

    Used as an async context manager around everything else that runs on the loop. `told` is called with the
    seconds of every stall worth keeping.
    """

    def __init__(self, told: Callable[[float], None] = lambda seconds: None) -> None:
        self._told = told
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._due: float | None = None

    def longest_since(self, instant: float) -> timedelta:
        """The longest stall that ended after this monotonic instant, or has only just ended."""
        longest = max((stall for ended, stall in self._stalls if ended > instant), default=0.0)
        # Whoever asks may be let go on before we are: after a process was suspended, all are due at once.
        overdue = 0.0 if self._due is None else time.monotonic() - self._due
        return timedelta(seconds=max(longest, overdue if overdue > _WORTH_KEEPING else 0.0))

    async def _live(self) -> None:
        while True:
            self._due = due = time.monotonic() + _BEAT
            await asyncio.sleep(_BEAT)
            now = time.monotonic()
            if now - due > _WORTH_KEEPING:
                self._stalls.append((now, now - due))
                self._told(now - due)


def settle() -> None:
    """Take what is loaded by now as there for good; called once, when a process is ready to work.

    Modules and the AWS clients' descriptions are some 200,000 objects. A full garbage collection that walks
    through them stands still for a tenth of a second, and every timing that is being taken with it.

    And a thread that computes (boto3's, say) gives way to the event loop sooner than Python has it.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_TURN_SECONDS)
