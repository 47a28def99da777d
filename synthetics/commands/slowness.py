"""`synthetics regressions` and `synthetics backtest`: what is slower, and what would have been told."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
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
    from synthetics.model.maintenance import Maintenance
    from synthetics.queries.slowness import Pace
    from synthetics.regression.change import Value
    from synthetics.settings import Settings
    from synthetics.store.series import SeriesKey

    ValuesOf = Callable[[SeriesKey], Awaitable[Sequence[Value]]]

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

    async with main.connected(settings) as database:
        reads = queries.Reads.of(database, SystemClock())
        windows = await reads.maintenance.since(asked.since)
        keys = await reads.slowness.series(since=asked.since, probe=asked.probe, timing=asked.timing)
        with _progress() as progress:
            judge = _judged_here if len(keys) == 1 else _judged_apart
            found = await judge(
                keys, lambda key: reads.slowness.values(key, since=asked.since), windows, progress
            )
    return sorted(found, key=lambda told: told.at)


async def _judged_here(
    keys: "Sequence[SeriesKey]", values_of: "ValuesOf", windows: "Sequence[Maintenance]", progress: Progress
) -> "list[Told]":
    """Judge the only series value by value."""
    from synthetics.alerting.backtest import judged_again

    (key,) = keys
    values = await values_of(key)
    bar = progress.add_task("values judged", total=len(values))
    return judged_again(key, values, windows, partial(progress.advance, bar))


async def _judged_apart(
    keys: "Sequence[SeriesKey]", values_of: "ValuesOf", windows: "Sequence[Maintenance]", progress: Progress
) -> "list[Told]":
    """Judge many series, as many at once as there are cores; no more than these are in memory."""
    from synthetics.alerting.backtest import judged_again

    bar = progress.add_task("series judged", total=len(keys))
    cores = min(len(keys), os.cpu_count() or 1) or 1
    free, loop = asyncio.Semaphore(cores), asyncio.get_running_loop()
    with ProcessPoolExecutor(cores, get_context("spawn"), _end_quietly) as pool:

        async def judged(key: "SeriesKey") -> "list[Told]":
            async with free:
                values = await values_of(key)
                told = await loop.run_in_executor(pool, judged_again, key, values, windows)
            progress.advance(bar)
            return told

        return [told for every in await asyncio.gather(*map(judged, keys)) for told in every]


def _end_quietly() -> None:
    """Ctrl-C reaches every process of the terminal; only the command itself has something to say about it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err(), transient=True, disable=not err().is_terminal)


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
