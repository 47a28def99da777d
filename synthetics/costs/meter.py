"""Counts what one run uses, and notes in its log what it asked."""

import threading
from collections import defaultdict
from datetime import timedelta

from synthetics.contract.platform import RequestMeter
from synthetics.model.cost import Usage
from synthetics.run_log import DEBUG, RunLog


class RunMeter:
    """One run's requests and whatever else it uses that has a price; requests are told onward as well."""

    def __init__(self, onward: RequestMeter, run_log: RunLog) -> None:
        self._onward = onward
        self._log = run_log
        self._used: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()  # clients count from threads of their own

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        """One request ended, however it did: AWS asks for its price either way."""
        self._onward.count(service, operation, outcome, took)
        asked = {"service": service, "operation": operation, "outcome": outcome}
        self._log.add(DEBUG, "request.ended", asked, took=took)
        self.use(f"{service}.{operation}", 1)

    def use(self, what: str, quantity: float) -> None:
        """So much of a thing was used."""
        with self._lock:
            self._used[what] += quantity

    def usage(self) -> Usage:
        """Everything so far."""
        with self._lock:
            return dict(sorted(self._used.items()))
