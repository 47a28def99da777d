"""What is known of each series of timings: its detector's state, so that judging goes on where it stopped."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE series (
            probe text NOT NULL, location text NOT NULL, name text NOT NULL, path text NOT NULL,
            state jsonb NOT NULL,
            tick timestamptz NOT NULL, run_id uuid NOT NULL,
            level_seconds double precision, slower jsonb NOT NULL DEFAULT '[]',
            calm_runs integer NOT NULL DEFAULT 0, relevel_at timestamptz,
            CONSTRAINT pk_series PRIMARY KEY (probe, location, name, path)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE series")
