"""The way to Postgres: connections, transactions, and one kind of error for everything that is in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import URL, NullPool, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from synthetics.clock import Clock
from synthetics.errors import SettingsError, StoreError

_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_FIRST_PAUSE = timedelta(milliseconds=200)
_LONGEST_PAUSE = timedelta(seconds=5)
_POOL_WAIT_SECONDS = 10
#: Longer than a statement may take.
LONGEST = timedelta(seconds=40)

#: Moments come back in UTC; no statement of the service needs longer, and one that hangs must end. A worker
#: that is suspended in the middle of a transaction must not hold up the others.
_OPTIONS: Final = "-c timezone=UTC -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"

#: A server that vanished without a word is given up after seconds, not after the kernel's quarter of an hour.
_CONNECT_DEFAULTS: Final[dict[str, str | tuple[str, ...]]] = {
    "connect_timeout": "5",
    "application_name": "synthetics",
    "keepalives_idle": "30",
    "tcp_user_timeout": "15000",
}

#: Errors about the state of the database rather than about our statement: no right, no table, no partition.
_NO_PARTITION = "23514"
_STATE_OF_DATABASE = frozenset({"42501", "42P01", "3F000", _NO_PARTITION})


def parse_url(url: str) -> URL:
    """The database's URL in the one form the store uses.

    Raises SettingsError for anything but PostgreSQL; its sentence never carries a password.
    """
    wanted = "wanted postgresql://user:password@host:port/database"
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise SettingsError([f"database_url: {wanted}, got something that is not a URL"])
    if scheme not in _SCHEMES:
        raise SettingsError([f"database_url: {wanted}, got a {scheme}:// URL"])
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the cause: its text may hold the password.
        raise SettingsError([f"database_url: {wanted}, got a URL that cannot be read"]) from None
    query = {**_CONNECT_DEFAULTS, **parsed.query}
    given = query.get("options", "")
    if not isinstance(given, str):
        raise SettingsError([f"database_url: {wanted}, got one with several `options`"])
    if not given.startswith(_OPTIONS):
        query["options"] = f"{_OPTIONS} {given}".strip()  # what the URL says comes later, and wins
    return parsed.set(drivername="postgresql+psycopg", query=query)


def in_words(url: URL) -> str:
    """Which database this is, for people: without user and password."""
    given = url.host or url.query.get("host") or "the local socket"
    host = given if isinstance(given, str) else " or ".join(given)
    port = f":{url.port}" if url.port else ""
    return f"{url.database or 'the default database'} at {host}{port}"


class Database:
    """One Postgres database, through a small pool of connections.

    Every error that says "the database cannot be used now" leaves here as StoreError.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = parse_url(url)
        self._pooled = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_POOL_WAIT_SECONDS,
            pool_pre_ping=True,
        )
        self._single = create_async_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @property
    def where(self) -> str:
        """Which database this is, for people: without user and password."""
        return in_words(self.url)

    @asynccontextmanager
    async def transaction(self, *, within: timedelta = LONGEST) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction: committed when the block ends, rolled back if it raises.

        A block that is not through `within` this time is given up: a server that was suspended says nothing,
        and its machine goes on to confirm every packet.
        """
        async with (
            self._in_time(within),
            self._opened(self._pooled) as connection,
            connection.begin(),
        ):
            yield connection

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[AsyncConnection]:
        """A connection of one's own, outside the pool, each statement by itself; closed after the block."""
        async with self._opened(self._single) as connection:
            yield connection

    async def ping(self) -> None:
        """Return if the database answers. Raises StoreError."""
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def now(self) -> datetime:
        """The moment, by the database's clock, which all workers share. Raises StoreError."""
        async with self.transaction() as connection:
            told: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            return told

    async def wait_until_up(self, clock: Clock, tell: Callable[[str], None]) -> None:
        """Return once the database answers; each try that failed is told, with the time of the next."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.ping()
            except StoreError as error:
                tell(f"{error}; trying again in {pause.total_seconds():g} s")
                await clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def close(self) -> None:
        """Close every connection."""
        await self._pooled.dispose()
        await self._single.dispose()

    @asynccontextmanager
    async def _opened(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with self._border():
            async with engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _in_time(self, within: timedelta) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(within.total_seconds()) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            said = f"database {self.where} did not answer within {within.total_seconds():g} s"
            raise StoreError(said) from None

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            if not _is_about_the_database(error):
                raise
            raise StoreError(f"database {self.where} cannot be used: {first_line(error)}") from error


def first_line(error: SQLAlchemyError) -> str:
    """What the server or the driver said, without the statement and its values."""
    if isinstance(error, PoolTimeout):
        return f"every connection was busy for {_POOL_WAIT_SECONDS} s"
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def sqlstate(error: SQLAlchemyError) -> str | None:
    """The server's five-letter code, if the server said anything."""
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return state if isinstance(state, str) else None


def lacks_partition(error: StoreError) -> bool:
    """Whether the database answers, but has no partition for the row's month."""
    cause = error.__cause__
    return isinstance(cause, SQLAlchemyError) and sqlstate(cause) == _NO_PARTITION


def _is_about_the_database(error: SQLAlchemyError) -> bool:
    if isinstance(error, PoolTimeout | OperationalError | InterfaceError | InternalError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return sqlstate(error) in _STATE_OF_DATABASE
