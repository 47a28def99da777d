"""Something that is wrong for longer than a moment, from its opening until it is well again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Rule(StrEnum):
    """The judgements that open incidents; a page of `docs/runbooks/` for each."""

    FAILING = "failing"
    BROKEN = "broken"
    TARGET = "target"
    REGRESSED = "regressed"
    STALE = "stale"
    LEFTOVERS = "leftovers"
    BUDGET = "budget"


class IncidentState(StrEnum):
    """`flapping`: open again soon after it was well; it must be well for longer before it is resolved."""

    OPEN = "open"
    FLAPPING = "flapping"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What happened to an incident. Folded: another incident explains it, which is told in its place."""

    OPENED = "opened"
    FLAPPING = "flapping"
    FOLDED = "folded"
    UNFOLDED = "unfolded"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"


#: Who is told of an event learns that the incident is open.
ALARMING = frozenset({Event.OPENED, Event.FLAPPING, Event.UNFOLDED})
#: Gravest first.
SEVERITIES = ("page", "ticket", "info")


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause for concern about one probe. `subject` is the timing (and path), where the rule has one.

    `summary` is one sentence for people, `evidence` is JSON-ready and free of secrets.
    """

    id: UUID
    probe: str
    rule: Rule
    severity: str
    summary: str
    opened_at: datetime
    location: str = ""
    subject: str = ""
    state: IncidentState = IncidentState.OPEN
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    folded_under: UUID | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> "Kind":
        """Of each kind a probe has one open incident at a time."""
        return Kind(self.rule, self.subject, self.location)

    @property
    def is_open(self) -> bool:
        return self.state is not IncidentState.RESOLVED


@dataclass(frozen=True, slots=True)
class Kind:
    """Of what kind an incident is, beside its probe."""

    rule: Rule
    subject: str = ""
    location: str = ""
