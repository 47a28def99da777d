"""The schema's revision: brought up to date, told, and compared with what this code was written for.

`upgrade` and `revision` block; call them from a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
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
        _refuse_unknown(MigrationContext.configure(connection).get_current_revision())
        connection.rollback()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return expected()


def revision(url: str) -> str | None:
    """The revision of the database's schema; None if it has none yet. Raises StoreError."""
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def expected() -> str:
    """The revision this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def verify(database: Database) -> None:
    """Return if the schema is the one this code was written for. Raises WrongRevision, StoreError."""
    async with database.transaction() as connection:
        current = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
    wanted = expected()
    if current == wanted:
        return
    _refuse_unknown(current)
    found = f"at revision {current}" if current else "empty"
    raise WrongRevision(
        f"database {database.where} is {found}, this worker needs revision {wanted}: run `synthetics migrate`"
    )


def _refuse_unknown(current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise WrongRevision(
            f"this worker is older than the database: it knows revisions up to {expected()}, "
            f"the database is at {current}; start a newer version of the worker"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


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
