"""Stops the embedded server when its last user was killed: a process that waits for just that."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Written before it waits, so that the number is known by the time the starter returns to anybody.
_WAIT = 'echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@"'
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Guard:
    """A process that runs `command` once nobody holds a lock on `users` any more.

    The system takes a lock back however its holder ended. Where flock and setsid (util-linux) are missing
    there is no guard, and a server whose users were all killed waits for the next one.
    """

    users: Path
    command: Sequence[str]

    @property
    def _note(self) -> Path:
        return self.users.with_name("guard")

    def ensure_waiting(self) -> None:
        """Return once a guard waits. The caller holds a lock on `users`."""
        setsid, flock = shutil.which("setsid"), shutil.which("flock")
        if setsid is None or flock is None or self._pid() is not None:
            return
        self._note.unlink(missing_ok=True)
        subprocess.run(
            [setsid, "--fork", "sh", "-c", _WAIT, self._note, flock, "--exclusive", self.users, *self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
        )
        _until(self._note.exists)

    def dismiss(self) -> None:
        """End the guard; return when it is gone. The caller has seen to what it was waiting for."""
        pid = self._pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _until(lambda: self._pid() is None)
        self._note.unlink(missing_ok=True)

    def _pid(self) -> int | None:
        """The guard's process id; None if none waits."""
        with suppress(OSError, ValueError):
            pid = int(self._note.read_text())
            if os.fsencode(self.users) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        return None


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
