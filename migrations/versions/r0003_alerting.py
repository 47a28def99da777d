"""Incidents know where they were seen and if they flap, notices keep their order; maintenance; the watch."""

from alembic import op

revision = "0003"
down_revision = "0002"

# No version before this one wrote to these tables.
INCIDENTS = """
ALTER TABLE incidents ADD COLUMN location text NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN state text NOT NULL DEFAULT 'open';
DROP INDEX uq_incidents_open;
CREATE UNIQUE INDEX uq_incidents_open ON incidents (probe, rule, subject, location) WHERE resolved_at IS NULL;
CREATE INDEX ix_incidents_probe_opened_at ON incidents (probe, opened_at);
CREATE INDEX ix_incidents_folded_under ON incidents (folded_under);
ALTER TABLE transitions ADD COLUMN author text NOT NULL DEFAULT '';
ALTER TABLE notices ADD COLUMN incident_id uuid NOT NULL
    CONSTRAINT fk_notices_incident_id REFERENCES incidents (id);
ALTER TABLE notices ADD COLUMN alarming boolean NOT NULL;
CREATE INDEX ix_notices_incident_id_notifier_transition_id ON notices (incident_id, notifier, transition_id)
"""

LEFTOVERS = """
ALTER TABLE resources ADD COLUMN swept boolean NOT NULL DEFAULT false;
CREATE INDEX ix_resources_swept ON resources (gone_at) WHERE swept
"""

MAINTENANCE = """
CREATE TABLE maintenance (
    id            uuid CONSTRAINT pk_maintenance PRIMARY KEY,
    reason        text NOT NULL,
    probes        jsonb NOT NULL DEFAULT '[]',
    starts_at     timestamptz NOT NULL,
    lasts_seconds double precision NOT NULL,
    weekly        jsonb,
    created_by    text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    over_at       timestamptz
);
CREATE INDEX ix_maintenance_over_at ON maintenance (over_at)
"""

WATCH = """
CREATE TABLE watch (
    id       integer CONSTRAINT pk_watch PRIMARY KEY,
    since    timestamptz NOT NULL,
    heard_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    for script in (INCIDENTS, LEFTOVERS, MAINTENANCE, WATCH):
        for statement in script.split(";"):
            op.execute(statement)


def downgrade() -> None:
    for statement in (
        "DROP TABLE watch",
        "DROP TABLE maintenance",
        "ALTER TABLE resources DROP COLUMN swept",
        "ALTER TABLE notices DROP COLUMN alarming, DROP COLUMN incident_id",
        "ALTER TABLE transitions DROP COLUMN author",
        "DROP INDEX uq_incidents_open",
        "ALTER TABLE incidents DROP COLUMN state, DROP COLUMN location",
        "CREATE UNIQUE INDEX uq_incidents_open ON incidents (probe, rule, subject) WHERE resolved_at IS NULL",
        "DROP INDEX ix_incidents_probe_opened_at",
        "DROP INDEX ix_incidents_folded_under",
    ):
        op.execute(statement)
