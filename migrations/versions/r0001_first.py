"""The first tables."""

from alembic import op

revision = "0001"
down_revision = None

CATALOGUE = """
CREATE TABLE probes (
    name            text CONSTRAINT pk_probes PRIMARY KEY,
    promise         text NOT NULL,
    owner           text NOT NULL,
    severity        text NOT NULL,
    price           text NOT NULL,
    every_seconds   double precision NOT NULL,
    timeout_seconds double precision NOT NULL,
    steps           jsonb NOT NULL,
    cases           jsonb NOT NULL,
    timings         jsonb NOT NULL,
    exclusive       jsonb NOT NULL,
    shares          jsonb NOT NULL,
    leans_on        jsonb NOT NULL,
    enabled         boolean NOT NULL DEFAULT true,
    version         text NOT NULL,
    published_at    timestamptz NOT NULL DEFAULT now(),
    retired_at      timestamptz
)
"""

# Partitioned by the month of the tick. The partitions themselves are made ahead of time by the service.
HISTORY = """
CREATE TABLE runs (
    id             uuid,
    tick           timestamptz,
    probe          text NOT NULL,
    location       text NOT NULL,
    trigger        text NOT NULL,
    attempt        integer NOT NULL DEFAULT 0,
    outcome        text,
    reason         text,
    abandoned      boolean NOT NULL DEFAULT false,
    worker         text NOT NULL DEFAULT '',
    claimed_at     timestamptz,
    heard_at       timestamptz,
    lease_until    timestamptz,
    started        timestamptz,
    finished       timestamptz,
    took_seconds   double precision,
    waited_seconds double precision,
    tag            text NOT NULL DEFAULT '',
    trace_id       text NOT NULL DEFAULT '',
    confirms       uuid,
    versions       jsonb NOT NULL DEFAULT '{}',
    facts          jsonb NOT NULL DEFAULT '{}',
    cleanup_errors jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT pk_runs PRIMARY KEY (id, tick)
) PARTITION BY RANGE (tick);
CREATE INDEX ix_runs_probe_tick_id ON runs (probe, tick, id);
CREATE INDEX ix_runs_probe_location_tick ON runs (probe, location, tick);
CREATE INDEX ix_runs_in_flight ON runs (probe, location) WHERE outcome IS NULL;

CREATE TABLE steps (
    run_id         uuid,
    tick           timestamptz,
    position       integer,
    name           text NOT NULL,
    outcome        text NOT NULL,
    budget_seconds double precision NOT NULL,
    offset_seconds double precision,
    took_seconds   double precision,
    CONSTRAINT pk_steps PRIMARY KEY (run_id, tick, position)
) PARTITION BY RANGE (tick);

CREATE TABLE timings (
    run_id             uuid,
    tick               timestamptz,
    position           integer,
    probe              text NOT NULL,
    location           text NOT NULL,
    outcome            text NOT NULL,
    name               text NOT NULL,
    path               text NOT NULL DEFAULT '',
    seconds            double precision NOT NULL,
    resolution_seconds double precision NOT NULL,
    offset_seconds     double precision NOT NULL,
    phases             jsonb NOT NULL,
    stalled            boolean NOT NULL,
    CONSTRAINT pk_timings PRIMARY KEY (run_id, tick, position)
) PARTITION BY RANGE (tick);
CREATE INDEX ix_timings_series ON timings (name, path, probe, location, tick);

CREATE TABLE checks (
    run_id   uuid,
    tick     timestamptz,
    "case"   text,
    position integer NOT NULL,
    probe    text NOT NULL,
    outcome  text NOT NULL,
    reason   text,
    evidence jsonb NOT NULL,
    CONSTRAINT pk_checks PRIMARY KEY (run_id, tick, "case")
) PARTITION BY RANGE (tick);
CREATE INDEX ix_checks_case_probe_tick ON checks ("case", probe, tick)
"""

LEDGER = """
CREATE TABLE resources (
    id         uuid CONSTRAINT pk_resources PRIMARY KEY,
    run_id     uuid NOT NULL,
    probe      text NOT NULL,
    tag        text NOT NULL,
    kind       text NOT NULL,
    name       text NOT NULL,
    state      text NOT NULL,
    intended   timestamptz NOT NULL,
    created_at timestamptz,
    gone_at    timestamptz,
    details    jsonb NOT NULL DEFAULT '{}',
    attempts   integer NOT NULL DEFAULT 0,
    last_error text
);
CREATE INDEX ix_resources_run_id ON resources (run_id);
CREATE INDEX ix_resources_open ON resources (intended) WHERE state <> 'gone'
"""

ALERTING = """
CREATE TABLE incidents (
    id              uuid CONSTRAINT pk_incidents PRIMARY KEY,
    probe           text NOT NULL,
    rule            text NOT NULL,
    subject         text NOT NULL DEFAULT '',
    severity        text NOT NULL,
    summary         text NOT NULL,
    evidence        jsonb NOT NULL DEFAULT '{}',
    opened_at       timestamptz NOT NULL,
    resolved_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    folded_under    uuid CONSTRAINT fk_incidents_folded_under REFERENCES incidents (id)
);
CREATE UNIQUE INDEX uq_incidents_open ON incidents (probe, rule, subject) WHERE resolved_at IS NULL;
CREATE INDEX ix_incidents_opened_at ON incidents (opened_at);

CREATE TABLE transitions (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_transitions PRIMARY KEY,
    incident_id uuid NOT NULL CONSTRAINT fk_transitions_incident_id REFERENCES incidents (id),
    at          timestamptz NOT NULL,
    state       text NOT NULL,
    reason      text NOT NULL,
    run_id      uuid
);
CREATE INDEX ix_transitions_incident_id ON transitions (incident_id);

CREATE TABLE notices (
    id            uuid CONSTRAINT pk_notices PRIMARY KEY,
    transition_id bigint NOT NULL CONSTRAINT fk_notices_transition_id REFERENCES transitions (id),
    notifier      text NOT NULL,
    dedup_key     text NOT NULL,
    payload       jsonb NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL DEFAULT now(),
    attempts      integer NOT NULL DEFAULT 0,
    claimed_by    text,
    lease_until   timestamptz,
    delivered_at  timestamptz,
    given_up_at   timestamptz,
    last_error    text
);
CREATE UNIQUE INDEX ix_notices_transition_id_notifier ON notices (transition_id, notifier);
CREATE INDEX ix_notices_due ON notices (due_at) WHERE delivered_at IS NULL AND given_up_at IS NULL
"""

ACCESS = """
CREATE TABLE tokens (
    id           uuid CONSTRAINT pk_tokens PRIMARY KEY,
    name         text NOT NULL,
    hash         bytea NOT NULL CONSTRAINT uq_tokens_hash UNIQUE,
    scopes       jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
)
"""

ROLLUPS = """
CREATE TABLE rollups (
    name        text,
    path        text,
    probe       text,
    location    text,
    hour        timestamptz,
    count       bigint NOT NULL,
    sum_seconds double precision NOT NULL,
    sketch      bytea NOT NULL,
    CONSTRAINT pk_rollups PRIMARY KEY (name, path, probe, location, hour)
)
"""


def upgrade() -> None:
    for script in (CATALOGUE, HISTORY, LEDGER, ALERTING, ACCESS, ROLLUPS):
        for statement in script.split(";"):
            op.execute(statement)


def downgrade() -> None:
    for table in (
        *("rollups", "tokens", "notices", "transitions", "incidents", "resources"),
        *("checks", "timings", "steps", "runs", "probes"),
    ):
        op.execute(f"DROP TABLE {table}")
