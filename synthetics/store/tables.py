"""The tables. Durations are `double precision` seconds (`…_seconds`), moments are timestamptz.

`runs`, `steps`, `timings`, `checks` and `logs` are partitioned by the month of their tick, so that old months
can be dropped whole; that is also why nothing holds a foreign key to them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

MOMENT = DateTime(timezone=True)

#: Partitioned by month of `tick`.
MONTHLY = ("runs", "steps", "timings", "checks", "logs")


probes = Table(
    "probes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("promise", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("price", Text, nullable=False),
    Column("every_seconds", Double, nullable=False),
    Column("timeout_seconds", Double, nullable=False),
    Column("steps", JSONB, nullable=False, doc="[{name, budget_seconds}] in order"),
    Column("cases", JSONB, nullable=False, doc="[{id, promise, effect}] in order"),
    Column("timings", JSONB, nullable=False, doc="[{name, help, paths, phases, target_seconds}]"),
    Column("exclusive", JSONB, nullable=False, doc="[name] needed alone"),
    Column("shares", JSONB, nullable=False, doc="[name] used beside others"),
    Column("leans_on", JSONB, nullable=False, doc="[probe] whose failure explains this one's"),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("version", Text, nullable=False, doc="of the code that published it"),
    Column("published_at", MOMENT, nullable=False, server_default=func.now()),
    Column("retired_at", MOMENT, doc="since when no catalogue holds it"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Uuid, primary_key=True, doc="UUIDv5 of probe, location, tick, trigger, attempt"),
    Column("tick", MOMENT, primary_key=True),
    Column("probe", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("outcome", Text, doc="null while in flight"),
    Column("reason", Text),
    Column("abandoned", Boolean, nullable=False, server_default=false(), doc="closed for it by another"),
    Column("worker", Text, nullable=False, server_default=""),
    Column("claimed_at", MOMENT, doc="null if it was never claimed"),
    Column("heard_at", MOMENT, doc="the last heartbeat"),
    Column("lease_until", MOMENT, doc="null once it is closed"),
    Column("started", MOMENT, doc="null if it never started"),
    Column("finished", MOMENT),
    Column("took_seconds", Double, doc="null while in flight, and where nobody knows"),
    Column("waited_seconds", Double),
    Column("tag", Text, nullable=False, server_default=""),
    Column("trace_id", Text, nullable=False, server_default=""),
    Column("confirms", Uuid, doc="the run whose failure this one confirms"),
    Column("versions", JSONB, nullable=False, server_default=text("'{}'")),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("cleanup_errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("usage", JSONB, nullable=False, server_default=text("'{}'"), doc="{what: how much}"),
    Column("cost_dollars", Double, doc="null while in flight, and where nobody knows"),
    Column("cost_shares", JSONB, nullable=False, server_default=text("'{}'"), doc="{service: dollars}"),
    Index(None, "probe", "tick", "id"),
    Index(None, "probe", "location", "tick"),
    Index("ix_runs_in_flight", "probe", "location", postgresql_where=text("outcome IS NULL")),
    postgresql_partition_by="RANGE (tick)",
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("tick", MOMENT, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("budget_seconds", Double, nullable=False),
    Column("offset_seconds", Double, doc="from the run's start; null if it was never reached"),
    Column("took_seconds", Double),
    postgresql_partition_by="RANGE (tick)",
)

timings = Table(
    "timings",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("tick", MOMENT, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("probe", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("outcome", Text, nullable=False, doc="of the run"),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False, server_default=""),
    Column("seconds", Double, nullable=False),
    Column("resolution_seconds", Double, nullable=False),
    Column("offset_seconds", Double, nullable=False, doc="from the run's start"),
    Column("phases", JSONB, nullable=False, doc="[{name, seconds}] in order; they add up to seconds"),
    Column("stalled", Boolean, nullable=False),
    Index("ix_timings_series", "name", "path", "probe", "location", "tick"),
    Index(None, "tick", postgresql_using="brin", postgresql_with={"autosummarize": "true"}),
    postgresql_partition_by="RANGE (tick)",
)

checks = Table(
    "checks",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("tick", MOMENT, primary_key=True),
    Column("case", Text, primary_key=True),
    Column("position", Integer, nullable=False, doc="of the case in the probe's declaration"),
    Column("probe", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("evidence", JSONB, nullable=False),
    Index(None, "case", "probe", "tick"),
    postgresql_partition_by="RANGE (tick)",
)

logs = Table(
    "logs",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("tick", MOMENT, primary_key=True),
    Column("lines", JSON, nullable=False, doc="[{offset, level, event, fields, took, times}], fields in order"),
    postgresql_partition_by="RANGE (tick)",
)

resources = Table(
    "resources",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Uuid, nullable=False, index=True),
    Column("probe", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("intended", MOMENT, nullable=False),
    Column("created_at", MOMENT),
    Column("gone_at", MOMENT),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("attempts", Integer, nullable=False, server_default="0", doc="failed removals"),
    Column("last_error", Text),
    Column(
        "swept", Boolean, nullable=False, server_default=false(), doc="removed by the sweep, not by its run"
    ),
    Index("ix_resources_open", "intended", postgresql_where=text("state <> 'gone'")),
    Index("ix_resources_gone_at", "gone_at", postgresql_where=text("state = 'gone'")),
    Index("ix_resources_swept", "gone_at", postgresql_where=text("swept")),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("probe", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default="", doc="the timing, where the rule has one"),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'")),
    Column("opened_at", MOMENT, nullable=False),
    Column("resolved_at", MOMENT),
    Column("acknowledged_at", MOMENT),
    Column("acknowledged_by", Text),
    Column("folded_under", ForeignKey("incidents.id"), doc="the incident that explains this one"),
    Column(
        "location",
        Text,
        nullable=False,
        server_default="",
        doc="where it was seen; empty where that is all one",
    ),
    Column("state", Text, nullable=False, server_default="open", doc="open | flapping | resolved"),
    Index(
        "uq_incidents_open",
        "probe",
        "rule",
        "subject",
        "location",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index(None, "opened_at"),
    Index(None, "probe", "opened_at"),
    Index(None, "folded_under"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False, index=True),
    Column("at", MOMENT, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Uuid, doc="the run that tipped it"),
    Column("author", Text, nullable=False, server_default="", doc="empty where no person did it"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("transition_id", ForeignKey("transitions.id"), nullable=False),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("notifier", Text, nullable=False),
    Column("dedup_key", Text, nullable=False, doc="the same for all that is told of one incident"),
    Column("alarming", Boolean, nullable=False, doc="whoever gets it learns that the incident is open"),
    Column("payload", JSONB, nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=func.now()),
    Column("due_at", MOMENT, nullable=False, server_default=func.now(), doc="of the next attempt"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", Text),
    Column("lease_until", MOMENT),
    Column("delivered_at", MOMENT),
    Column("given_up_at", MOMENT),
    Column("last_error", Text),
    Index(None, "transition_id", "notifier", unique=True),
    Index(None, "incident_id", "notifier", "transition_id"),
    Index(
        "ix_notices_due",
        "due_at",
        postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL"),
    ),
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("probes", JSONB, nullable=False, server_default=text("'[]'"), doc="[probe]; empty: all"),
    Column("starts_at", MOMENT, nullable=False),
    Column("lasts_seconds", Double, nullable=False),
    Column("weekly", JSONB(none_as_null=True), doc="{days: [mon…sun], at: HH:MM, zone}; null: once"),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("created_at", MOMENT, nullable=False, server_default=func.now()),
    Column("over_at", MOMENT, doc="nothing of it comes after this; null: it goes on for ever"),
    Index(None, "over_at"),
)

watch = Table(
    "watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="there is one row"),
    Column("since", MOMENT, nullable=False, doc="some process has judged without a break from then on"),
    Column("heard_at", MOMENT, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("version", Text, nullable=False, doc="of its code"),
    Column("heard_at", MOMENT, nullable=False, server_default=func.now()),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True, doc="the token itself is never kept"),
    Column("scopes", JSONB, nullable=False, doc="[read | act]"),
    Column("created_at", MOMENT, nullable=False, server_default=func.now()),
    Column("expires_at", MOMENT),
    Column("revoked_at", MOMENT),
    Column("last_used_at", MOMENT),
)

series = Table(
    "series",
    metadata,
    Column("probe", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("name", Text, primary_key=True, doc="of the timing"),
    Column("path", Text, primary_key=True),
    Column("state", JSONB, nullable=False, doc="all that its detector knows"),
    Column("tick", MOMENT, nullable=False, doc="of the newest value that was judged"),
    Column("run_id", Uuid, nullable=False, doc="of the newest value that was judged"),
    Column("level_seconds", Double, doc="what is usual; null while it learns"),
    Column("slower", JSONB, nullable=False, server_default=text("'[]'"), doc="[level | share | spread]"),
    Column("calm_runs", Integer, nullable=False, server_default="0", doc="in a row, since it was slower"),
    Column("relevel_at", MOMENT, doc="what came since is to be the new normal"),
)

rollups = Table(
    "rollups",
    metadata,
    Column("name", Text, primary_key=True, doc="of the timing"),
    Column("path", Text, primary_key=True),
    Column("phase", Text, primary_key=True, doc="empty for the timing itself"),
    Column("probe", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("unit", Text, primary_key=True, doc="hour | day"),
    Column("start", MOMENT, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("stalled", BigInteger, nullable=False),
    Column("sum_seconds", Double, nullable=False),
    Column("shortest_seconds", Double, nullable=False),
    Column("longest_seconds", Double, nullable=False),
    Column("bins", ARRAY(Integer), nullable=False, doc="numbers of the bins that have values, ascending"),
    Column("counts", ARRAY(BigInteger), nullable=False, doc="how many values each of these has"),
    Index(None, "start"),
)
