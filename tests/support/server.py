"""A Postgres of one's own, to be ill-treated."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from synthetics.store.cluster import Cluster


class Server:
    """The server, and what may happen to it."""

    def __init__(self, place: Path, settings: Mapping[str, str] | None = None) -> None:
        self._directory = place / "postgres"
        self._directory.mkdir(mode=0o700, parents=True)
        self._cluster = Cluster(self._directory, settings or {})
        self.url = self._cluster.url()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return next(self._cluster.socket_directory.glob(".s.PGSQL.????"))

    def start(self) -> None:
        self._cluster.ensure_running()

    def stop(self) -> None:
        self._cluster.stop()

    def kill(self) -> None:
        """Kill the server and all its children, as a machine that loses its power would."""
        for process in self._processes():
            os.kill(process, signal.SIGKILL)

    def pause(self) -> None:
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def resume(self) -> None:
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def refuse_writes(self) -> None:
        self._set_read_only("on")

    def take_writes(self) -> None:
        self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    def _processes(self) -> list[int]:
        postmaster = int((self._directory / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]


Does = Callable[[Server], None]

#: How a database may go away, and come back.
WAYS: dict[str, tuple[Does, Does]] = {
    "stopped": (Server.stop, Server.start),
    "killed": (Server.kill, Server.start),
    "paused": (Server.pause, Server.resume),
    "read-only": (Server.refuse_writes, Server.take_writes),
}
