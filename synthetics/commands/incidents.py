"""`synthetics incidents`: what is wrong, and who is at it."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.clock import SystemClock
from synthetics.commands.shell import ConfigOption, JsonOption, out, run_async, write_json
from synthetics.log import LogLevel
from synthetics.model.incident import Incident
from synthetics.words import printable

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.queries.incidents import IncidentDetail
    from synthetics.settings import Settings

incidents = typer.Typer(help="What is wrong now, and what was.", invoke_without_command=True)

_STYLES = {"page": "bold red", "ticket": "yellow", "resolved": "green"}

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or how it begins.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who says so. Default: you.")]


@incidents.callback()
def list_incidents(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved too, newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the incidents that are open."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings(config)
    found = run_async(lambda: _listed(settings, limit, every=every))
    if as_json:
        write_json([_document(incident) for incident in found])
    elif found:
        out().print(_table(found))
    else:
        out().print("No incident is known." if every else "No incident is open.")


@incidents.command("show")
def show_incident(typed: IdArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show one incident: its evidence, what happened to it, and who was told."""
    settings = _settings(config)
    detail = run_async(lambda: _one(settings, typed))
    if as_json:
        write_json(
            {
                "incident": _document(detail.incident),
                "history": [asdict(happened) for happened in detail.history],
                "notices": [asdict(notice) for notice in detail.notices],
                "explains": [_document(child) for child in detail.explains],
            }
        )
        return
    for line in _lines(detail):
        out().print(line)


@incidents.command("acknowledge")
def acknowledge_incident(
    typed: IdArgument,
    by: ByOption = None,
    note: Annotated[str, typer.Option(help="What is being done about it.")] = "",
    new_normal: Annotated[
        bool,
        typer.Option(
            "--new-normal",
            help="Of a timing that became slower: it shall be so, and is what is usual from now on.",
        ),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Say that somebody is at it."""
    settings = _settings(config)
    incident = run_async(
        lambda: _acknowledged(settings, typed, by or getpass.getuser(), note, new_normal=new_normal)
    )
    out().print(printable(f"Acknowledged by {incident.acknowledged_by}: {incident.summary}"), markup=False)
    if new_normal:
        out().print("What came since is the new normal; it is over with the next run.")


@incidents.command("note")
def note_incident(
    typed: IdArgument,
    text: Annotated[str, typer.Argument(help="What is to be remembered.")],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a note to an incident."""
    settings = _settings(config)
    run_async(lambda: _noted(settings, typed, by or getpass.getuser(), text))
    out().print("Noted.")


async def _listed(settings: "Settings", limit: int, *, every: bool) -> Sequence[Incident]:
    from synthetics import main, queries  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        reads = queries.Reads.of(database, SystemClock())
        if not every:
            return (await reads.incidents.open_ones())[:limit]
        return (await reads.incidents.page(limit=limit)).incidents


async def _one(settings: "Settings", typed: str) -> "IncidentDetail":
    from synthetics import main, queries  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        reads = queries.Reads.of(database, SystemClock()).incidents
        return await reads.one(await reads.named(typed))


async def _acknowledged(settings: "Settings", typed: str, by: str, note: str, *, new_normal: bool) -> Incident:
    from synthetics import main, queries  # the whole service: only where it is needed
    from synthetics.alerting.acting import Acts

    async with main.connected(settings) as database:
        named = await queries.Reads.of(database, SystemClock()).incidents.named(typed)
        return await Acts(database, SystemClock()).acknowledge(named, by=by, note=note, new_normal=new_normal)


async def _noted(settings: "Settings", typed: str, by: str, text: str) -> None:
    from synthetics import main, queries  # the whole service: only where it is needed
    from synthetics.alerting.acting import Acts

    async with main.connected(settings) as database:
        named = await queries.Reads.of(database, SystemClock()).incidents.named(typed)
        await Acts(database, SystemClock()).note(named, by=by, text=text)


def _settings(config: ConfigOption) -> "Settings":
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    return settings


def _table(found: Sequence[Incident]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("id", "opened", "severity", "state", "what"):
        table.add_column(column, overflow="fold")
    for incident in found:
        words = Text(("  └ " if incident.folded_under else "") + printable(incident.summary))
        if incident.acknowledged_by:
            words.append(f"\nacknowledged by {printable(incident.acknowledged_by)}", style="dim")
        table.add_row(
            str(incident.id)[:8],
            f"{incident.opened_at:%Y-%m-%d %H:%M:%S}Z",
            Text(incident.severity, style=_STYLES.get(incident.severity, "")),
            Text(incident.state.value, style=_STYLES.get(incident.state.value, "")),
            words,
        )
    return table


def _lines(detail: "IncidentDetail") -> Sequence[Text]:
    from synthetics.alerting.messages import details  # with the store behind it: only where it is needed

    incident = detail.incident
    lines = [
        Text(printable(incident.summary), style="bold"),
        Text(
            f"{incident.rule} · {incident.severity} · {incident.state} · "
            f"opened {incident.opened_at:%Y-%m-%d %H:%M:%S}Z · {incident.id}",
            style="dim",
        ),
    ]
    told = details(incident.evidence)
    if run := incident.evidence.get("run"):
        told["Run"] = str(run)
    lines += [Text.assemble((f"{name}: ", "dim"), printable(value)) for name, value in told.items()]
    lines += [
        Text.assemble(
            (f"{happened.at:%Y-%m-%d %H:%M:%S}Z ", "dim"),
            f"{happened.event} ",
            printable(f"{happened.author} {happened.reason}".strip()),
        )
        for happened in detail.history
    ]
    for notice in detail.notices:
        became = "delivered" if notice.delivered_at else "given up" if notice.given_up_at else "waits"
        what = "that it is open" if notice.alarming else "that it is over"
        error = f": {printable(notice.last_error)}" if notice.last_error else ""
        lines.append(Text(f"{notice.notifier}: {what}, {became}{error}", style="red" if error else ""))
    lines += [Text(f"explains {str(child.id)[:8]}: {printable(child.summary)}") for child in detail.explains]
    return lines


def _document(incident: Incident) -> dict[str, object]:
    return asdict(incident)
