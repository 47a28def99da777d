"""Ledger entries are found by when their things were gone, so that old ones can be forgotten."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_resources_gone_at ON resources (gone_at) WHERE state = 'gone'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_resources_gone_at")
