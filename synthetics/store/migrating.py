"""The schema's revision: brought up to date, told, and compared with what this code was written for.

`upgrade` and `revision` block; call them from a thread. Alembic is loaded only where there is something to
migrate: a worker lives on for months with what it has loaded, and most start where nothing is to be done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, NullPool, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

import migrations
from synthetics.errors import StoreError, WrongRevision
from synthetics.store.engine import Database, first_line, parse_url

#: Held while migrating, so that of two workers that start at once the second waits and then finds it done.
_LOCK_KEY: Final = 7_310_031_190_554_320_013
_LOCK_WAIT: Final = "5min"


def upgrade(url: str) -> str:
    """Bring the database's schema up to date; the revision it has then. Raises StoreError, WrongRevision."""
    with _connected(url) as connection:
        connection.execute(text(f"SET statement_timeout = 0; SET lock_timeout = '{_LOCK_WAIT}'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        connection.commit()  # the lock is the session's: it is held until the connection is closed
        found = _current(connection)
        _refuse_unknown(found)
        connection.rollback()
        if found != expected():
            _migrate(connection)
    return expected()


def revision(url: str) -> str | None:
    """The revision of the database's schema; None if it has none yet. Raises StoreError."""
    with _connected(url) as connection:
        return _current(connection)


def expected() -> str:
    """The revision this code was written for."""
    return known()[-1]


@cache
def known() -> tuple[str, ...]:
    """Every revision there is a migration for, oldest first: the numbers in the names of their files."""
    versions = Path(migrations.__file__).parent / "versions"
    return tuple(sorted(path.name[1:].partition("_")[0] for path in versions.glob("r*_*.py")))


async def verify(database: Database) -> None:
    """Return if the schema is the one this code was written for. Raises WrongRevision, StoreError."""
    async with database.transaction() as connection:
        current = await connection.run_sync(_current)
    wanted = expected()
    if current == wanted:
        return
    _refuse_unknown(current)
    found = f"at revision {current}" if current else "empty"
    raise WrongRevision(
        f"database {database.where} is {found}, this worker needs revision {wanted}: run `synthetics migrate`"
    )


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _migrate(connection: Connection) -> None:
    from alembic import command  # see above
    from alembic.config import Config  # see above

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_unknown(current: str | None) -> None:
    if current is not None and current not in known():
        raise WrongRevision(
            f"this worker is older than the database: it knows revisions up to {expected()}, "
            f"the database is at {current}; start a newer version of the worker"
        )


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(parse_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        if not isinstance(error, DBAPIError):
            raise
        raise StoreError(f"the database cannot be migrated: {first_line(error)}") from error
    finally:
        engine.dispose()
