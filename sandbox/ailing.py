"""AWS as it is when it is unwell: slow, refusing, or forgetting what it was told."""

import asyncio
import json
import time
from typing import Any

from sandbox.faults import Faults, amount
from sandbox.settings import SandboxSettings

_DYNAMODB = "DynamoDB_20120810"


class Ailing:
    """What the faults make of a request to AWS, before anybody answers it."""

    def __init__(self, settings: SandboxSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._rows_put: list[float] = []

    async def hold_up(self) -> None:
        """Return when the request may be answered."""
        slow = self._faults.strikes("aws-slow")
        if slow is not None:
            await asyncio.sleep(self._settings.seconds(amount(slow)))

    def refuses(self, action: str, path: str, body: bytes) -> bool:
        """Whether AWS answers 500 instead."""
        if action == f"{_DYNAMODB}.Query" and _table(body) == self._settings.session_table:
            return self._faults.strikes("sessions-unreadable") is not None
        reading = b"GetMetric" in body or "GetMetric" in action or "GetMetric" in path
        return reading and self._faults.strikes("metrics-unreadable") is not None

    def throttles(self, action: str, body: bytes) -> bool:
        """Whether AWS refuses a new session's row, because it took too many within the last second."""
        if action != f"{_DYNAMODB}.PutItem" or _table(body) != self._settings.session_table:
            return False
        limit = self._faults.strikes("sessions-throttled", client=_client(body))
        if limit is None:
            return False
        now = time.monotonic()
        self._rows_put = [at for at in self._rows_put if now - at < 1.0]
        if len(self._rows_put) >= amount(limit):
            return True
        self._rows_put.append(now)
        return False

    def forgets(self, action: str, body: bytes) -> bool:
        """Whether AWS says yes, and does nothing."""
        if action == f"{_DYNAMODB}.DeleteItem" and _table(body) == self._settings.session_table:
            return self._faults.strikes("session-delete-forgotten") is not None
        if action != f"{_DYNAMODB}.PutItem":
            return False
        lost = {
            self._settings.queue_tracking_table: "queue-rows-lost",
            self._settings.thread_mapping_table: "thread-rows-lost",
        }
        fault = lost.get(_table(body))
        return fault is not None and self._faults.strikes(fault) is not None

    def spreads_end(self, action: str, body: bytes) -> bool:
        """Whether this request, which ends a session, ends all others too."""
        ends = action == f"{_DYNAMODB}.DeleteItem" or (
            action in (f"{_DYNAMODB}.UpdateItem", f"{_DYNAMODB}.PutItem") and b'"expired"' in body
        )
        return (
            ends
            and _table(body) == self._settings.session_table
            and self._faults.strikes("end-spreads") is not None
        )


def _table(body: bytes) -> str:
    request: dict[str, Any] = json.loads(body or b"{}")
    return str(request.get("TableName", ""))


def _client(body: bytes) -> str:
    """The customer whose row is put; empty if the row names none."""
    request: dict[str, Any] = json.loads(body or b"{}")
    return str(request.get("Item", {}).get("clientId", {}).get("S", ""))
