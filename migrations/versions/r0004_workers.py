"""Which workers there are and of which version, so that the newest is in charge."""

from alembic import op

revision = "0004"
down_revision = "0003"

WORKERS = """
CREATE TABLE workers (
    name     text CONSTRAINT pk_workers PRIMARY KEY,
    location text NOT NULL,
    version  text NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    op.execute(WORKERS)


def downgrade() -> None:
    op.execute("DROP TABLE workers")
