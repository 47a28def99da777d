"""`synthetics notify`: whether those who are to be told can be told."""

from typing import Annotated

import typer

from synthetics import log
from synthetics.commands.shell import ConfigOption, ExitCode, Refused, out, run_async
from synthetics.log import LogLevel
from synthetics.words import did_you_mean, plain, printable

notify = typer.Typer(help="Those who are told of incidents.", no_args_is_help=True)


@notify.callback()
def _notify() -> None:
    """Those who are told of incidents."""


@notify.command("test")
def try_notifiers(
    name: Annotated[str | None, typer.Argument(help="Only this notifier of the settings.")] = None,
    config: ConfigOption = None,
) -> None:
    """Send a test message, and its end, to every notifier. Exit code: 0 delivered, 1 not."""
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    wanted = settings.notifiers
    if not wanted:
        raise Refused("The settings name no notifier; docs/alerting.md shows how to.")
    if name is not None:
        if plain(name) not in wanted:
            raise Refused(f"There is no notifier {name!r}; {did_you_mean(name, wanted)}")
        wanted = {plain(name): wanted[plain(name)]}
    outcomes = run_async(lambda: main.try_notifiers(settings, list(wanted)))
    for notifier, error in outcomes.items():
        told = "delivered" if error is None else f"not delivered: {error}"
        out().print(printable(f"{notifier}: {told}"), style="" if error is None else "red", markup=False)
    raise typer.Exit(ExitCode.FAILED if any(outcomes.values()) else ExitCode.PASSED)
