"""The embedded Postgres: a real server under the state directory, shared by the processes that use it."""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from synthetics.errors import StoreError
from synthetics.store.cluster import Cluster
from synthetics.store.guard import Guard
from synthetics.store.programs import OTHERWISE


class EmbeddedPostgres:
    """A server that runs while anybody uses it; an async context manager that gives its URL.

    Each user holds a shared lock on a file, which the system takes back however the user ends, so the last
    one to leave knows that it is the last, also after others were killed. Should all of them be killed, a
    guard stops the server.
    """

    def __init__(self, state_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self._directory = state_dir.absolute() / "postgres"
        self._cluster = Cluster(self._directory, settings or {})
        self._using: int | None = None

    @property
    def url(self) -> str:
        """The URL of the service's database on this server."""
        return self._cluster.url()

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start the server, or join those who use it already; its URL. Raises StoreError."""
        starting = asyncio.create_task(asyncio.to_thread(self.start_blocking))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread goes on whatever happens to us: see it through, so that no server is left behind.
            await asyncio.wait([starting])
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave; the last user stops the server."""
        await asyncio.to_thread(self.stop_blocking)

    def start_blocking(self) -> str:
        """`start` for those without an event loop."""
        if self._using is not None:
            return self.url
        with self._alone():
            users = self._open("users")
            try:
                fcntl.flock(users, fcntl.LOCK_SH)  # first: from here on the guard leaves the server alone
                self._cluster.ensure_running()
                self._guard().ensure_waiting()
            except BaseException:
                self._give_up(users)
                raise
            self._using = users
        return self.url

    def stop_blocking(self) -> None:
        """`stop` for those without an event loop."""
        if self._using is None:
            return
        users, self._using = self._using, None
        # Leaving and looking whether anybody is left are one act: of several who leave at once, one is last.
        with self._alone():
            try:
                if _nobody_else_holds(users):
                    self._cluster.stop()
                    self._guard().dismiss()
            finally:
                os.close(users)

    def _give_up(self, users: int) -> None:
        """Leave after a start that failed, at whatever point: a server that came up for nobody goes again."""
        try:
            if _nobody_else_holds(users):
                with suppress(StoreError):  # what made the start fail is told; this is likely the same
                    self._cluster.stop()
                    self._guard().dismiss()
        finally:
            os.close(users)

    def _guard(self) -> Guard:
        return Guard(self._directory / "users", self._cluster.stop_command())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time starts or stops this server."""
        lock = self._open("lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open(self, name: str) -> int:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._directory / name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"the embedded Postgres cannot use {self._directory}: {error.strerror}; {OTHERWISE}"
            ) from error


def _nobody_else_holds(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Another user; or, in the instant between the two locks, the guard: then wait until it is done.
        fcntl.flock(users, fcntl.LOCK_SH)
        return False
    return True
