"""The demo's own processes: started in groups of their own, and never left behind."""

import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from synthetics.commands.shell import Refused, using

#: How a child is called; its arguments follow.
COMMAND = (sys.executable, "-m", "synthetics.cli")
_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 12


class Child:
    """One command of ours as a process group; what it logs goes to a file."""

    def __init__(self, name: str, arguments: Sequence[str], *, environ: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = arguments
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; what it writes to standard output is in its log too."""
        await self._start(hear=False)

    async def start_and_hear(self, within: float) -> str:
        """Start it, and answer with the first line it writes to standard output.

        Raises Refused if it ends before, or says nothing in time.
        """
        told = await self._start(hear=True)
        assert told is not None
        try:
            async with asyncio.timeout(within):
                first = await told.readline()
                if not first and self._process is not None:
                    await self._process.wait()
        except TimeoutError:
            raise Refused(f"The {self.name} was not up within {within:g} s; see {self.log}.") from None
        self.refuse_if_ended()
        return first.decode()

    async def _start(self, *, hear: bool) -> asyncio.StreamReader | None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *self._arguments,
                env=dict(self._environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if hear else log,
                stderr=log,
                # A group of its own: Ctrl-C in the terminal reaches us alone, and we stop things in order.
                start_new_session=True,
                preexec_fn=_follow_parent if sys.platform == "linux" else None,
            )
        return self._process.stdout

    @property
    def ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def refuse_if_ended(self) -> None:
        """Raise Refused, with the last lines it logged, if it is no longer there."""
        if self.ended:
            raise Refused(f"The {self.name} ended by itself. The end of {self.log}:\n{self._tail()}")

    async def stop(self, grace: float) -> None:
        """Ask it to stop, wait, and then insist."""
        if self._process is None:
            return
        if not self.ended:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._process.wait()
        self.kill()  # also what is left of its group after it ended
        await self._process.wait()

    def kill(self) -> None:
        """End its whole group now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold this place for one demo at a time. Raises Refused if another one has it."""
    with using(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        _lock(file, path)
        yield


def refuse_taken_port(host: str, port: int) -> None:
    """Raise Refused if nobody could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"Port {port} on {host} cannot be used ({error.strerror}); choose another one with --port."
            ) from None


def free_port(host: str) -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def stop_database(state_dir: Path) -> None:
    """End an embedded server that a killed process left behind: it is no child of anybody any more."""
    with suppress(OSError, ValueError, IndexError):
        pid = int((state_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        # The number may be somebody else's by now.
        if b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGQUIT)


def _lock(file: TextIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Refused(
            f"Another demo runs in {path.parent}; end it first, or start this one elsewhere."
        ) from None


def _follow_parent() -> None:
    """In the child, before it becomes the command: told to stop if we are killed without a word."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
