"""What every command shares: where it writes, how it ends, and what Ctrl-C does."""

import asyncio
import codecs
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from synthetics.errors import SettingsError, SyntheticsError
from synthetics.words import printable

T = TypeVar("T")
STATE_VARIABLE = "SYNTHETICS_STATE_DIR"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings file (TOML). Default: SYNTHETICS_CONFIG, or synthetics.toml here if it exists.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]


class ExitCode(IntEnum):
    """How a command ends, for scripts."""

    PASSED = 0
    FAILED = 1
    BROKEN = 2
    INTERRUPTED = 130


class Refused(SyntheticsError):
    """The command cannot do what it was asked to; the sentence says why and what would help."""


@dataclass(slots=True)
class Shell:
    """What holds for the whole command line."""

    debug: bool = False


def out() -> Console:
    """Standard output: results."""
    return Console(highlight=False, width=_width(sys.stdout.isatty()))


def err() -> Console:
    """Standard error: progress, logs, complaints."""
    return Console(stderr=True, highlight=False, width=_width(sys.stderr.isatty()))


def _width(is_terminal: bool) -> int | None:
    """Files and pipes have no width of their own: wide enough that nothing is broken without need."""
    return None if is_terminal or "COLUMNS" in os.environ else 160


def run_async(
    work: Callable[[], Awaitable[T]],
    *,
    on_stop: str = "Stopping.",
    at_once: Callable[[], None] | None = None,
    when_stopped: ExitCode = ExitCode.INTERRUPTED,
) -> T:
    """What `work` returns. The first Ctrl-C or SIGTERM cancels it, and it cleans up; the second leaves at once.

    `at_once` is what must still be done then, in no time. Raises typer.Exit with `when_stopped` where it was
    interrupted: for what runs until somebody stops it, that is a good end.
    """
    interrupted = False

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal interrupted
            if interrupted:
                if at_once is not None:
                    at_once()
                leave_at_once()
            interrupted = True
            err().print(f"{on_stop} Ctrl-C again leaves at once.", style="yellow")
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        return await work()

    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if interrupted:
            raise typer.Exit(when_stopped) from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)  # the loop leaves Python's own, whatever was there


@contextmanager
def using(directory: Path) -> Iterator[None]:
    """Around what makes files in this directory. Raises Refused, with what would help, if it cannot be used."""
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{directory} cannot be used ({error.strerror or error}); choose another directory with "
            f"{STATE_VARIABLE}, or state_dir in the settings file."
        ) from error


def write_json(document: object) -> None:
    """One JSON document to standard output, in characters that it takes."""
    takes_all = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    text = json.dumps(document, ensure_ascii=not takes_all, indent=2, default=str)
    sys.stdout.write(text + "\n")


def leave_at_once() -> None:
    """End this process now: no clean-up, no waiting for threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)


def tell(error: SyntheticsError) -> None:
    """Tell people what is wrong; several mistakes in settings are listed."""
    console = err()
    problems = error.problems if isinstance(error, SettingsError) else ()
    if len(problems) > 1:
        console.print(f"{len(problems)} things are wrong:", style="red")
        for problem in problems:
            console.print(f"  • {printable(problem)}", markup=False)
        return
    for line in str(error).splitlines() or [type(error).__name__]:
        console.print(printable(line), style="red", markup=False)


def tell_unexpected(error: BaseException, *, debug: bool) -> None:
    """Tell people that this is our own mistake, in one sentence, and where the rest of it is written."""
    if debug:
        traceback.print_exception(error)
        return
    told = printable(f"{type(error).__name__}: {error}")
    err().print(
        f"synthetics made a mistake of its own: {told}\n"
        f"The details are in {_keep(error)}; `synthetics --debug …` shows them here.",
        style="red",
        markup=False,
    )


def _keep(error: BaseException) -> Path:
    """Where the traceback was written: the state directory, or the temporary one if that cannot be written."""
    text = "".join(traceback.format_exception(error))
    state_dir = Path(os.environ.get(STATE_VARIABLE, "").strip() or ".state")
    for directory in (state_dir, Path(gettempdir())):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path = directory / "synthetics-error.log"
            with path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError:
            continue
        return path
    return Path("(nowhere: no directory can be written)")
