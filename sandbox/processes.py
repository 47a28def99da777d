"""Container processes: started by a helper that forks quickly, watched until they end.

The helper (`sandbox.container.zygote`) has everything imported, so a container starts in milliseconds. It ends,
with every container, as soon as our end of its pipe closes, however the sandbox ends.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.container.launch import Launch
from sandbox.settings import SandboxSettings

LINE_LIMIT = 1 << 20


@dataclass(slots=True, eq=False)
class Process:
    """One container's process."""

    name: str
    pid: int = 0
    serving: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Launcher:
    """Starts container processes and says when they serve and when they end."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._processes: dict[str, Process] = {}
        self._helper: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the helper; returns when it can fork."""
        self._settings.logs_root.mkdir(parents=True, exist_ok=True)
        with (self._settings.logs_root / "containers.log").open("ab") as log:
            self._helper = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sandbox.container.zygote"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_LIMIT,
                start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
            )
        self._send({"settings": self._settings.model_dump(mode="json")})
        ready = await self._lines().readline()
        if not ready:
            raise RuntimeError(
                f"the container helper did not start: see {self._settings.logs_root}/containers.log"
            )
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """End every container and the helper; returns when they are gone."""
        if self._helper is None:
            return
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        if self._reading is not None:
            await self._reading
        await self._helper.wait()

    def launch(self, launch: Launch) -> Process:
        """Start a container."""
        process = self._processes[launch.name] = Process(launch.name)
        self._send({"launch": asdict(launch)})
        return process

    def signal(self, process: Process, number: signal.Signals) -> None:
        """Send a signal to the container: SIGKILL to all its children too. One that has ended is left alone."""
        if not process.exit_code.done():
            self._send({"signal": int(number), "name": process.name})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._helper is not None
        assert self._helper.stdin is not None
        self._helper.stdin.write(json.dumps(message).encode() + b"\n")

    def _lines(self) -> asyncio.StreamReader:
        assert self._helper is not None
        assert self._helper.stdout is not None
        return self._helper.stdout

    async def _read(self) -> None:
        while line := await self._lines().readline():
            told = json.loads(line)
            process = self._processes[told["name"]]
            match told["event"]:
                case "forked":
                    process.pid = told["pid"]
                case "serving":
                    process.serving.set()
                case "exited":
                    del self._processes[process.name]
                    process.exit_code.set_result(_exit_code(told["status"]))
        for process in self._processes.values():  # the helper is gone, and all containers with it
            process.exit_code.set_result(_exit_code(signal.SIGKILL))
        self._processes.clear()


def _exit_code(status: int) -> int:
    """A wait status as a container's exit code: 128 + n for a process that signal n ended."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
