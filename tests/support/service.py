"""The command line and the service as processes, told about a sandbox and a database by their environment."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

import probes
from synthetics.clock import SystemClock
from synthetics.model.grid import Grid
from tests.support.sandbox import until

COMMAND = (sys.executable, "-m", "synthetics.cli")
ENDS_WITHIN = 60.0
UP_WITHIN = 30.0

Environment = dict[str, str]


def environment(place: Path, *given: Mapping[str, str], **settings: str) -> Environment:
    """A bare one: a home of its own, nothing of ours, no way to AWS but the one that is given."""
    bare = {
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "COLUMNS": "300",  # no sentence is broken into lines
        "PATH": os.environ["PATH"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "SYNTHETICS_STATE_DIR": str(place / "state"),
        "SYNTHETICS_LOG_FORMAT": "json",
        "SYNTHETICS_API__PORT": "0",
    }
    for more in (*given, settings):
        bare |= more
    return bare


def call(
    place: Path, environ: Environment, *arguments: str, within: float = ENDS_WITHIN
) -> subprocess.CompletedProcess[str]:
    """One command, to its end, for which it has so many seconds."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=place, env=environ, capture_output=True, text=True, timeout=within, check=False,
    )  # fmt: skip


def only(probe: str, *, every: timedelta, timeout: timedelta | None = None) -> str:
    """A settings file under which this probe of the catalogue alone is scheduled."""
    lines = [f"[probes.{probe}]", f"every = {every.total_seconds()}"]
    lines += [f"timeout = {(timeout or every).total_seconds()}"]
    for other in (other.name for other in probes.CATALOGUE if other.name != probe):
        lines += [f"[probes.{other}]", "enabled = false"]
    return "\n".join(lines) + "\n"


def due_in(probe: str, seconds: float, *, at_least: float = 8.0) -> timedelta:
    """An interval, `at_least` so many seconds long, under which this probe's next tick is that far away.

    A probe's ticks lie where its name and interval put them; a test that wants one soon chooses the interval.
    """
    now = SystemClock().now()
    for tried in range(20_000):
        every = timedelta(seconds=at_least + tried / 1_000)
        ahead = (Grid.of(probe, every).after(now) - now).total_seconds()
        if seconds <= ahead < seconds + 0.3:
            return every
    raise AssertionError(f"no interval puts a tick of {probe} {seconds} s ahead")


class Service:
    """A running `synthetics serve`: its log, its answers, and how it is stopped."""

    def __init__(self, place: Path, environ: Environment, *, role: str, config: str = "") -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.log = place / f"{role}.log"
        settings = place / f"{role}.toml"
        settings.write_text(config)
        with self.log.open("wb") as written:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--role", role, "--config", str(settings)],
                cwd=place, env=environ, stdout=written, stderr=written, start_new_session=True,
            )  # fmt: skip

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it logged: every whole line, or those of one event."""
        lines = self.log.read_text().splitlines(keepends=True)
        told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
        return [event for event in told if name is None or event["event"] == name]

    def wait_for(self, name: str, within: float = UP_WITHIN) -> dict[str, Any]:
        """The first event of this name, once it is logged. Raises AssertionError if it ends or says nothing."""

        def look() -> list[dict[str, Any]]:
            ended = self.process.poll()
            found = self.events(name)
            assert found or ended is None, f"ended with {ended} without {name}: {self.log.read_text()}"
            return found

        try:
            return until(look, within, name)[0]
        except AssertionError as error:
            raise AssertionError(f"{error}; its log: {self.log.read_text()}") from None

    @property
    def url(self) -> str:
        """Where it answers, once it does."""
        return str(self.wait_for("api.started")["address"])

    def get(self, path: str) -> httpx.Response:
        """Its answer."""
        return httpx.get(self.url + path, trust_env=False, timeout=10)

    def until_ready(self) -> None:
        """Return once it can work."""
        until(lambda: self.get("/readyz").is_success, UP_WITHIN, f"readiness; log: {self.log.read_text()}")

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, within: float = ENDS_WITHIN) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(within)

    def kill(self) -> None:
        """End it with SIGKILL, whatever it is doing."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(place: Path, environ: Environment, *, role: str = "all", config: str = "") -> Iterator[Service]:
    """A service that is stopped after the block, and must end well if it was still there."""
    service = Service(place, environ, role=role, config=config)
    try:
        yield service
        if service.process.poll() is None:
            service.terminate()
            assert service.wait() == 0, service.log.read_text()
    finally:
        service.kill()


def running_in(place: Path) -> dict[int, str]:
    """Every process but this one that works in this directory or was told about it, with its command line."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                told = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                where = (process / "cwd").readlink()
            except OSError:  # it ended meanwhile
                continue
            if str(place) in told or where.is_relative_to(place):
                found[int(process.name)] = told
    return found


def assert_nothing_runs_in(place: Path, within: float = 10.0) -> None:
    """Nothing of this directory is running any more, or will be in a moment."""
    deadline = time.monotonic() + within
    while left := running_in(place):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.05)
