"""What the engine asks of a platform: to be opened for a run, swept after it, and asked about ourselves."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from synthetics.clock import Clock
from synthetics.contract.tracing import Trace
from synthetics.model.resource import Orphan, Resource


class Ledger(Protocol):
    """What this run made: intention first, then the id, then that it is gone.

    A crash between any two of these leaves an entry that the sweep can act on.
    """

    async def intend(self, kind: str, name: str, **details: str) -> UUID:
        """Write down that a thing is about to be made; `name` finds it again if we crash. Raises StoreError."""

    async def created(self, entry: UUID, name: str, **details: str) -> None:
        """Write down the id the thing got."""

    async def gone(self, kind: str, name: str) -> None:
        """Write down that every entry of this kind and name was seen to be gone."""

    def holds(self, kind: str, name: str) -> bool:
        """Whether this run made (or is about to make) this thing: what the guard asks."""


class RequestMeter(Protocol):
    """Counts what a run asks of the platform."""

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        """One request ended; safe to call from any thread. `outcome` is `ok`, an error code or a status."""


class UsageMeter(RequestMeter, Protocol):
    """Counts everything that one run uses."""

    def use(self, what: str, quantity: float) -> None:
        """So much of a thing that has a price was used, by its name in `costs/prices.toml`; any thread may."""


@dataclass(frozen=True, slots=True)
class RunScope:
    """Everything a platform's clients need to know about the run they work for."""

    run_id: UUID
    probe: str
    tag: str
    trace: Trace
    ledger: Ledger
    requests: UsageMeter
    clock: Clock


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `synthetics check`: what was tried, and what is wrong with it (None if nothing)."""

    subject: str
    problem: str | None = None
    advice: str | None = None


class Platform(Protocol):
    """A platform, as the engine knows it. Another team watches another platform by writing another one."""

    @property
    def isolated(self) -> bool:
        """Whether destructive cases may run here: nobody else uses this platform."""

    def open(self, scope: RunScope) -> AbstractAsyncContextManager[Any]:
        """The clients for one run; closed when the run, with its clean-up, is over."""

    async def remove(self, resource: Resource) -> None:
        """Remove what a run left behind and see that it is gone; a thing that never came to be is gone.

        Called for every open entry of a run in `removal_order`. Raises PlatformError if it is still there, and
        StillAwaited if nothing is there, and something may yet come.
        """

    def removal_order(self, kind: str) -> int:
        """Smaller goes first; the platform's own clean-up order."""

    async def orphans(self) -> Sequence[Orphan]:
        """What the platform itself has forgotten, whoever made it. Nothing is touched. Raises PlatformError."""

    async def own_trouble(self) -> Sequence[str]:
        """What is wrong on our side right now (credentials, network, clock), one sentence each; [] if nothing.

        Asked before a failure is laid at the platform's door.
        """

    async def preflight(self) -> Sequence[Finding]:
        """Every endpoint, name and right that probes need, tried one by one, harmlessly."""

    async def close(self) -> None:
        """Give back connections and threads."""
