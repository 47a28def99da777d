"""Counts what one run uses."""

import threading
from collections import defaultdict
from datetime import timedelta

from synthetics.contract.platform import RequestMeter
from synthetics.model.cost import Usage


class RunMeter:
    """One run's requests and whatever else it uses that has a price; requests are told onward as well."""

    def __init__(self, onward: RequestMeter) -> None:
        self._onward = onward
        self._used: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()  # clients count from threads of their own

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        """One request ended, however it did: AWS asks for its price either way."""
        self._onward.count(service, operation, outcome, took)
        self.use(f"{service}.{operation}", 1)

    def use(self, what: str, quantity: float) -> None:
        """So much of a thing was used."""
        with self._lock:
            self._used[what] += quantity

    def usage(self) -> Usage:
        """Everything so far."""
        with self._lock:
            return dict(sorted(self._used.items()))
