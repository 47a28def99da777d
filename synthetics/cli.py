"""The command line: every command, and how an error ends it."""

import io
import sys
from typing import Annotated

import typer

from synthetics.commands.demo.command import demo
from synthetics.commands.incidents import incidents
from synthetics.commands.listing import probes, runs
from synthetics.commands.maintenance import maintenance
from synthetics.commands.notify import notify
from synthetics.commands.run import run
from synthetics.commands.sandbox import fault, sandbox
from synthetics.commands.service import check, migrate, serve, sweep
from synthetics.commands.shell import ExitCode, Shell, tell, tell_unexpected
from synthetics.commands.slo import slo
from synthetics.commands.slowness import backtest, regressions
from synthetics.commands.token import token
from synthetics.errors import SyntheticsError
from synthetics.interrupts import end_on_interrupt
from synthetics.version import __version__

app = typer.Typer(
    name="synthetics",
    help="A synthetic monitor: it lives through what a platform's users live through, and times it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(serve)
app.command()(run)
app.command()(probes)
app.command()(runs)
app.command()(regressions)
app.command()(backtest)
app.command()(slo)
app.command()(check)
app.command()(migrate)
app.command()(sweep)
app.add_typer(incidents, name="incidents")
app.add_typer(maintenance, name="maintenance")
app.add_typer(notify, name="notify")
app.add_typer(token, name="token")
app.command()(sandbox)
app.add_typer(fault, name="fault")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"synthetics {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Tracebacks, and every log line.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version  # handled before anything else
    context.obj.debug = debug


def main() -> None:
    """Run the command line; every error of ours becomes a sentence and exit code 2."""
    shell = Shell()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding does not have is spelled, never an error
            stream.reconfigure(errors="backslashreplace")
    try:
        app(obj=shell)
    except SyntheticsError as error:
        tell(error)
        sys.exit(ExitCode.BROKEN)
    except Exception as error:  # noqa: BLE001 — the outermost border: people get a sentence, the file the rest
        tell_unexpected(error, debug=shell.debug)
        sys.exit(ExitCode.BROKEN)


if __name__ == "__main__":
    end_on_interrupt()
    main()
