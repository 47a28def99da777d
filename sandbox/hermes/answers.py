"""What Hermes' answers are made of: its errors and its times."""

import time
from datetime import UTC, datetime


class HermesError(Exception):
    """An application error: answered as `{statusCode, message}` (contract §2.4)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def now_ms() -> int:
    """Epoch milliseconds."""
    return int(time.time() * 1000)


def now_iso() -> str:
    return iso(now_ms())


def iso(epoch_ms: int) -> str:
    """ISO-8601 with milliseconds and Z, as JavaScript writes it."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_seconds(seconds: int) -> int:
    """Epoch seconds so far from now: what a ttl holds."""
    return int(time.time()) + seconds
