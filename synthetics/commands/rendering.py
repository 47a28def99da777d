"""Runs as people read them in a terminal: marks, tables, and timings as bars of their phases."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run, StepOutcome
from synthetics.model.timing import UNACCOUNTED, Timing
from synthetics.words import in_words, printable

STYLES: Mapping[str, str] = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.BROKEN: "magenta",
    Outcome.MISSED: "yellow",
    Outcome.INTERRUPTED: "yellow",
    CheckOutcome.DEGRADED: "yellow",
    CheckOutcome.SKIPPED: "dim",
    StepOutcome.NOT_REACHED: "dim",
}
MARKS: Mapping[str, str] = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.BROKEN: "!",
    Outcome.MISSED: "·",
    Outcome.INTERRUPTED: "‖",
    CheckOutcome.DEGRADED: "~",
    CheckOutcome.SKIPPED: "-",
    StepOutcome.NOT_REACHED: "·",
    "in flight": "…",
}
_PHASE_STYLES: Mapping[str, str] = {
    "request": "blue",
    "schedule": "cyan",
    "network": "bright_blue",
    "pull": "yellow",
    "start": "green",
    "health": "magenta",
    "preview": "bright_green",
    UNACCOUNTED: "bright_black",
}
_SPARE_STYLES = ("blue", "yellow", "magenta", "cyan", "green", "red")

Phases = Sequence[tuple[str, float]]


def mark(outcome: str) -> Text:
    """One coloured character for an outcome; its shape tells it apart without colours too."""
    return Text(MARKS.get(outcome, "?"), style=STYLES.get(outcome, ""))


def phase_style(name: str, position: int) -> str:
    """The colour of a phase: always the same for the ones that everybody knows."""
    return _PHASE_STYLES.get(name, _SPARE_STYLES[position % len(_SPARE_STYLES)])


def bar(phases: Phases, *, width: int, whole: float | None = None) -> Text:
    """A bar of `width` cells for `whole` seconds (default: the phases together), a colour for each phase."""
    total = sum(seconds for _, seconds in phases)
    scale = width / (whole or total) if (whole or total) > 0 else 0.0
    drawn, until, text = 0, 0.0, Text()
    for position, (name, seconds) in enumerate(phases):
        until += seconds
        cells = min(width, round(until * scale)) - drawn
        text.append("█" * cells, style=phase_style(name, position))
        drawn += cells
    return text.append(" " * (width - drawn))


def legend(phases: Phases) -> Text:
    """Each phase in its colour, with its seconds."""
    parts = [
        Text.assemble(("■ ", phase_style(name, position)), f"{name} {seconds:.2f}")
        for position, (name, seconds) in enumerate(phases)
    ]
    return Text("  ").join(parts)


def phases_of(timing: Timing) -> list[tuple[str, float]]:
    """A timing's phases as names and seconds; the whole as one where there are none."""
    if not timing.phases:
        return [(timing.name, timing.took.total_seconds())]
    return [(phase.name, phase.took.total_seconds()) for phase in timing.phases]


def render_run(run: Run, promises: Mapping[str, str]) -> RenderableType:
    """A finished run: how it ended, its cases, and its timings with their phases."""
    parts: list[RenderableType] = [_headline(run)]
    if run.reason:
        parts.append(Text(f"  {printable(run.reason)}", style=STYLES.get(run.outcome, "")))
    parts.extend(
        Text(f"  clean-up failed: {printable(error)}", style="magenta") for error in run.cleanup_errors
    )
    if run.checks:
        parts.append(_checks(run, promises))
    if run.timings:
        parts.append(_timings(run.timings))
    return Group(*parts, Text())


def print_runs(console: Console, runs: Sequence[Run], promises: Mapping[str, str]) -> None:
    """Every run, and one line that sums them up where there are several."""
    for run in runs:
        console.print(render_run(run, promises))
    if len(runs) > 1:
        counted = [(outcome, sum(run.outcome is outcome for run in runs)) for outcome in Outcome]
        told = ", ".join(f"{count} {outcome.value}" for outcome, count in counted if count)
        console.print(f"{len(runs)} runs: {told}")


def _headline(run: Run) -> Text:
    waited = f", after waiting {in_words(run.waited)}" if run.waited > timedelta(seconds=1) else ""
    return Text.assemble(
        mark(run.outcome),
        f" {run.key.probe} ",
        (run.outcome.value, STYLES.get(run.outcome, "")),
        f" in {in_words(run.took)}{waited}",
        (f"   run {run.id}", "dim"),
    )


def _checks(run: Run, promises: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("  case", "outcome", "promise, and what was found instead"):
        table.add_column(column, overflow="fold")
    for check in run.checks:
        style = STYLES.get(check.outcome, "")
        words = Text(promises.get(check.case, ""))
        if check.reason:
            words.append(f"\n{printable(check.reason)}", style=style)
        table.add_row(
            Text.assemble("  ", mark(check.outcome), f" {check.case}"),
            Text(check.outcome.value, style=style),
            words,
        )
    return table


def _timings(timings: Sequence[Timing]) -> Table:
    longest = max(timing.took.total_seconds() for timing in timings)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("  timing")
    table.add_column("seconds", justify="right")
    table.add_column("±", justify="right", style="dim")
    table.add_column("phases", overflow="fold")
    for timing in timings:
        phases = phases_of(timing)
        drawn = bar(phases, width=40, whole=longest)
        if timing.phases:
            drawn = Text("\n").join((drawn, legend(phases)))
        table.add_row(
            f"  {timing.name} {timing.path}".rstrip() + (" (stalled)" if timing.stalled else ""),
            f"{timing.took.total_seconds():.3f}",
            f"{timing.resolution.total_seconds():.3f}" if timing.resolution else "",
            drawn,
        )
    return table
