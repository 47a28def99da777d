"""Forks container processes that have everything imported already.

Reads one JSON object per line on standard input (`settings` first, then `launch` or `signal`), tells one per
line on standard output. When its input ends, every container is killed with all its children.
"""

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from sandbox import serving
from sandbox.container import main
from sandbox.container.launch import Launch
from sandbox.container.rows import Clients
from sandbox.settings import SandboxSettings

PR_SET_PDEATHSIG = 1


class Zygote:
    """The forking process: one thread, no event loop, nothing open that a child must not have."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._clients = Clients(settings)  # made once: a child's first call needs no set-up
        self._pids: dict[str, int] = {}

        serving.server(Starlette(), websockets=True)  # loads what every child's server needs
        gc.freeze()  # no child's collection walks through, and so copies, what it shares with all others

    def serve(self) -> None:
        """Fork, signal and reap until standard input ends."""
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        unread = b""
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken.fileno() in ready:
                woken.recv(4096)
                self._reap()
            if sys.stdin.fileno() in ready:
                chunk = os.read(sys.stdin.fileno(), 65536)
                if not chunk:
                    break
                *lines, unread = (unread + chunk).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
        self._end_all()

    def _obey(self, told: dict[str, Any]) -> None:
        if "launch" in told:
            self._fork(Launch(**told["launch"]))
        elif told["name"] in self._pids:
            pid = self._pids[told["name"]]
            if told["signal"] == signal.SIGKILL:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, told["signal"])

    def _fork(self, launch: Launch) -> None:
        pid = os.fork()
        if pid == 0:
            _become_container(self._settings, launch, self._clients)
        with suppress(PermissionError, ProcessLookupError):  # the child does it too: whoever comes first
            os.setpgid(pid, pid)
        self._pids[launch.name] = pid
        _tell("forked", launch.name, pid=pid)

    def _reap(self) -> None:
        names = {pid: name for name, pid in self._pids.items()}
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _kill_group(pid)  # what a container leaves running ends with it
            del self._pids[names[pid]]
            _tell("exited", names[pid], status=status)

    def _end_all(self) -> None:
        for pid in self._pids.values():
            _kill_group(pid)
        for pid in self._pids.values():
            os.waitpid(pid, 0)


def _become_container(settings: SandboxSettings, launch: Launch, clients: Clients) -> None:
    """Everything the child does between fork and exit; never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # if the zygote is killed, so are we
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        told = os.dup(sys.stdout.fileno())
        os.set_inheritable(told, False)
        _redirect(settings.logs_root / f"{launch.name}.log")
        code = main.run(settings, launch, clients, serving=lambda: _tell("serving", launch.name, file=told))
    finally:
        sys.stderr.flush()
        os._exit(code)  # no atexit handlers of the parent, no waiting for a thread in a long poll


def _redirect(log: Path) -> None:
    empty = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(empty, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(empty)
    os.close(output)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # nobody is left in it
        os.killpg(pid, signal.SIGKILL)


def _tell(event: str, name: str, *, file: int = 1, **fields: int) -> None:
    os.write(file, json.dumps({"event": event, "name": name, **fields}).encode() + b"\n")


if __name__ == "__main__":
    settings_line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]
    zygote = Zygote(SandboxSettings.model_validate(json.loads(settings_line)["settings"]))
    _tell("ready", "zygote")
    zygote.serve()
