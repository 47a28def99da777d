"""What was logged while a run went on, and what it asked of the platform."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE logs (
            run_id uuid,
            tick   timestamptz,
            lines  json NOT NULL,
            CONSTRAINT pk_logs PRIMARY KEY (run_id, tick)
        ) PARTITION BY RANGE (tick)
        """
    )
    # Months that are there already: they are thinned and dropped with their runs, and late runs are recorded.
    op.execute(
        """
        DO $$
        DECLARE
            month record;
        BEGIN
            FOR month IN
                SELECT replace(child.relname, 'runs_', 'logs_') AS name,
                       pg_get_expr(child.relpartbound, child.oid) AS bound
                FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
                WHERE inhparent = 'runs'::regclass
            LOOP
                EXECUTE format('CREATE TABLE %I PARTITION OF logs %s', month.name, month.bound);
            END LOOP;
        END
        $$
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE logs")
