"""Ctrl-C, the demo's processes, and that nothing of them is left behind; with real processes and signals."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from synthetics.commands.demo import processes
from synthetics.commands.demo.processes import Child
from synthetics.commands.shell import Refused

SCRIPT = """
import asyncio, pathlib, sys
from synthetics import cli
from synthetics.commands import shell

async def work():
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep({cleanup})
        print("cleaned up", flush=True)

at_once = lambda: print("at once", flush=True)
cli.app.command("work")(
    lambda: shell.run_async(work, at_once=at_once, when_stopped=shell.ExitCode({code}))
)
sys.argv = ["synthetics", "work"]
cli.main()
"""

CHILD = """
import os, signal, subprocess, sys, time
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), inner.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def reaped() -> Iterator[list[int]]:
    """Processes that must not outlive the test, whatever happens in it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start(cleanup: float, code: int = 130) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(cleanup=cleanup, code=code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGINT, 0)])
def test_the_first_signal_cleans_up(number: signal.Signals, code: int) -> None:
    process = start(cleanup=0.05, code=code)
    process.send_signal(number)

    out, err = process.communicate(timeout=10)

    assert out == "cleaned up\n"
    assert err == "Stopping. Ctrl-C again leaves at once.\n"
    assert process.returncode == code


def test_the_second_signal_leaves_at_once() -> None:
    process = start(cleanup=60)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Stopping.")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)

    out, _ = process.communicate(timeout=10)

    assert out == "at once\n"
    assert process.returncode == 130
    assert time.monotonic() - began < 5


EARLY = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["synthetics", "probes"]
from synthetics.__main__ import main
main()
"""

LATE = """
import os, signal, sys
from synthetics import cli
from synthetics.commands import shell
from synthetics.interrupts import end_on_interrupt

async def work():
    pass

def command():
    shell.run_async(work)
    os.kill(os.getpid(), signal.SIGINT)

end_on_interrupt()
cli.app.command("work")(command)
sys.argv = ["synthetics", "work"]
cli.main()
"""


@pytest.mark.parametrize("module", ["typer", "synthetics.cli", "synthetics.main", "probes.cold_start"])
def test_before_there_is_anything_to_stop_it_ends_without_a_word(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY.format(module=module)],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_when_the_work_is_done_it_ends_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_who_wants_no_interrupt_gets_none() -> None:
    script = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    script += "from synthetics.interrupts import end_on_interrupt; end_on_interrupt()\n"
    script += "os.kill(os.getpid(), signal.SIGINT)"

    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 0


def gone(pid: int) -> bool:
    """Whether this process ended, though nobody may have asked for its exit code yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(10):
        while not all(gone(pid) for pid in pids):
            await asyncio.sleep(0.01)


def child_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, code: str = CHILD) -> Child:
    """A child that runs `code` instead of a command of ours."""
    script = tmp_path / "child.py"
    script.write_text(code)
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, str(script)))
    return Child("child", arguments, environ=os.environ, logs=tmp_path / "logs")


async def test_a_child_is_stopped_with_everything_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaped: list[int]
) -> None:
    child = child_of(tmp_path, monkeypatch)
    pids = [int(pid) for pid in (await child.start_and_hear(within=10)).split()]
    reaped.extend(pids)
    assert not any(gone(pid) for pid in pids)

    await child.stop(grace=5)

    assert child.ended
    await until_gone(*pids)


async def test_a_child_that_does_not_listen_is_ended_after_its_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaped: list[int]
) -> None:
    child = child_of(tmp_path, monkeypatch, "--stubborn")
    pids = [int(pid) for pid in (await child.start_and_hear(within=10)).split()]
    reaped.extend(pids)

    await child.stop(grace=0.05)

    await until_gone(*pids)


async def test_a_child_that_ends_by_itself_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = child_of(tmp_path, monkeypatch, code="import sys; sys.exit('the port is taken')")

    with pytest.raises(Refused, match="child ended by itself") as refused:
        await child.start_and_hear(within=10)

    assert str(refused.value).endswith("the port is taken")
    await child.stop(grace=1)


async def test_a_child_that_says_nothing_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = child_of(tmp_path, monkeypatch, code="import time; time.sleep(60)")

    with pytest.raises(Refused, match=r"not up within 0\.2 s"):
        await child.start_and_hear(within=0.2)
    await child.stop(grace=1)
    assert child.ended


def test_children_end_even_if_the_demo_is_killed(tmp_path: Path, reaped: list[int]) -> None:
    inner = tmp_path / "child.py"
    inner.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    script = f"""
import asyncio, os, pathlib, sys, time
from synthetics.commands.demo import processes
processes.COMMAND = (sys.executable, {str(inner)!r})
async def main():
    child = processes.Child("child", (), environ=os.environ, logs=pathlib.Path({str(tmp_path)!r}))
    print(await child.start_and_hear(10), end="", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    reaped.append(pid)

    parent.kill()
    parent.communicate(timeout=10)

    asyncio.run(until_gone(pid))


def test_a_taken_port_is_named_with_the_option_that_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Refused, match=f"Port {port} on 127.0.0.1 cannot be used .* --port"):
            processes.refuse_taken_port("127.0.0.1", port)
    processes.refuse_taken_port("127.0.0.1", port)
    processes.refuse_taken_port("127.0.0.1", processes.free_port("127.0.0.1"))


def test_one_demo_at_a_time_in_one_place(tmp_path: Path) -> None:
    with (
        processes.alone(tmp_path / "demo.lock"),
        pytest.raises(Refused, match="Another demo runs in"),
        processes.alone(tmp_path / "demo.lock"),
    ):
        pass
    with processes.alone(tmp_path / "demo.lock"):
        pass


def test_a_place_that_cannot_be_used_is_told_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            Refused, match=r"file cannot be used \(.*\); choose another directory with SYNTHETICS_STATE_DIR"
        ),
        processes.alone(tmp_path / "file" / "demo.lock"),
    ):
        pass


def test_a_database_that_outlived_its_service_is_ended(tmp_path: Path, reaped: list[int]) -> None:
    # Known by its command line: a number in a file may be somebody else's by now.
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "postgres"])
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    reaped.extend((server.pid, other.pid))
    file = tmp_path / "postgres" / "data" / "postmaster.pid"
    file.parent.mkdir(parents=True)

    processes.stop_database(tmp_path)
    file.write_text(f"{other.pid}\n/somewhere\n")
    processes.stop_database(tmp_path)
    file.write_text(f"{server.pid}\n/somewhere\n")
    processes.stop_database(tmp_path)

    assert server.wait(timeout=10) == -signal.SIGQUIT
    assert other.poll() is None
    other.kill()
    other.wait()
