"""What a run found out about one case of the platform's contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CheckOutcome(StrEnum):
    """How a case came out; `degraded` is inside the broad set of accepted answers but not the strict one."""

    PASSED = "passed"
    DEGRADED = "degraded"
    FAILED = "failed"
    SKIPPED = "skipped"


#: The worse of two findings about one case is the one that is kept.
WORST_LAST = (CheckOutcome.SKIPPED, CheckOutcome.PASSED, CheckOutcome.DEGRADED, CheckOutcome.FAILED)


class Effect(StrEnum):
    """What checking a case does to the platform, from harmless to destructive."""

    NONE = "none"
    ROWS = "rows"
    SCALE = "scale"
    KILL = "kill"
    LOAD = "load"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Case:
    """A promise of the platform's contract: its public id, its words, and what checking it does."""

    id: str
    promise: str
    effect: Effect = Effect.NONE


@dataclass(frozen=True, slots=True)
class Check:
    """One case in one run. `evidence` is JSON-ready and free of secrets."""

    case: str
    outcome: CheckOutcome
    reason: str | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)

    def merged(self, later: "Check") -> "Check":
        """The worse of two findings about this case, with the evidence of both."""
        worse = max(self, later, key=lambda check: WORST_LAST.index(check.outcome))
        return Check(self.case, worse.outcome, worse.reason, {**self.evidence, **later.evidence})
