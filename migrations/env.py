"""How alembic reaches the database: over the connection it is handed, in one transaction."""

from alembic import context
from sqlalchemy import Connection

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)

context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
