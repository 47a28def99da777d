"""From a due tick to a recorded run: slot, claim, exclusivity, the run itself, and its confirmation."""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from synthetics.clock import Clock
from synthetics.contract.probe import Price, Probe
from synthetics.model.maintenance import in_maintenance
from synthetics.model.run import Outcome, Run, RunKey, Trigger
from synthetics.model.timing import ZERO
from synthetics.running.budget import Budget
from synthetics.running.claims import Claims
from synthetics.running.recorder import Recorder
from synthetics.running.runner import Interrupt, Runner, new_tag
from synthetics.store import locks, maintenance, runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: What looking into the database before a start may take, beside the wait for a slot.
_LONGEST_LOOK = timedelta(seconds=15)
STILL_RUNNING = "skipped: the run before it was still going on"


class Watching(Protocol):
    """Who counts what the dispatcher does."""

    def run_started(self) -> None: ...

    def run_ended(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long anything may wait."""

    slots: int
    lock_wait: timedelta


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that is this worker's, before it begins."""

    key: RunKey
    tag: str
    interrupt: Interrupt


class Dispatch:
    """Runs ticks, as many at once as there are slots; every tick it is given ends in a record."""

    def __init__(
        self,
        *,
        database: Database,
        claims: Claims,
        runner: Runner,
        recorder: Recorder,
        clock: Clock,
        limits: Limits,
        watching: Watching,
        worker: str,
        budget: Budget,
    ) -> None:
        self._database = database
        self._claims = claims
        self._runner = runner
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._watching = watching
        self._worker = worker
        self._budget = budget
        self._slots = asyncio.Semaphore(limits.slots)
        self._stopping = Interrupt()

    def refuse(self, reason: str) -> None:
        """Start nothing more; what waits for a slot or a lock ends as interrupted, for this reason."""
        self._stopping.set(reason)

    def interrupt(self, reason: str) -> None:
        """Stop every run under way; clean-ups go on."""
        self.refuse(reason)
        for interrupt in self._claims.held().values():
            interrupt.set(reason)

    async def tick(self, probe: Probe, key: RunKey, *, patience: timedelta) -> Run | None:
        """Run this tick, unless another worker does; None if it did or if the tick was missed.

        `patience` bounds the wait for a free slot. Raises StoreError when the claim could not be made.
        """
        asked = self._clock.monotonic()
        if not await self._free_slot(patience):
            await self.miss(key, f"shed: no free slot within {patience.total_seconds():g} s")
            return None
        if key.trigger is Trigger.SCHEDULE and (reason := await self._skipped(probe, key)):
            await self.miss(key, reason)
            return None
        stood_still = timedelta(seconds=self._clock.monotonic() - asked) - patience
        if key.trigger is Trigger.SCHEDULE and stood_still > _LONGEST_LOOK:
            await self.miss(
                key, f"too late: this worker or its database stood still for {stood_still.seconds} s"
            )
            return None
        tag, interrupt = new_tag(), Interrupt()
        if self._stopping.is_set() or not await self._claims.claim(key, tag=tag, interrupt=interrupt):
            return None
        try:
            return await self._claimed(probe, key, tag=tag, interrupt=interrupt, asked=asked)
        finally:
            self._claims.release(key.id)

    async def is_asked(self, location: str) -> bool:
        """Whether there is something to take, and a slot for it. Raises StoreError."""
        if self._slots.locked() or self._stopping.is_set():
            return False
        return await self._claims.is_asked(location)

    async def take_asked(self, probes: Collection[str], location: str) -> Taken | None:
        """Claim the run of these probes that somebody asked for; None if there is none. Raises StoreError."""
        tag, interrupt = new_tag(), Interrupt()
        key = await self._claims.take_asked(probes, location, tag=tag, interrupt=interrupt)
        return Taken(key, tag, interrupt) if key is not None else None

    async def run_taken(self, probe: Probe, taken: Taken) -> Run:
        """Run what was taken."""
        try:
            asked = self._clock.monotonic()
            return await self._claimed(probe, taken.key, tag=taken.tag, interrupt=taken.interrupt, asked=asked)
        finally:
            self._claims.release(taken.key.id)

    async def miss(self, key: RunKey, reason: str) -> None:
        """Record that this tick was due and did not start."""
        async with self._database.transaction() as connection:
            noted = await runs.note_missed(connection, [key], reason=reason, worker=self._worker)
        if noted:
            log.warning("run.missed", probe=key.probe, tick=key.tick.isoformat(), reason=reason)

    async def _claimed(self, probe: Probe, key: RunKey, *, tag: str, interrupt: Interrupt, asked: float) -> Run:
        async with AsyncExitStack() as held:
            unstarted = await self._make_room(probe, held)
            waited = timedelta(seconds=self._clock.monotonic() - asked)
            if unstarted:
                outcome, reason = unstarted
                run = Run(key, outcome, self._clock.now(), reason, waited=waited, worker=self._worker, tag=tag)
                await self._recorder.record(run)
                return run
            run = await self._once(probe, key, tag=tag, interrupt=interrupt, waited=waited)
            confirm = await self._wants_confirmation(probe, run)
            await self._recorder.record(run)
            if confirm:
                await self._confirm(probe, run)
            return run

    async def _make_room(self, probe: Probe, held: AsyncExitStack) -> tuple[Outcome, str] | None:
        """Take a slot and what the probe needs for itself; why it could not start, if it could not."""
        waiting = asyncio.create_task(self._take(probe, held))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})
        if waiting.cancelled():
            return Outcome.INTERRUPTED, self._stopping.reason
        try:
            waiting.result()
        except locks.LockTimeout as error:
            return Outcome.MISSED, f"could not be alone: {error}"
        return None

    async def _take(self, probe: Probe, held: AsyncExitStack) -> None:
        if probe.spec.exclusive or probe.spec.shares:
            alone = locks.hold(
                self._database,
                exclusive=probe.spec.exclusive,
                shared=probe.spec.shares,
                within=self._limits.lock_wait,
                holder=f"{probe.name} on {self._worker}",
            )
            await held.enter_async_context(alone)
        await held.enter_async_context(self._slots)

    async def _once(
        self,
        probe: Probe,
        key: RunKey,
        *,
        tag: str,
        interrupt: Interrupt,
        waited: timedelta = ZERO,
        confirms: UUID | None = None,
    ) -> Run:
        self._watching.run_started()
        try:
            return await self._runner.run(
                probe, key, tag=tag, interrupt=interrupt, waited=waited, confirms=confirms
            )
        finally:
            self._watching.run_ended()

    async def _wants_confirmation(self, probe: Probe, run: Run) -> bool:
        """A first failure of a scheduled run is confirmed at once, unless the probe is too dear."""
        return (
            run.outcome is Outcome.FAILED
            and run.key.trigger is Trigger.SCHEDULE
            and probe.spec.confirmed
            and not self._stopping.is_set()
            and await self._recorder.last_telling(run) is not Outcome.FAILED
        )

    async def _confirm(self, probe: Probe, failed: Run) -> None:
        key = replace(failed.key, trigger=Trigger.CONFIRM)
        tag, interrupt = new_tag(), Interrupt()
        if not await self._claims.claim(key, tag=tag, interrupt=interrupt, confirms=failed.id):
            return
        try:
            run = await self._once(probe, key, tag=tag, interrupt=interrupt, confirms=failed.id)
            await self._recorder.record(run)
        finally:
            self._claims.release(key.id)

    async def _free_slot(self, patience: timedelta) -> bool:
        """Wait until a slot is free, without taking it: a worker that is full leaves ticks to the others."""
        try:
            async with asyncio.timeout(patience.total_seconds()), self._slots:
                return True
        except TimeoutError:
            return False

    async def _skipped(self, probe: Probe, key: RunKey) -> str | None:
        """Why this tick is not to be run; None if it is."""
        async with self._database.transaction() as connection:
            other = await runs.in_flight(connection, key.probe, key.location)
            windows = await maintenance.since(connection, key.tick)
        if other is not None and other != key.id:
            return STILL_RUNNING
        if found := in_maintenance(windows, key.probe, key.tick):
            window, until = found
            return f"skipped: maintenance until {until:%Y-%m-%d %H:%M} UTC: {window.reason}"
        return await self._budget.spent() if probe.spec.price is Price.DEAR else None
