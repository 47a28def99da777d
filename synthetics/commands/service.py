"""`synthetics serve`, `migrate`, `check` and `sweep`: the service itself, and what looks after it."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.commands.shell import ConfigOption, ExitCode, out, run_async
from synthetics.log import LogLevel
from synthetics.model.resource import Resource
from synthetics.words import counted, in_words, printable


class Role(StrEnum):
    """What of the service a process is."""

    WORKER = "worker"
    API = "api"
    ALL = "all"


def serve(
    role: Annotated[
        Role, typer.Option(help="What this process is: it runs probes, it answers, or both.")
    ] = Role.ALL,
    config: ConfigOption = None,
) -> None:
    """Run the service until it is told to stop; SIGTERM drains it."""
    from synthetics import main  # the whole service: only where it is needed

    configuration = main.load(config, asking=role is not Role.API)
    log.configure(configuration.settings.log_format, configuration.settings.log_level)
    asyncio.run(main.serve(configuration, role.value))


def migrate(config: ConfigOption = None) -> None:
    """Bring the database's schema to what this version needs."""
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    out().print(run_async(lambda: main.migrate(settings)))


def check(config: ConfigOption = None) -> None:
    """Try settings, database, rights and endpoints, harmlessly, and tell every finding at once."""
    from synthetics import main  # the whole service: only where it is needed

    configuration = main.load(config, asking=False)  # what is missing is a finding, beside all others
    log.configure(configuration.settings.log_format, LogLevel.ERROR)
    findings = run_async(lambda: main.check(configuration))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        good = finding.problem is None
        words = Text("in order" if good else printable(finding.problem or ""), style="dim" if good else "red")
        if finding.advice:
            words.append(f"\n→ {finding.advice}", style="")
        table.add_row(
            Text("✓" if good else "✗", style="green" if good else "red"),
            Text(printable(finding.subject)),
            words,
        )
    out().print(table)
    bad = sum(finding.problem is not None for finding in findings)
    out().print(f"{len(findings)} looked at, {bad} not in order." if bad else "Everything is in order.")
    raise typer.Exit(ExitCode.BROKEN if bad else ExitCode.PASSED)


def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove what ended runs left behind on the platform."""
    from synthetics import main  # the whole service: only where it is needed

    configuration = main.load(config)
    log.configure(configuration.settings.log_format, LogLevel.WARNING)
    report = run_async(lambda: main.sweep(configuration, dry_run))
    told = [
        *(f"found    {_entry(entry)}" for entry in report.found if dry_run),
        *(f"removed  {_entry(entry)}" for entry in report.removed),
        *(f"stuck    {_entry(entry)}: {entry.last_error}" for entry in report.stuck),
        *(f"awaited  {_entry(entry)}: {entry.last_error}" for entry in report.awaited),
        *(
            f"orphan   {orphan.kind} {orphan.name}, {in_words(orphan.age)} old: the platform's own, left alone"
            for orphan in report.orphans
        ),
    ]
    if report.closed:
        told.append(f"closed   {counted(report.closed, 'abandoned run')}")
    for line in told or ["Nothing was left behind."]:
        out().print(printable(line), markup=False)
    if report.unseen:
        out().print(
            printable(f"What the platform itself has forgotten could not be looked for: {report.unseen}"),
            markup=False,
        )
    if report.under_way is not None:
        out().print(
            f"{counted(report.under_way.count, 'run')} under way: what they made is left alone until they end, "
            f"or until {report.under_way.until:%Y-%m-%d %H:%M:%S}Z if nothing more is heard of them."
        )
    raise typer.Exit(ExitCode.FAILED if report.stuck else ExitCode.PASSED)


def _entry(entry: Resource) -> str:
    return f"{entry.kind} {entry.name} (of {entry.probe}, {entry.intended:%Y-%m-%d %H:%M:%S}Z)"
