"""What `synthetics run --compare-to` holds new timings against, and what it says of them."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from synthetics.clock import SystemClock
from synthetics.commands.shell import ExitCode, Refused
from synthetics.model.run import TELLING, Run
from synthetics.regression.comparing import Compared, Comparison, Timed, TimingOf, compare
from synthetics.words import counted, duration, in_words

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.settings import Settings

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Took:
    """One value: seconds, and the phases that add up to it."""

    seconds: float
    phases: Mapping[str, float]


Earlier = Mapping[TimingOf, Sequence[Timed]]


def span_or_file(typed: str) -> timedelta | Path:
    """What `--compare-to` names. Raises Refused for what is neither a file nor a duration."""
    file = Path(typed)
    if file.is_file():
        return file
    try:
        return duration(typed)
    except (ValueError, OverflowError):
        raise Refused(
            f"--compare-to {typed}: wanted how far back, such as 7d, or what `synthetics run --json` wrote;"
            " there is no such file"
        ) from None


def earlier_of_file(file: Path) -> dict[TimingOf, list[Timed]]:
    """The timings of the runs in a document of `synthetics run --json`. Raises Refused for any other file."""
    found: defaultdict[TimingOf, list[Timed]] = defaultdict(list)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        for run in document.get("runs", [document]):
            if run["run"]["outcome"] in TELLING:
                for timing in run["timings"]:
                    if not timing["stalled"]:
                        of = TimingOf(run["run"]["probe"], timing["name"], timing["path"])
                        found[of].append(_of_document(timing))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise Refused(f"--compare-to {file}: wanted what `synthetics run --json` wrote ({why})") from error
    return dict(found)


async def earlier_of_store(
    settings: "Settings", probes: Collection[str], over: timedelta
) -> dict[TimingOf, list[Timed]]:
    """What the database has of these probes' timings of the last so long, at the settings' own location."""
    from synthetics import main, queries  # the whole service: only where it is needed

    clock = SystemClock()
    async with main.connected(settings) as database:
        slowness, since = queries.Reads.of(database, clock).slowness, clock.now() - over
        return {
            TimingOf(key.probe, key.name, key.path): list(await slowness.values(key, since=since))
            for key in await slowness.series(since=since)
            if key.probe in probes and key.location == settings.worker.location
        }


def compared(earlier: Earlier, runs: Sequence[Run]) -> list[Compared]:
    """Every timing that there are values of, before and in these runs."""
    now: defaultdict[TimingOf, list[Timed]] = defaultdict(list)
    for run in runs:
        if run.outcome in TELLING:
            for timing in run.timings:
                if not timing.stalled:
                    phases = {phase.name: phase.took.total_seconds() for phase in timing.phases}
                    took = Took(timing.took.total_seconds(), phases)
                    now[TimingOf(run.key.probe, timing.name, timing.path)].append(took)
    both = [of for of in now if earlier.get(of)]
    return [Compared(of, compare(earlier[of], now[of], among=len(both))) for of in both]


def verdict(found: Sequence[Compared]) -> ExitCode:
    """Failed if any timing is slower; broken if no timing has values enough to tell."""
    if any(one.comparison.slower for one in found):
        return ExitCode.FAILED
    return ExitCode.PASSED if any(one.comparison.can_tell for one in found) else ExitCode.BROKEN


def comparison_document(one: Compared) -> Document:
    """One timing's comparison, for machines."""
    found = one.comparison
    return {
        "probe": one.of.probe,
        "timing": one.of.timing,
        "path": one.of.path,
        "before_seconds": round(found.before, 6),
        "after_seconds": round(found.after, 6),
        "before_count": found.befores,
        "after_count": found.afters,
        "rise": round(found.rise, 6),
        "odds": found.odds,
        "can_tell": found.can_tell,
        "slower": found.slower,
        "phase_shares": dict(found.shares),
    }


def comparison_table(found: Sequence[Compared]) -> Table:
    """For people: a line for each timing."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("timing", "before", "now", "", ""):
        table.add_column(column, overflow="fold")
    for one in found:
        comparison = one.comparison
        table.add_row(
            str(one.of),
            f"{_seconds(comparison.before)} ({counted(comparison.befores, 'run')})",
            f"{_seconds(comparison.after)} ({counted(comparison.afters, 'run')})",
            f"{comparison.rise:+.0%}",
            _judged(comparison),
        )
    return table


def _judged(found: Comparison) -> Text:
    if found.slower:
        where = ", ".join(f"{share:.0%} in {phase}" for phase, share in _largest_first(found.shares))
        return Text(f"slower{': ' if where else ''}{where}", style="bold red")
    return Text("as before") if found.can_tell else Text("too few runs to tell", style="yellow")


def _largest_first(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(((name, share) for name, share in shares.items() if share), key=lambda item: -item[1])


def _of_document(timing: Mapping[str, Any]) -> Took:
    return Took(
        float(timing["seconds"]), {phase["name"]: float(phase["seconds"]) for phase in timing["phases"]}
    )


def _seconds(seconds: float) -> str:
    return in_words(timedelta(seconds=seconds))
