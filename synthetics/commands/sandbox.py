"""`synthetics sandbox` and `synthetics fault`: a platform of one's own on this machine, and how to break it."""

import asyncio
import errno
import fcntl
import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import httpx
import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from synthetics import log, settings
from synthetics.commands.shell import (
    STATE_VARIABLE,
    ConfigOption,
    ExitCode,
    JsonOption,
    Refused,
    err,
    out,
    run_async,
    write_json,
)
from synthetics.errors import SettingsError
from synthetics.words import did_you_mean, plain

#: Where a running sandbox says how it is reached, under the state directory.
ANNOUNCEMENT = "sandbox.json"
#: What every fault can be given; told once, below the list.
_COMMON = frozenset({"probability", "times", "for"})

fault = typer.Typer(
    help="Break a promise of the running sandbox on purpose, and mend it.", no_args_is_help=True
)
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="SANDBOX_CONTROL_URL",
        help="The sandbox's control address; default: the one that runs here.",
    ),
]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A running sandbox: how it is broken on purpose, and what points a monitor at it."""

    pid: int
    control_url: str
    directory: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as the sandbox tells it; `active` are its parameters while it is on."""

    name: str
    what: str
    breaks: list[str]
    parameters: Mapping[str, object]
    active: Mapping[str, object] | None


def sandbox(
    directory: Annotated[
        Path | None, typer.Option(help="Where it lives. Default: sandbox/ in the state directory.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Real seconds for one second of the platform.")] = 0.25,
    seed: Annotated[int, typer.Option(help="The same seed, the same noise.")] = 0,
    idle_seconds: Annotated[
        float | None, typer.Option(help="After how many real seconds an idle container sleeps.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other setting of the sandbox.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line on standard output once it is up.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Run a small platform on this machine until Ctrl-C, and print what points a monitor at it."""
    require_sandbox()
    from sandbox.main import DirectoryInUse  # only here: nothing else may lean on it
    from sandbox.main import sandbox as running_sandbox

    known = settings.load(config, os.environ)
    log.configure(known.log_format, known.log_level)
    wanted = _sandbox_settings(
        {
            **dict(_pair(one) for one in given or ()),
            "directory": directory or known.state_dir / "sandbox",
            "speed": speed,
            "seed": seed,
            **({} if idle_seconds is None else {"idle_seconds": idle_seconds}),
        }
    )
    announced = known.state_dir / ANNOUNCEMENT
    stdout = sys.stdout

    async def live() -> None:
        async with running_sandbox(wanted) as running:
            announcement = Announcement(
                os.getpid(), running.settings.control_url, str(wanted.directory), running.monitor_settings()
            )
            with announce(announcement, announced):
                stdout.write(_json_line(announcement) if as_json else _lines(announcement))
                stdout.flush()
                await asyncio.Event().wait()

    try:
        with redirect_stdout(sys.stderr):
            run_async(live, on_stop="Stopping the sandbox.", when_stopped=ExitCode.PASSED)
    except DirectoryInUse as error:
        raise Refused(
            f"The sandbox cannot start: {error}. Stop that one, or give this one a place of its own with "
            "--directory."
        ) from error
    except OSError as error:
        if error.filename is not None:
            raise Refused(
                f"The sandbox cannot start: {error.filename}: {error.strerror}; a place of its own is given to "
                f"it with --directory, another one to all with {STATE_VARIABLE}."
            ) from error
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise Refused(f"The sandbox cannot start: {error.strerror}; ports are chosen with --set.") from error


def require_sandbox() -> None:
    """Raise Refused if the sandbox's own dependencies are not installed."""
    missing = [name for name in ("moto", "h11") if importlib.util.find_spec(name) is None]
    if missing:
        raise Refused(
            f"The sandbox needs {' and '.join(missing)}, which this installation left out; "
            "install it with its extra: pip install 'synthetics[sandbox]'."
        )


@fault.command("set")
def set_fault(
    name: Annotated[str, typer.Argument(help="One of `synthetics fault list`.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="How much, how often, for whom.")
    ] = None,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Switch a fault on."""
    with _control(url, config) as control:
        known = _faults(control)
        wanted = known[_known_fault(name, known)]
        values = {key: _number(value) for key, value in map(_pair, parameters or ())}
        _asked(control.put(f"/faults/{wanted.name}", json=values))
    out().print(f"{wanted.name} is on: {wanted.what} It breaks {', '.join(wanted.breaks)}.", markup=False)


@fault.command("clear")
def clear_fault(
    name: Annotated[str | None, typer.Argument(help="Default: every fault that is on.")] = None,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Switch a fault off, or all of them."""
    with _control(url, config) as control:
        if name is None:
            _asked(control.delete("/faults"))
            out().print("No fault is on.")
            return
        wanted = _known_fault(name, _faults(control))
        _asked(control.delete(f"/faults/{wanted}"))
    out().print(f"{wanted} is off.")


@fault.command("list")
def list_faults(url: UrlOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every fault: what it breaks, and whether it is on."""
    with _control(url, config) as control:
        known = _faults(control)
    if as_json:
        told = [asdict(one) for one in known.values()]
        write_json(told)
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("fault", no_wrap=True)
    table.add_column("what happens, what it breaks, and what can be tuned", overflow="fold")
    for one in known.values():
        on = one.active is not None
        values = one.parameters if one.active is None else one.active
        tuned = " ".join(f"{name}={value}" for name, value in values.items() if on or name not in _COMMON)
        table.add_row(
            Text(one.name + (" (on)" if on else ""), style="bold red" if on else ""),
            Text.assemble(one.what, (f" [{', '.join(one.breaks)}] {tuned}", "" if on else "dim")),
        )
    out().print(table)
    out().print(
        "Any fault also takes probability=0…1, times=N (the next N only), for=CLIENT_PREFIX.", style="dim"
    )


@contextmanager
def announce(announcement: Announcement, path: Path) -> Iterator[None]:
    """Say in this file that the sandbox runs; the last one that says so is found there.

    The file is locked meanwhile, and the system takes a lock back however its holder ends: a process id may be
    somebody else's by then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(announcement), indent=2))
        file.flush()
        fresh.replace(path)
        try:
            yield
        finally:
            with suppress(OSError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    path.unlink()


def read_announcement(path: Path) -> Announcement | None:
    """The sandbox announced in this file if it still runs, None otherwise."""
    try:
        with path.open(encoding="utf-8") as file:
            if not _is_held(file):
                return None
            return Announcement(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def _is_held(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def _control(url: str | None, config: Path | None) -> Iterator[httpx.Client]:
    """The way to the sandbox. Raises Refused if there is none, or if it does not answer."""
    if url is None:
        state_dir = settings.load(config, os.environ).state_dir
        found = read_announcement(state_dir / ANNOUNCEMENT)
        if found is None:
            raise Refused(
                f"No sandbox runs here (looked in {state_dir / ANNOUNCEMENT}). "
                "Start one with `synthetics sandbox` or `synthetics demo`, or name it with --url."
            )
        url = found.control_url
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        try:
            yield client
        except httpx.HTTPError as error:
            raise Refused(f"The sandbox does not answer at {url} ({type(error).__name__}).") from error


def _faults(control: httpx.Client) -> dict[str, Fault]:
    told = _asked(control.get("/faults")).json()
    return {
        one["name"]: Fault(
            one["name"], one["what"], one["breaks"], one["parameters"], told["active"].get(one["name"])
        )
        for one in told["declared"]
    }


def _asked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        reason = answer.json()["detail"]
    except (ValueError, TypeError, KeyError):
        reason = f"{answer.status_code} {answer.text[:200]}"
    raise Refused(f"The sandbox refused: {reason}")


def _known_fault(name: str, known: Mapping[str, object]) -> str:
    for one in known:
        if plain(one) == plain(name):
            return one
    raise Refused(f"There is no fault called {name!r}; {did_you_mean(name, known)}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Refused(f"Wanted NAME=VALUE, found {text!r}.")
    return name, value


def _number(value: str) -> float | int | str:
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return value


def _sandbox_settings(values: Mapping[str, object]) -> Any:
    from sandbox.settings import SandboxSettings  # only here: nothing else may lean on it

    try:
        return SandboxSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(
            [
                f"{mistake['loc'][0]} of the sandbox: found {mistake['input']!r}; {mistake['msg']}"
                if mistake["type"] != "extra_forbidden"
                else f"{mistake['loc'][0]} of the sandbox: there is no such setting; "
                + did_you_mean(str(mistake["loc"][0]), SandboxSettings.model_fields)
                for mistake in error.errors()
            ]
        ) from None


def _json_line(announcement: Announcement) -> str:
    return json.dumps(asdict(announcement)) + "\n"


def _lines(announcement: Announcement) -> str:
    exports = "".join(f"export {name}='{value}'\n" for name, value in sorted(announcement.environment.items()))
    err().print(
        f"The sandbox is up (faults: `synthetics fault list`; control: {announcement.control_url}). "
        "These lines point a monitor at it:",
        style="green",
    )
    return exports
