"""A run while it goes on, for people: a live picture on a terminal, plain lines everywhere else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from synthetics.commands.rendering import STYLES, mark
from synthetics.contract.probe import Probe, Step
from synthetics.contract.progress import Progress
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.run import Run, StepOutcome, StepResult
from synthetics.model.timing import Timing
from synthetics.words import in_words, printable


@contextmanager
def watching(console: Console) -> Iterator[Progress]:
    """A progress that fits the console: alive if it is a terminal."""
    if not console.is_terminal:
        yield Lines(console)
        return
    picture = Picture()
    with Live(console=console, get_renderable=picture.render, refresh_per_second=8, transient=True):
        yield picture


class Lines:
    """One line for each step, each case that did not pass, and each run."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def started(self, probe: Probe) -> None:
        self._say(probe.name, "started")

    def step_started(self, probe: Probe, step: Step) -> None:
        pass

    def step_ended(self, probe: Probe, result: StepResult) -> None:
        took = "" if result.took is None else f" in {in_words(result.took)}"
        over = f" (over its budget of {in_words(result.budget)})" if result.over_budget else ""
        self._say(probe.name, f"step {result.name} {result.outcome.value}{took}{over}")

    def check_ended(self, probe: Probe, check: Check) -> None:
        if check.outcome in (CheckOutcome.FAILED, CheckOutcome.DEGRADED):
            self._say(probe.name, f"{check.case} {check.outcome.value}: {check.reason}")

    def timing_taken(self, probe: Probe, timing: Timing) -> None:
        self._say(probe.name, f"{timing.name} {timing.path}".rstrip() + f" took {in_words(timing.took)}")

    def finished(self, run: Run) -> None:
        reason = f": {run.reason}" if run.reason else ""
        self._say(run.key.probe, f"{run.outcome.value} in {in_words(run.took)}{reason}")

    def _say(self, probe: str, words: str) -> None:
        self._console.print(f"{probe}: {printable(words)}", markup=False)


@dataclass(slots=True)
class _Watched:
    """What is known of one run that goes on."""

    probe: Probe
    under_way: dict[str, float] = field(default_factory=dict)
    done: dict[str, StepResult] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)
    ended: Run | None = None


class Picture:
    """Every probe's steps, ticking against their budgets, with its cases and timings below."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._spinner = Spinner("dots", style="cyan")

    def started(self, probe: Probe) -> None:
        self._watched[probe.name] = _Watched(probe)

    def step_started(self, probe: Probe, step: Step) -> None:
        self._of(probe).under_way[step.name] = time.monotonic()

    def step_ended(self, probe: Probe, result: StepResult) -> None:
        watched = self._of(probe)
        watched.under_way.pop(result.name, None)
        watched.done[result.name] = result

    def check_ended(self, probe: Probe, check: Check) -> None:
        checks = self._of(probe).checks
        checks[check.case] = checks[check.case].merged(check) if check.case in checks else check

    def timing_taken(self, probe: Probe, timing: Timing) -> None:
        self._of(probe).timings.append(timing)

    def finished(self, run: Run) -> None:
        if run.key.probe in self._watched:
            self._watched[run.key.probe].ended = run

    def render(self) -> RenderableType:
        """The picture as of now; called from the thread that draws."""
        if not self._watched:
            return Text("Getting ready …", style="dim")
        return Group(*(self._block(watched) for watched in list(self._watched.values())))

    def _of(self, probe: Probe) -> _Watched:
        return self._watched.setdefault(probe.name, _Watched(probe))

    def _block(self, watched: _Watched) -> RenderableType:
        promise = watched.probe.promise.splitlines()[0] if watched.probe.promise else ""
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
        table.add_column(width=2)
        table.add_column()
        table.add_column(justify="right")
        table.add_column(style="dim")
        for step in watched.probe.spec.steps:
            table.add_row(*self._row(watched, step))
        head = Text.assemble((watched.probe.name, "bold"), "  ", (promise, "dim"))
        return Group(head, table, *_cases(watched), *_timings(watched), Text())

    def _row(self, watched: _Watched, step: Step) -> tuple[RenderableType, ...]:
        budget = f"of {in_words(step.budget)}"
        if step.name in watched.done:
            result = watched.done[step.name]
            took = "" if result.took is None else in_words(result.took)
            style = "yellow" if result.over_budget else ""
            return mark(result.outcome), Text(step.name), Text(took, style=style), budget
        if step.name in watched.under_way:
            so_far = in_words(timedelta(seconds=time.monotonic() - watched.under_way[step.name]))
            return self._spinner, Text(step.name, style="cyan"), Text(so_far, style="cyan"), budget
        return mark(StepOutcome.NOT_REACHED), Text(step.name, style="dim"), "", budget


def _cases(watched: _Watched) -> Iterator[RenderableType]:
    checks = list(watched.checks.values())
    if not checks:
        return
    told = [
        (f"{count} {outcome.value}", STYLES.get(outcome, ""))
        for outcome in CheckOutcome
        if (count := sum(check.outcome is outcome for check in checks))
    ]
    of = f"of {len(watched.probe.spec.cases)}"
    yield Text.assemble("   cases: ", *((words + "  ", style) for words, style in told), (of, "dim"))
    for check in checks:
        if check.outcome is CheckOutcome.FAILED:
            yield Text(f"   ✗ {check.case}: {printable(check.reason or '')}", style="red")


def _timings(watched: _Watched) -> Iterator[RenderableType]:
    for timing in list(watched.timings):
        yield Text.assemble(f"   {timing.name} {timing.path}".rstrip() + " ", (in_words(timing.took), "bold"))
