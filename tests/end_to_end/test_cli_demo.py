"""The demo, whole: it shows finished runs, ends in good order or at once, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "synthetics.cli", "demo", "--port", "0")
QUICK = ("--speed", "0.05", "--idle-seconds", "1", "--every", "10")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory of its own; what still runs from it afterwards is ended."""
    yield tmp_path
    for pid in running_in(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start(place: Path) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SYNTHETICS_")}
    return subprocess.Popen(
        [*COMMAND, *QUICK],
        cwd=place, env={**environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def running_in(place: Path) -> set[int]:
    """Every process that works in this directory or was told about it."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):
                told = (process / "cmdline").read_bytes().decode(errors="replace")
                where = str((process / "cwd").readlink())
                if str(place) in told or where.startswith(str(place)):
                    found.add(int(process.name))
    return found


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """What it printed, up to the first line that has `wanted` in it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if wanted in line:
            return seen
    raise AssertionError(f"ended without {wanted!r}: {seen} {process.stderr.read() if process.stderr else ''}")


def assert_nothing_is_left(place: Path) -> None:
    until = time.monotonic() + 10
    while left := running_in(place):
        assert time.monotonic() < until, f"left behind: {[commands(pid) for pid in left]}"
        time.sleep(0.05)


def commands(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"{pid}, which ended meanwhile"


def test_it_shows_finished_runs_and_ends_in_good_order(place: Path) -> None:
    process = start(place)
    seen = "".join(lines_until(process, " cold-start "))

    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)

    assert process.returncode == 0, complaints
    assert "/metrics" in seen
    assert "fault set slow-image-pull" in seen
    assert complaints == "Stopping everything. Ctrl-C again leaves at once.\n"
    assert_nothing_is_left(place)
    assert not (place / ".state" / "sandbox.json").exists()


@pytest.mark.parametrize(
    "moment",
    [
        *(pytest.param(one, marks=pytest.mark.long) for one in ("Starting a sandbox", "status page")),
        "Starting the service",
    ],
)
def test_the_second_signal_leaves_at_once_at_any_moment(place: Path, moment: str) -> None:
    process = start(place)
    lines_until(process, moment)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Stopping everything.")
    process.send_signal(signal.SIGINT)
    began = time.monotonic()

    process.communicate(timeout=30)

    assert time.monotonic() - began < 5
    assert process.returncode in (0, 130)  # 0 if it was through with stopping already
    assert_nothing_is_left(place)


@pytest.mark.long
def test_a_demo_that_was_killed_leaves_nothing_and_the_next_one_starts(place: Path) -> None:
    killed = start(place)
    lines_until(killed, "status page")
    killed.kill()
    killed.communicate(timeout=10)
    assert_nothing_is_left(place)

    following = start(place)
    lines_until(following, "status page")
    following.send_signal(signal.SIGINT)
    _, complaints = following.communicate(timeout=60)

    assert following.returncode == 0, complaints
    assert_nothing_is_left(place)
