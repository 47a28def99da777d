"""Ctrl-C at any moment: no process, container or server stays, and what could not be removed can be swept."""

import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.monitor import left_behind
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import (
    COMMAND,
    ENDS_WITHIN,
    Environment,
    assert_nothing_runs_in,
    call,
    environment,
    running_in,
)

#: From the first import to the end of the clean-up: how long a run or a demo's start takes, roughly.
RUN_SECONDS, DEMO_SECONDS = 5.0, 7.0
DEMO = ("demo", "--port", "0", "--speed", "0.05", "--idle-seconds", "1", "--every", "10")


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How a command ended that was interrupted, and after how long."""

    code: int
    complaints: str
    after: float


def start(place: Path, environ: Environment, *arguments: str) -> subprocess.Popen[str]:
    """A command in a group of its own, as a terminal has it: Ctrl-C reaches whatever it started as well."""
    place.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=place, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], place: Path, after: float) -> Interrupted:
    """The command's end. Whatever becomes of the test, nothing goes on afterwards."""
    try:
        _, complaints = process.communicate(timeout=ENDS_WITHIN)
        assert_nothing_runs_in(place)
    finally:
        for pid in running_in(place):
            os.kill(pid, signal.SIGKILL)
    return Interrupted(process.returncode, complaints, after)


@pytest.mark.parametrize(
    "arguments", [("run", "cold-start"), pytest.param(DEMO, marks=pytest.mark.long)], ids=["run", "demo"]
)
def test_ctrl_c_at_any_moment_leaves_nothing(
    tmp_path: Path, platform: RunningSandbox, arguments: tuple[str, ...]
) -> None:
    def interrupted(seed: int) -> Interrupted:
        place, client = tmp_path / str(seed), f"stop-{seed}-"
        after = random.Random(seed).uniform(0.2, DEMO_SECONDS if arguments == DEMO else RUN_SECONDS)
        # The demo brings its own platform, a run is told of ours, which others use meanwhile.
        settings = environment(place, platform.environment, CLIENT_PREFIX=client, ENVIRONMENT="shared")
        process = start(place, settings, *arguments)
        time.sleep(after)  # the moment is the point: whatever is under way then
        os.killpg(process.pid, signal.SIGINT)
        found = ended(process, place, after)
        assert left_behind(platform, client) == [], found
        return found

    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(interrupted, range(2 if arguments == DEMO else 5)):
            # A run that was through already passed; Python itself ends by the signal while it still imports.
            assert found.code in (0, 130, -signal.SIGINT), found


def test_ctrl_c_twice_leaves_at_once_and_a_sweep_removes_the_rest(
    tmp_path: Path, platform: RunningSandbox
) -> None:
    settings = environment(
        tmp_path,
        platform.environment,
        CLIENT_PREFIX="rush-",
        SYNTHETICS_WORKER__LEASE="1",
        ENVIRONMENT="shared",
    )
    process = start(tmp_path, settings, "run", "cold-start")
    until(lambda: left_behind(platform, "rush-"), 30, "something to leave behind")
    process.send_signal(signal.SIGINT)
    said = process.stderr
    assert said is not None
    until(lambda: "Ctrl-C again leaves at once" in said.readline(), 10, "an answer to the first Ctrl-C")
    process.send_signal(signal.SIGINT)
    at_once = time.monotonic()

    found = ended(process, tmp_path, 0)

    assert time.monotonic() - at_once < 5
    assert found.code == 130
    until(lambda: "closed   1" in call(tmp_path, settings, "sweep").stdout, 20, "the end of the lease")
    assert left_behind(platform, "rush-") == []
    assert_nothing_runs_in(tmp_path)
