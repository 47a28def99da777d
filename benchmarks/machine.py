"""What a benchmark needs: a platform to watch, a monitor for it, and a word about the machine."""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from platform import python_version

from sandbox.settings import SandboxSettings
from synthetics import log
from synthetics.log import LogLevel
from synthetics.running.stalls import settle
from tests.support.monitor import CREDENTIALS, Monitor, monitoring
from tests.support.sandbox import RunningSandbox


@contextmanager
def a_sandbox(*, speed: float, idle_seconds: float | None, **changes: object) -> Iterator[RunningSandbox]:
    """A sandbox in a process of its own that serves both dialects; gone, with its files, afterwards.

    Without `idle_seconds` its containers sleep after a minute of the platform; `changes` are further settings.
    """
    with tempfile.TemporaryDirectory(prefix="synthetics-benchmark-") as directory:
        given = {"speed": speed, "idle_seconds": idle_seconds, "routing_dialect": "both", **changes}
        running = RunningSandbox(SandboxSettings.model_validate({"directory": Path(directory), **given}))
        try:
            yield running
        finally:
            running.stop()


@asynccontextmanager
async def a_monitor(sandbox: RunningSandbox, **changes: str) -> AsyncIterator[Monitor]:
    """The service's runner, pointed at this sandbox; settings may be changed by their name in the contract."""
    log.configure(level=LogLevel.WARNING)
    os.environ.update({name: sandbox.environment[name] for name in CREDENTIALS})
    async with monitoring({**sandbox.environment, **changes}) as monitor:
        settle()
        yield monitor


@contextmanager
def busy(wanted: bool = True) -> Iterator[None]:
    """One core kept busy by something else, if that is wanted."""
    if not wanted:
        yield
        return
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def conditions() -> str:
    """The machine and how busy it is, in one line: what a table of times means depends on it."""
    one, five, _ = os.getloadavg()
    return f"{os.cpu_count()} cores, Python {python_version()}, load {one:.1f} (1 min) {five:.1f} (5 min)"
