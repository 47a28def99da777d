"""Figures of timings by hour and day, with quantiles that can be merged: years fit, long spans are quick."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("DROP TABLE rollups")  # nothing has ever been written to it
    op.execute(
        """
        CREATE TABLE rollups (
            name text NOT NULL, path text NOT NULL, phase text NOT NULL,
            probe text NOT NULL, location text NOT NULL,
            unit text NOT NULL, start timestamptz NOT NULL,
            count bigint NOT NULL, stalled bigint NOT NULL, sum_seconds double precision NOT NULL,
            shortest_seconds double precision NOT NULL, longest_seconds double precision NOT NULL,
            bins integer[] NOT NULL, counts bigint[] NOT NULL,
            CONSTRAINT pk_rollups PRIMARY KEY (name, path, phase, probe, location, unit, start)
        )
        """
    )
    op.execute("CREATE INDEX ix_rollups_start ON rollups (start)")
    # Rows come in the order of their ticks: a few pages tell where those of an hour are.
    op.execute("CREATE INDEX ix_timings_tick ON timings USING brin (tick) WITH (autosummarize = true)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_timings_tick")
    op.execute("DROP TABLE rollups")
    op.execute(
        """
        CREATE TABLE rollups (
            name text NOT NULL, path text NOT NULL, probe text NOT NULL, location text NOT NULL,
            hour timestamptz NOT NULL, count bigint NOT NULL, sum_seconds double precision NOT NULL,
            sketch bytea NOT NULL,
            CONSTRAINT pk_rollups PRIMARY KEY (name, path, probe, location, hour)
        )
        """
    )
