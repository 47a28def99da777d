"""One probe, once: from the first step to the last clean-up, whatever happens between."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from synthetics.clock import Clock
from synthetics.contract.context import ProbeContext, StallWatch, Undo
from synthetics.contract.evidence import clean_text
from synthetics.contract.platform import Ledger, Platform, RequestMeter, RunScope
from synthetics.contract.probe import Probe
from synthetics.contract.progress import Progress
from synthetics.contract.tracing import Trace
from synthetics.costs.meter import RunMeter
from synthetics.costs.prices import Prices
from synthetics.errors import PlatformError, SyntheticsError
from synthetics.model.check import Check
from synthetics.model.run import Outcome, Run, RunKey, StepOutcome
from synthetics.model.timing import ZERO
from synthetics.run_log import RunLog, collecting
from synthetics.running.control import Control

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Seconds a stopped scenario gets to leave its last `finally`.
_LETTING_GO = 5.0

LedgerOf = Callable[[UUID, str, str], Ledger]


@dataclass(frozen=True, slots=True)
class _Ending:
    """How the scenario ended, before anybody asked whether we ourselves were all right."""

    outcome: Outcome
    reason: str | None = None
    timed_out: bool = False


class Interrupt:
    """Stops runs from outside: set once, with the reason that their record shall show."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()


class Runner:
    """Runs probes and tells how they ended. It neither plans nor stores."""

    def __init__(
        self,
        *,
        platform: Platform,
        control: Control,
        ledger_of: LedgerOf,
        requests: RequestMeter,
        prices: Prices,
        stalls: StallWatch,
        clock: Clock,
        progress: Progress,
        worker: str,
    ) -> None:
        self._platform = platform
        self._control = control
        self._ledger_of = ledger_of
        self._requests = requests
        self._prices = prices
        self._stalls = stalls
        self._clock = clock
        self._progress = progress
        self._worker = worker

    async def run(
        self,
        probe: Probe,
        key: RunKey,
        *,
        tag: str,
        interrupt: Interrupt,
        waited: timedelta = ZERO,
        confirms: UUID | None = None,
    ) -> Run:
        """Run the scenario once and undo what it promised to undo.

        Setting `interrupt` stops the scenario (never the clean-up). Returns a run with any outcome but
        `missed`; raises nothing of its own.
        """
        trace = Trace.begin(key.id)
        meter = RunMeter(self._requests, run_log := RunLog(self._clock))
        scope = RunScope(
            run_id=key.id,
            probe=probe.name,
            tag=tag,
            trace=trace,
            ledger=self._ledger_of(key.id, probe.name, tag),
            requests=meter,
            clock=self._clock,
        )
        started, began = self._clock.now(), self._clock.monotonic()
        self._progress.started(probe)
        bound = structlog.contextvars.bound_contextvars(probe=probe.name, run_id=str(key.id))
        with bound, collecting(run_log):
            async with AsyncExitStack() as stack:
                try:
                    clients = await stack.enter_async_context(self._platform.open(scope))
                    ctx = self._context(probe, clients, tag)
                    ending = await self._scenario(probe, ctx, interrupt)
                except SyntheticsError as error:  # our clients could not even be made
                    ctx, ending = self._context(probe, None, tag), _Ending(Outcome.BROKEN, str(error))
                took = timedelta(seconds=self._clock.monotonic() - began)
                cleanup_errors = await _undo_all(ctx.undos, probe.spec.cleanup_within)
            ending = await self._after_control(ending, began)
        ended = ending.reason or "the scenario ended without reporting it"
        run = Run(
            key=key,
            outcome=ending.outcome,
            reason=None if ending.reason is None else clean_text(ending.reason),
            started=started,
            finished=self._clock.now(),
            took=took,
            waited=waited,
            worker=self._worker,
            tag=tag,
            trace_id=trace.trace_id,
            confirms=confirms,
            steps=ctx.steps(),
            checks=ctx.checks(ended=ended, timed_out=ending.timed_out),
            timings=ctx.timings,
            cleanup_errors=cleanup_errors,
            versions=ctx.versions,
            facts=ctx.facts,
            usage=(usage := meter.usage()),
            cost=self._prices.cost(usage),
            log=run_log.lines(debug=ending.outcome is not Outcome.PASSED),
        )
        self._progress.finished(run)
        return run

    def _context(self, probe: Probe, clients: object, tag: str) -> ProbeContext[Any]:
        return ProbeContext(
            probe=probe,
            platform=clients,
            tag=tag,
            clock=self._clock,
            stalls=self._stalls,
            isolated=self._platform.isolated,
            progress=self._progress,
        )

    async def _scenario(self, probe: Probe, ctx: ProbeContext[Any], interrupt: Interrupt) -> _Ending:
        """Run the scenario in a task of its own, so that stopping it never stops us."""
        running = asyncio.ensure_future(probe.scenario(ctx))
        stopping = asyncio.create_task(interrupt.wait())
        try:
            await asyncio.wait(
                {running, stopping},
                timeout=probe.spec.timeout.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stopping.cancel()
            if not running.done():
                running.cancel()
                await asyncio.wait({running}, timeout=_LETTING_GO)
        if running.cancelled() or not running.done():
            if interrupt.is_set():
                return _Ending(Outcome.INTERRUPTED, interrupt.reason)
            return _Ending(Outcome.FAILED, _too_long(probe, ctx), timed_out=True)
        return _judged(ctx, running.exception())

    async def _after_control(self, ending: _Ending, began: float) -> _Ending:
        if ending.outcome is not Outcome.FAILED:
            return ending
        trouble = await self._control.trouble(began)
        if not trouble:
            return ending
        return _Ending(
            Outcome.BROKEN, f"our own trouble: {'; '.join(trouble)}. Seen meanwhile: {ending.reason}"
        )


def new_tag() -> str:
    """A random tag for one execution: lower-case hex, short enough for every name it becomes part of."""
    return secrets.token_hex(4)


def _judged(ctx: ProbeContext[Any], error: BaseException | None) -> _Ending:
    match error:
        case None:
            failed = ctx.failed_checks()
            if not failed:
                return _Ending(Outcome.PASSED)
            return _Ending(Outcome.FAILED, _told(str(failed[0].reason), failed))
        case PlatformError():
            return _Ending(Outcome.FAILED, _told(str(error), ctx.failed_checks()))
        case SyntheticsError():
            return _Ending(Outcome.BROKEN, str(error))
        case _:
            log.error("probe.crashed", exc_info=error)
            return _Ending(Outcome.BROKEN, f"a bug in the probe: {type(error).__name__}: {error}")


def _told(reason: str, failed: Sequence[Check]) -> str:
    """The reason with the case it belongs to, if it came out of one, and the other cases that failed."""
    own = next((check.case for check in failed if check.reason == reason), None)
    others = ", ".join(check.case for check in failed if check.case != own and check.reason != reason)
    told = f"{own}: {reason}" if own else reason
    return f"{told} (also failed: {others})" if others else told


def _too_long(probe: Probe, ctx: ProbeContext[Any]) -> str:
    under_way = [step.name for step in ctx.steps() if step.outcome is StepOutcome.INTERRUPTED]
    where = f" in step {under_way[-1]!r}" if under_way else ""
    return f"not finished within {probe.spec.timeout.total_seconds():g} s, stopped{where}"


async def _undo_all(undos: list[Undo], within: timedelta) -> tuple[str, ...]:
    """Undo in reverse order; errors are kept beside the run's outcome, never over it."""
    errors: list[str] = []
    try:
        async with asyncio.timeout(within.total_seconds()):
            while undos:
                undo = undos.pop()
                try:
                    await undo.call()
                # One undo must not keep the others from being tried, whatever went wrong in it.
                except Exception as error:  # noqa: BLE001
                    errors.append(clean_text(f"{undo.name}: {error or type(error).__name__}"))
                    log.warning("cleanup.failed", undo=undo.name, error=str(error))
    except TimeoutError:
        errors.append(f"clean-up stopped after {within.total_seconds():g} s; the sweep goes on from the ledger")
        log.warning("cleanup.failed", error="out of time")
    return tuple(errors)
