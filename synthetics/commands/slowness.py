"""`synthetics regressions` and `synthetics backtest`: what is slower, and what would have been told."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.clock import SystemClock
from synthetics.commands.shell import ConfigOption, JsonOption, Refused, err, out, run_async, write_json
from synthetics.log import LogLevel
from synthetics.words import duration, in_words, printable

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.alerting.backtest import Told
    from synthetics.queries.slowness import Pace
    from synthetics.settings import Settings

ProbeOption = Annotated[str | None, typer.Option(help="Only of this probe.")]
_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Asked:
    since: datetime
    probe: str | None
    timing: str | None


def regressions(probe: ProbeOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List what is usual for every timing, and what is slower now."""
    settings = _settings(config)
    found = run_async(lambda: _paces(settings, probe))
    if as_json:
        write_json([asdict(pace) for pace in found])
    elif found:
        out().print(_paces_table(found))
    else:
        out().print("No timing was judged yet.")


def backtest(
    probe: ProbeOption = None,
    timing: Annotated[str | None, typer.Option(help="Only of this timing.")] = None,
    since: Annotated[
        str, typer.Option(metavar="MOMENT", help="How far back, such as 30d; or ISO 8601 with its zone.")
    ] = "90d",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Judge stored timings again, value by value, and print what would have been told, and when."""
    asked = _Asked(_moment(since), probe, timing)
    settings = _settings(config)
    found = run_async(lambda: _judged(settings, asked))
    if as_json:
        write_json([asdict(told) for told in found])
    elif found:
        out().print(_told_table(found))
    else:
        out().print(f"Nothing would have been told since {asked.since:%Y-%m-%d %H:%M} UTC.")


async def _paces(settings: "Settings", probe: str | None) -> "Sequence[Pace]":
    from synthetics import main, queries  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        return await queries.Reads.of(database, SystemClock()).slowness.paces(probe)


async def _judged(settings: "Settings", asked: _Asked) -> "list[Told]":
    from synthetics import main, queries  # the whole service: only where it is needed
    from synthetics.alerting.backtest import judged_again

    found: list[Told] = []
    async with main.connected(settings) as database:
        reads = queries.Reads.of(database, SystemClock())
        windows = await reads.maintenance.since(asked.since)
        history = reads.slowness.history(since=asked.since, probe=asked.probe, timing=asked.timing)
        with _progress() as progress:
            async with aclosing(history) as every:
                async for key, values in every:
                    name = f"{key.probe} {key.name}" + (f"/{key.path}" if key.path else "")
                    bar = progress.add_task(name, total=len(values))
                    found += judged_again(key, values, windows, partial(progress.advance, bar))
    return sorted(found, key=lambda told: told.at)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err(), transient=True)


def _moment(typed: str) -> datetime:
    """Raises Refused for what is neither a duration nor a moment with its zone."""
    try:
        return datetime.now(UTC) - duration(typed)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused(f"--since {typed}: wanted how far back, such as 30d, or 2026-11-20T14:00:00Z")
    return moment.astimezone(UTC)


def _settings(config: ConfigOption) -> "Settings":
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    return settings


def _paces_table(found: "Sequence[Pace]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("probe", "timing", "location", "usual", "now"):
        table.add_column(column, overflow="fold")
    for pace in found:
        now = Text(f"slower: {', '.join(pace.slower)}", style="bold red") if pace.slower else Text("as usual")
        table.add_row(
            pace.probe,
            pace.timing + (f"/{pace.path}" if pace.path else ""),
            pace.location,
            in_words(pace.usual) if pace.usual else "",
            now if pace.usual else Text("learning", style="dim"),
        )
    return table


def _told_table(found: "Sequence[Told]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("told at", "over at", "what"):
        table.add_column(column, overflow="fold")
    for told in found:
        over = f"{told.over_at:%Y-%m-%d %H:%M}Z" if told.over_at else "not yet"
        table.add_row(f"{told.at:%Y-%m-%d %H:%M}Z", over, Text(printable(told.summary)))
    return table
