"""The embedded server: starts on whatever a crash left, and ends with its last user."""

import asyncio
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from synthetics.errors import StoreError
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database
from tests.support.database import HASTY

USER = """
import asyncio, sys
from pathlib import Path
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as url:
        database = Database(url)
        await database.ping()
        await database.close()
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def processes(state_dir: Path) -> dict[int, bytes]:
    """The program of each process that has to do with this state directory's server, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if os.fsencode(state_dir / "postgres") in command:
                found[int(process.name)] = command.split(b"\0")[0]
    return found


def servers(state_dir: Path) -> list[int]:
    """Process ids of the servers that run on this state directory."""
    return [pid for pid, program in processes(state_dir).items() if program.endswith(b"/postgres")]


async def gone(state_dir: Path) -> None:
    """Return once nothing of the server is left."""
    async with asyncio.timeout(10):
        while processes(state_dir):
            await asyncio.sleep(0.02)


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory; no server may be left on it when the test is over."""
    yield tmp_path
    left = processes(tmp_path)
    for pid in left:
        os.kill(pid, signal.SIGQUIT)
    assert left == {}, "a process was left behind"


def user(state_dir: Path, *prefix: str) -> "subprocess.Popen[str]":
    """A process that uses the server until it reads a line; warnings are errors in it."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-W", "error", "-c", USER, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def ask(url: str, statement: str) -> object:
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as connection:
            answer = await connection.execute(text(statement))
            return answer.scalar() if answer.returns_rows else None
    finally:
        await database.close()


async def test_what_was_written_is_there_after_a_restart(state_dir: Path) -> None:
    async with EmbeddedPostgres(state_dir, HASTY) as url:
        await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert await ask(url, "SHOW listen_addresses") == ""
    assert servers(state_dir) == []
    async with EmbeddedPostgres(state_dir, HASTY) as url:
        assert await ask(url, "SELECT answer FROM kept") == 42


async def test_it_starts_again_after_a_kill_that_left_the_number_of_a_living_process(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir)
    url = await server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    (postmaster,) = servers(state_dir)
    os.kill(postmaster, signal.SIGKILL)
    await server.stop()  # as the worker would, when it ends

    same_user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    other = await asyncio.create_subprocess_exec("sleep", "60", user=same_user)
    pid_file = state_dir / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(postmaster), str(other.pid), 1))
    try:
        async with EmbeddedPostgres(state_dir) as url:
            assert await ask(url, "SELECT answer FROM kept") == 42
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_a_set_up_that_was_cut_off_is_made_again(state_dir: Path) -> None:
    unfinished = state_dir / "postgres" / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    async with EmbeddedPostgres(state_dir, HASTY) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_the_last_user_stops_it_whoever_started_it(state_dir: Path) -> None:
    first, second = user(state_dir), user(state_dir)
    assert first_line(first) == first_line(second) == EmbeddedPostgres(state_dir).url
    assert len(servers(state_dir)) == 1

    first.communicate("leave\n", timeout=30)
    assert first.returncode == 0
    assert len(servers(state_dir)) == 1, "somebody still uses it"

    async with EmbeddedPostgres(state_dir) as url:
        second.kill()
        second.communicate()
        assert await ask(url, "SELECT 1") == 1
    assert processes(state_dir) == {}, "the killed process is no user any more"


async def test_when_all_its_users_are_killed_it_stops_and_starts_again_for_the_next(state_dir: Path) -> None:
    users = [user(state_dir), user(state_dir)]
    for each in users:
        assert first_line(each) == EmbeddedPostgres(state_dir).url
    users[0].kill()
    users[0].communicate()
    assert len(servers(state_dir)) == 1, "somebody still uses it"
    users[1].kill()
    users[1].communicate()
    async with EmbeddedPostgres(state_dir) as url:  # at once, while the guard may be at work
        assert await ask(url, "SELECT 1") == 1
        third = user(state_dir)
        assert first_line(third) == url
    third.kill()
    third.communicate()
    await gone(state_dir)


async def test_several_starts_at_once_share_one_server(state_dir: Path) -> None:
    users = [EmbeddedPostgres(state_dir, HASTY) for _ in range(3)]
    assert len(set(await asyncio.gather(*(each.start() for each in users)))) == 1
    assert len(servers(state_dir)) == 1
    await asyncio.gather(*(each.stop() for each in users))
    assert servers(state_dir) == []


async def test_a_start_that_is_cancelled_leaves_nothing(state_dir: Path) -> None:
    starting = asyncio.create_task(EmbeddedPostgres(state_dir, HASTY).start())
    await asyncio.wait([starting], timeout=0.3)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert servers(state_dir) == []


def test_it_runs_for_a_plain_user(state_dir: Path) -> None:
    """As root, for `nobody`: allowed to pass through directories, since the checkout may lie under /root."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(state_dir, nobody.pw_uid, nobody.pw_gid)
        prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    process = user(state_dir, *prefix)
    assert first_line(process).startswith("postgresql://")
    process.communicate("leave\n", timeout=30)
    assert process.returncode == 0


async def test_nobody_but_its_user_gets_in(state_dir: Path) -> None:
    async with EmbeddedPostgres(state_dir, HASTY) as url:
        with pytest.raises(StoreError, match="Peer authentication failed"):
            await ask(url.replace(pwd.getpwuid(os.geteuid()).pw_name, "postgres", 1), "SELECT 1")
        assert (state_dir / "postgres").stat().st_mode & 0o077 == 0


async def test_a_path_too_long_for_a_socket_is_no_obstacle(state_dir: Path) -> None:
    deep = state_dir / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep, HASTY)
    async with server as url:
        assert await ask(url, "SELECT 1") == 1
        (elsewhere,) = (Path(host) for host in make_url(url).normalized_query["host"])
        assert elsewhere.stat().st_mode & 0o077 == 0
    assert not elsewhere.exists()


@pytest.mark.parametrize("name", ["a state", "a+b%20#c?d&e=f", "zuständig, heute", "it's"])
async def test_whatever_a_directory_is_called_it_is_no_obstacle(state_dir: Path, name: str) -> None:
    async with EmbeddedPostgres(state_dir / name, HASTY) as url:
        assert await ask(url, "SELECT 1") == 1
        with psycopg.connect(url) as connection:  # read by libpq itself, which decodes a URL in its own way
            assert connection.execute("SELECT 1").fetchone() == (1,)


async def test_a_name_that_a_shell_would_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="in the path are more than its starter can bear; choose another"):
        await EmbeddedPostgres(tmp_path / "$(touch gotcha)").start()


async def test_what_fails_after_the_server_came_up_stops_it_again(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        assert len(servers(state_dir)) == 1
        raise psycopg.OperationalError("connection is bad:\n\tnobody listens")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(StoreError, match=r"refuses us: connection is bad: nobody listens$"):
        await EmbeddedPostgres(state_dir, HASTY).start()
    assert processes(state_dir) == {}


async def test_a_start_that_fails_leaves_the_server_to_those_who_use_it(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection is bad")

    async with EmbeddedPostgres(state_dir, HASTY) as url:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg, "connect", refuse)
            with pytest.raises(StoreError, match="refuses us"):
                await EmbeddedPostgres(state_dir, HASTY).start()
        assert await ask(url, "SELECT 1") == 1


async def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "postgres").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="it is no directory of ours"):
        await EmbeddedPostgres(tmp_path).start()


@pytest.mark.parametrize("place", ["a file/state", "a file"])
async def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot use .*/postgres: Not a directory; choose another state_dir"):
        await EmbeddedPostgres(tmp_path / place).start()


async def test_data_of_a_version_we_do_not_have_is_told(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(StoreError, match=r"was made by version 9, and this installation has 1\d"):
        await EmbeddedPostgres(tmp_path).start()


async def test_a_server_that_does_not_come_up_says_why(state_dir: Path) -> None:
    with pytest.raises(StoreError, match=r"does not start: .*invalid value for parameter \"max_connections\""):
        await EmbeddedPostgres(state_dir, {"max_connections": "many"}).start()
