"""One Postgres data directory and the server on it. Everything blocks.

The wheel's own manager of servers is not used: a process killed without a word stays on its list of users for
ever, it trusts a process id left by a crash, and as root it opens every parent directory to everybody.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from synthetics.errors import StoreError
from synthetics.store.programs import OTHERWISE, command, own_directory, run, user_name

DATABASE = "synthetics"
_START_SECONDS = 60
_PORT = 5432
#: The shortest limit among the systems we run on (macOS), for the socket's whole path.
_LONGEST_SOCKET_PATH = 103
#: In a list of sockets and in a URL everything else may mean something of its own, a comma for one.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
#: pg_ctl starts the server through a shell, where even quotes leave these their meaning.
_MEANT_FOR_A_SHELL = frozenset('"$`\\\n')

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server's files under `directory`: `data/`, `log` and, where its path is short and plain, the socket."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def socket_directory(self) -> Path:
        """Where the server listens: its own directory, or another if that path would not do for a socket."""
        socket = self.directory / f".s.PGSQL.{_PORT}"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(self.directory)):
            return self.directory
        mark = blake2b(os.fsencode(self.directory), digest_size=8).hexdigest()
        return Path(tempfile.gettempdir()) / f"synthetics-{os.geteuid()}-{mark}"

    def url(self, database: str = DATABASE) -> str:
        """How to reach a database of this server, over its socket."""
        # Percent-encoded by us: SQLAlchemy writes a space as `+`, which libpq takes as it stands.
        host = quote(os.fsencode(self.socket_directory), safe="")
        return (
            f"postgresql://{quote(user_name(), safe='')}@/{quote(database, safe='')}?host={host}&port={_PORT}"
        )

    def ensure_running(self) -> None:
        """Return once the server answers, made and started if need be. Raises StoreError."""
        if _MEANT_FOR_A_SHELL.intersection(str(self.directory)):
            raise StoreError(
                f"the embedded Postgres cannot use {str(self.directory)!r}: quotes, $, ` and \\ in the path "
                f"are more than its starter can bear; {OTHERWISE}"
            )
        own_directory(self.directory)
        own_directory(self.socket_directory)
        self._ensure_made()
        if not self._answers():
            self._start()
        self._ensure_database()

    def stop(self) -> None:
        """Stop the server, whoever is still connected; return when it is gone."""
        if self._postmaster() is not None:
            self._stop()
        if self.socket_directory != self.directory:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def stop_command(self) -> list[str]:
        """What stops the server, for somebody else to call."""
        return command(*_stop_arguments(self.data), data=self.data)

    def _stop(self) -> None:
        done = run(*_stop_arguments(self.data), data=self.data)
        if done.returncode and self._postmaster() is not None:
            raise StoreError(f"the embedded Postgres in {self.directory} does not stop: {_last_line(done)}")

    def _ensure_made(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        unfinished = self.directory / "data.new"  # what an earlier, killed attempt left is made again
        shutil.rmtree(unfinished, ignore_errors=True)
        done = run(
            *("initdb", "-D", str(unfinished), "-U", user_name(), "--auth-local=peer", "--auth-host=reject"),
            *("--no-locale", "--encoding=UTF8", "--no-instructions"),
            data=self.data,
        )
        if done.returncode:
            raise StoreError(f"the embedded Postgres cannot be set up in {self.directory}: {_last_line(done)}")
        unfinished.rename(self.data)

    def _start(self) -> None:
        self._write_settings()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self._drop_stale_pid_files()
            done = run(
                *("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log)),
                *("-w", "-t", str(_START_SECONDS)),
                data=self.data,
            )
            if not done.returncode or self._answers():
                return
            if time.monotonic() > deadline or not self._may_come_up():
                raise StoreError(
                    f"the embedded Postgres in {self.directory} does not start: {self._last_words()}"
                )
            time.sleep(0.2)

    def _may_come_up(self) -> bool:
        """Whether a failed start may still succeed: a killed server's last children go away by themselves."""
        return self._postmaster() is not None or "shared memory block" in self._last_words()

    def _drop_stale_pid_files(self) -> None:
        """Remove the process id that a crash left, at both places where Postgres keeps it.

        The number may belong to another process by now, or to one that nobody has reaped (in a container
        both are common), which Postgres would take for a running server. What may be left of the old one's
        children it finds without these files, by their shared memory.
        """
        if self._postmaster() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.socket_directory / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)

    def _postmaster(self) -> int | None:
        """The process id of the server on this data; None if there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            if not Path("/proc/self").exists():  # macOS: being alive has to do
                os.kill(pid, 0)
                return pid
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return None
        return pid if os.fsencode(self.data) in arguments else None

    def _write_settings(self) -> None:
        chosen = {**_SETTINGS, "unix_socket_directories": str(self.socket_directory), **self.settings}
        quoted = {name: value.replace("'", "''") for name, value in chosen.items()}
        path = self.data / "postgresql.conf"
        path.write_text("".join(f"{name} = '{value}'\n" for name, value in quoted.items()))
        path.chmod(0o644)  # the server may be another user than we are

    def _answers(self) -> bool:
        where = ("-h", str(self.socket_directory), "-p", str(_PORT))
        return run("pg_isready", "-q", *where, data=self.data).returncode == 0

    def _ensure_database(self) -> None:
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if found.fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error as error:
            raise StoreError(
                f"the embedded Postgres in {self.directory} refuses us: {_one_line(error)}"
            ) from error

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-3:]
        except OSError:
            return "it wrote no log"
        said = [re.sub(r"^.{1,40} \[\d+\] ", "", line) for line in lines]
        return "; ".join(said) or "its log is empty"


def _stop_arguments(data: Path) -> tuple[str, ...]:
    return ("pg_ctl", "stop", "-D", str(data), "-m", "fast", "-w")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.splitlines()[-1] if done.stdout else f"exit code {done.returncode}"
