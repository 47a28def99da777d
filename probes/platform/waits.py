"""How long calls waited for a thread of ours: time that is no part of what the platform took."""

import time
from collections import deque
from datetime import timedelta
from threading import Lock

_WORTH_KEEPING = 0.01
_KEPT = 4_096


class Waits:
    """Told by the threads as they take calls up; asked by whoever measures."""

    def __init__(self) -> None:
        self._telling = Lock()
        self._waits: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def note(self, since: float) -> None:
        """A call that was to be made at this monotonic instant is made now."""
        now = time.monotonic()
        if now - since > _WORTH_KEEPING:
            with self._telling:
                self._waits.append((now, now - since))

    def longest_since(self, instant: float) -> timedelta:
        """The longest wait that ended after this monotonic instant."""
        with self._telling:
            longest = max((wait for ended, wait in self._waits if ended > instant), default=0.0)
        return timedelta(seconds=longest)
