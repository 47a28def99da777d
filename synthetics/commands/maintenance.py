"""`synthetics maintenance`: times at which nobody is to be woken."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.clock import SystemClock
from synthetics.commands.shell import ConfigOption, JsonOption, Refused, out, run_async, write_json
from synthetics.log import LogLevel
from synthetics.model.maintenance import Maintenance, Weekday
from synthetics.words import duration, in_words, printable

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.alerting.acting import Wanted
    from synthetics.settings import Settings

maintenance = typer.Typer(
    help="Times at which nobody is woken: probes are not run, and nothing opens.", invoke_without_command=True
)


@maintenance.callback()
def list_maintenance(context: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List what goes on and what is declared."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings(config)
    found = run_async(lambda: _listed(settings))
    if as_json:
        write_json([asdict(window) for window in found])
    elif found:
        out().print(_table(found))
    else:
        out().print("No maintenance is declared.")


@maintenance.command("create")
def create_maintenance(
    reason: Annotated[str, typer.Argument(help="Why; it is shown with every run that is left out.")],
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long, such as 90m or 2h.")],
    start: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="ISO 8601 with its zone. Default: now.")
    ] = None,
    probe: Annotated[list[str] | None, typer.Option(help="Only this probe; may be repeated.")] = None,
    day: Annotated[list[Weekday] | None, typer.Option(help="Every week on this day; may be repeated.")] = None,
    at: Annotated[str, typer.Option(metavar="HH:MM", help="When it begins on those days.")] = "",
    zone: Annotated[str, typer.Option(help="The time zone of that.")] = "UTC",
    by: Annotated[str | None, typer.Option("--by", help="Who says so. Default: you.")] = None,
    config: ConfigOption = None,
) -> None:
    """Declare a time of maintenance, once or every week."""
    from synthetics.alerting.acting import Wanted  # with the store behind it: only where it is needed

    try:
        how_long = duration(lasts)
        begins = datetime.fromisoformat(start) if start else None
    except ValueError as error:
        raise Refused(f"{error}; wanted --for 90m, and --start 2026-11-20T14:00:00+01:00") from error
    if begins is not None and begins.tzinfo is None:
        raise Refused(f"--start {start} has no time zone; write {start}Z for UTC, or {start}+01:00")
    wanted = Wanted(
        reason=reason,
        lasts=how_long,
        starts_at=begins.astimezone(UTC) if begins else None,
        probes=tuple(probe or ()),
        days=tuple(day or ()),
        at=at,
        zone=zone,
        by=by or getpass.getuser(),
    )
    settings = _settings(config)
    declared = run_async(lambda: _declared(settings, wanted))
    out().print(_table([declared]))


@maintenance.command("end")
def end_maintenance(
    typed: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")],
    config: ConfigOption = None,
) -> None:
    """Have a time of maintenance over now, and for good."""
    settings = _settings(config)
    ended = run_async(lambda: _ended(settings, typed))
    out().print(printable(f"Over: {ended.reason}"), markup=False)


async def _listed(settings: "Settings") -> Sequence[Maintenance]:
    from synthetics import main, queries  # the whole service: only where it is needed

    clock = SystemClock()
    async with main.connected(settings) as database:
        return await queries.Reads.of(database, clock).maintenance.since(clock.now())


async def _declared(settings: "Settings", wanted: "Wanted") -> Maintenance:
    from synthetics import main  # the whole service: only where it is needed
    from synthetics.alerting.acting import Acts

    async with main.connected(settings) as database:
        return await Acts(database, SystemClock()).declare(wanted)


async def _ended(settings: "Settings", typed: str) -> Maintenance:
    from synthetics import main, queries  # the whole service: only where it is needed
    from synthetics.alerting.acting import Acts

    clock = SystemClock()
    async with main.connected(settings) as database:
        known = await queries.Reads.of(database, clock).maintenance.since(clock.now())
        return await Acts(database, clock).end(_meant(typed, [window.id for window in known]))


def _meant(typed: str, known: Sequence[UUID]) -> UUID:
    found = [one for one in known if typed.strip() and str(one).startswith(typed.strip().lower())]
    if len(found) == 1:
        return found[0]
    what = "several begin" if found else "nothing that goes on or is declared begins"
    raise Refused(f"{what} with {typed!r}; `synthetics maintenance` lists them.")


def _settings(config: ConfigOption) -> "Settings":
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    return settings


def _table(found: Sequence[Maintenance]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("id", "when", "for", "probes", "reason"):
        table.add_column(column, overflow="fold")
    for window in found:
        table.add_row(
            str(window.id)[:8],
            _when(window),
            in_words(window.lasts),
            ", ".join(window.probes) or "all",
            Text(printable(window.reason)),
        )
    return table


def _when(window: Maintenance) -> str:
    if window.weekly is None:
        return f"{window.starts_at:%Y-%m-%d %H:%M}Z"
    days = ", ".join(day.value for day in window.weekly.days)
    return f"every {days} at {window.weekly.at:%H:%M} {window.weekly.zone}"
