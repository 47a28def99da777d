"""The demo as a picture: each probe, how it stands, its last runs, and where the seconds went."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from api.models.probes import ProbeStatusOut
from api.models.runs import RunDetailOut, TimingOut
from synthetics.commands.demo.feed import Story
from synthetics.commands.rendering import bar, legend, mark
from synthetics.queries.values import State
from synthetics.words import printable

_BAR_WIDTH = 44
_MOST_MARKS = 12
_SHORTEST_TOLD = 0.005
_STATES = {State.UP: "bold green", State.DOWN: "bold red", State.BROKEN: "bold magenta", State.UNKNOWN: "dim"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything of this demo is found."""

    service: str
    command: str
    logs: str


def picture(
    story: Story, addresses: Addresses, *, running: float, now: datetime | None = None
) -> RenderableType:
    """The whole view, after `running` seconds."""
    moment = now or datetime.now(UTC)
    minutes, seconds = divmod(int(running), 60)
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    head.add_row(
        Text("synthetics demo", style="bold"), Text(f"{minutes}:{seconds:02d} since the start", style="dim")
    )
    parts: list[RenderableType] = [head, Rule(style="dim")]
    if story.status is None:
        parts.append(Text("Waiting for the first answer of the API …", style="dim"))
    else:
        for probe in (probe for probe in story.status.probes if probe.enabled):
            parts.extend(_probe(probe, story, moment))
    if story.trouble:
        parts.append(Text(story.trouble, style="yellow"))
    return Group(*parts, Rule(style="dim"), _foot(addresses))


def line(detail: RunDetailOut) -> Text:
    """A finished run in one line, for those who do not look at a terminal."""
    run = detail.run
    outcome = "in flight" if run.outcome is None else run.outcome.value
    text = Text.assemble(f"{run.finished_at or run.tick:%H:%M:%S} ", mark(outcome), f" {run.probe} {outcome}")
    if run.started_at and run.took_seconds is not None:
        text.append(f" in {run.took_seconds:.2f} s")
    if run.reason:
        text.append(f": {printable(run.reason)}")
    for timing in detail.timings:
        phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in _shown(timing))
        text.append(f"\n         {_name(timing)} {timing.seconds:.2f} s" + (f" ({phases})" if phases else ""))
    return text


def addresses_text(addresses: Addresses) -> str:
    """Where to look and what to try, in plain lines."""
    return _foot(addresses).plain


def _probe(probe: ProbeStatusOut, story: Story, now: datetime) -> Iterator[RenderableType]:
    style = _STATES[probe.state]
    yield Text.assemble(
        ("● ", style), (f"{probe.name}  ", "bold"), (probe.state.value, style), f"  {_when(probe, now)}"
    )
    yield Padding(Text(probe.promise.splitlines()[0] if probe.promise else "", style="dim"), (0, 0, 0, 2))
    finished = [run for run in probe.recent_runs if run.outcome is not None]
    if finished:
        marks = Text("  ")
        for run in reversed(finished[:_MOST_MARKS]):
            marks.append_text(mark(run.outcome or "")).append(" ")
        yield marks
    newest = probe.latest_run
    if newest is not None and newest.reason:
        yield Padding(Text(printable(newest.reason), style="red"), (0, 0, 0, 2))
    rows = list(story.timings_of(probe.name))
    if rows:
        yield Padding(_timings(rows), (0, 0, 0, 2))
    yield Text()


def _when(probe: ProbeStatusOut, now: datetime) -> Text:
    if probe.in_flight:
        return Text("running now", style="cyan")
    if probe.next_tick is None:
        return Text("not scheduled", style="dim")
    return Text(f"next run in {max(0, round((probe.next_tick - now).total_seconds()))} s", style="dim")


def _timings(rows: Sequence[tuple[TimingOut, list[float]]]) -> RenderableType:
    """Each timing as a bar on one scale, with the legend of its phases below."""
    longest = max(timing.seconds for timing, _ in rows)
    widest = max(len(_name(timing)) for timing, _ in rows)
    lines: list[RenderableType] = []
    for timing, values in rows:
        phases = [(phase.name, phase.seconds) for phase in timing.phases]
        drawn = bar(phases or [(timing.name, timing.seconds)], width=_BAR_WIDTH, whole=longest)
        head = Text.assemble(f"{_name(timing):{widest}} ", (f"{timing.seconds:6.2f} s", "bold"), "  ", drawn)
        if len(values) > 1:
            head.append(f"  middle of {len(values)}: {median(values):.2f} s", style="dim")
        lines.append(head)
        if phases:
            lines.append(Padding(legend(_shown(timing)), (0, 0, 0, widest + 11)))
    return Group(*lines)


def _shown(timing: TimingOut) -> list[tuple[str, float]]:
    """The phases that are long enough to be told."""
    return [(phase.name, phase.seconds) for phase in timing.phases if phase.seconds >= _SHORTEST_TOLD]


def _name(timing: TimingOut) -> str:
    return f"{timing.name} {timing.path}".rstrip()


def _foot(addresses: Addresses) -> Text:
    url = addresses.service
    return Text.assemble(
        ("status page  ", "dim"), f"{url}/\n",
        ("metrics      ", "dim"), f"{url}/metrics\n",
        ("API          ", "dim"), f"{url}/api/v1/status   {url}/docs\n",
        ("logs         ", "dim"), f"{addresses.logs}\n",
        ("break it     ", "dim"), f"{addresses.command} fault set slow-image-pull",
        ("   mend it  ", "dim"), f"{addresses.command} fault clear\n",
        ("Ctrl-C stops everything.", "dim"),
    )  # fmt: skip
