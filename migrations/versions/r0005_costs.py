"""What runs used, and what it cost."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE runs ADD usage jsonb NOT NULL DEFAULT '{}', ADD cost_dollars double precision, "
        "ADD cost_shares jsonb NOT NULL DEFAULT '{}'"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE runs DROP usage, DROP cost_dollars, DROP cost_shares")
