"""Where the rectangles and lines of the pages' plain pictures go; templates only draw them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from synthetics.model.run import StepResult
from synthetics.model.timing import UNACCOUNTED, ZERO, Phase
from synthetics.queries.values import Series, TimingHistory

#: Bars are drawn on a canvas this wide and stretched to whatever room the page has.
WIDTH = 1000.0
#: How many colours the style sheet has for phases, the grey of what is unaccounted for left out.
COLOURS = 8
HEIGHT = 120.0
_SLIVER = 1.5
_HEADROOM = 1.1


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a horizontal bar: where it starts, how wide it is, its class in the style sheet."""

    name: str
    took: timedelta
    x: float
    width: float
    colour: str


@dataclass(frozen=True, slots=True)
class StepBar:
    """A step on the run's time line; `budget_x` is where its budget ends, None if it was never reached."""

    step: StepResult
    x: float
    width: float
    budget_x: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points that may have gaps: one `points` attribute for each unbroken piece."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A series over its span: two lines, and where the target lies if it is within sight."""

    p50: Line
    p95: Line
    highest: timedelta
    target_y: float | None


def phase_bars(phases: Sequence[Phase], *, longest: timedelta, order: Sequence[str] = ()) -> tuple[Bar, ...]:
    """The phases side by side, on a scale whose full width is `longest`; colours follow `order`."""
    if longest <= ZERO:
        return ()
    colours = phase_colours([*order, *(phase.name for phase in phases)])
    bars: list[Bar] = []
    x = 0.0
    for phase in phases:
        width = max(0.0, phase.took / longest * WIDTH)
        bars.append(Bar(phase.name, phase.took, round(x, 2), round(width, 2), colours[phase.name]))
        x += width
    return tuple(bars)


def phase_colours(names: Iterable[str]) -> Mapping[str, str]:
    """A class of the style sheet for each phase, by its place among `names`; the unaccounted is grey."""
    known = [name for name in dict.fromkeys(names) if name != UNACCOUNTED]
    colours = {name: f"phase-{place % COLOURS}" for place, name in enumerate(known)}
    return {**colours, UNACCOUNTED: "phase-rest"}


def step_bars(steps: Sequence[StepResult], took: timedelta | None) -> tuple[StepBar, ...]:
    """The steps on the time line of a run that took `took`."""
    ends = [step.offset + step.took for step in steps if step.offset is not None and step.took is not None]
    whole = max([took or ZERO, *ends])
    return tuple(_step_bar(step, whole) for step in steps)


def share(took: timedelta, longest: timedelta) -> float:
    """How wide a bar for `took` is, on a scale whose full width is `longest`."""
    return round(took / longest * WIDTH, 2) if longest > ZERO else 0.0


def total(phases: Sequence[Phase]) -> timedelta:
    """All phases together."""
    return sum((phase.took for phase in phases), ZERO)


def chart(series: Series, history: TimingHistory) -> Chart:
    """The median and the 95th percentile of a series, bucket by bucket."""
    seen = [bucket.figures.p95 for bucket in series.buckets if bucket.figures]
    highest = max([*seen, timedelta(milliseconds=1)]) * _HEADROOM
    # A target far above everything measured would press the lines flat on the ground.
    if history.target is not None and history.target <= 2 * highest:
        highest = max(highest, history.target * _HEADROOM)
    target_y = None
    if history.target is not None and history.target <= highest:
        target_y = round(HEIGHT - history.target / highest * HEIGHT, 1)
    middles = [(bucket.start + history.bucket / 2, bucket.figures) for bucket in series.buckets]
    p50 = _line([(at, figures.p50 if figures else None) for at, figures in middles], history, highest)
    p95 = _line([(at, figures.p95 if figures else None) for at, figures in middles], history, highest)
    return Chart(p50, p95, highest, target_y)


def _line(
    values: Sequence[tuple[datetime, timedelta | None]], history: TimingHistory, highest: timedelta
) -> Line:
    """The line through `values`; where one is None the line is broken, since nothing was measured there."""
    whole = history.until - history.since
    pieces: list[str] = []
    for piece in _unbroken(values):
        points = [
            (min(WIDTH, (at - history.since) / whole * WIDTH), HEIGHT - took / highest * HEIGHT)
            for at, took in piece
        ]
        if len(points) == 1:  # a line needs two points: a lone one is drawn as a short dash
            points.append((points[0][0] + _SLIVER, points[0][1]))
        pieces.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
    return Line(tuple(pieces))


def _step_bar(step: StepResult, whole: timedelta) -> StepBar:
    if step.offset is None or step.took is None or whole <= ZERO:
        return StepBar(step, 0.0, 0.0, None)
    x = step.offset / whole * WIDTH
    budget_x = (step.offset + step.budget) / whole * WIDTH
    return StepBar(
        step,
        round(x, 2),
        round(max(_SLIVER, step.took / whole * WIDTH), 2),
        round(budget_x, 2) if budget_x <= WIDTH else None,
    )


def _unbroken(
    values: Sequence[tuple[datetime, timedelta | None]],
) -> Iterator[list[tuple[datetime, timedelta]]]:
    piece: list[tuple[datetime, timedelta]] = []
    for at, value in values:
        if value is not None:
            piece.append((at, value))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece
