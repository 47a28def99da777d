"""Incidents, in one line and in full."""

from collections.abc import Sequence
from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from api.models.base import Answer, Moment
from synthetics.model.incident import Event, Incident, IncidentState, Rule
from synthetics.queries.incidents import Happened, IncidentDetail, IncidentPage, NoticeState

_EVIDENCE = TypeAdapter(dict[str, JsonValue])
_INCIDENT: dict[str, JsonValue] = {
    "id": "7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77",
    "probe": "document_is_searchable",
    "rule": "failing",
    "subject": "",
    "location": "default",
    "severity": "page",
    "state": "resolved",
    "summary": "document_is_searchable failed 2 times in a row: documents found: wanted ['doc-1'], got []",
    "opened_at": "2026-11-20T14:05:22Z",
    "resolved_at": "2026-11-20T14:35:20Z",
    "acknowledged_at": "2026-11-20T14:09:00Z",
    "acknowledged_by": "on-call",
    "folded_under": "1b1b2f6f-52d7-4a0e-9c55-7a0f3a523c58",
    "evidence": {"step": "find_by_title"},
}


class IncidentOut(Answer):
    """An incident in one line."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INCIDENT]})

    id: UUID
    probe: str
    rule: Rule = Field(description="The judgement that opened it; each has a runbook.")
    subject: str = Field(description="The timing it is about; empty where the rule has none.")
    location: str = Field(description="Where it was seen; empty where that is all one.")
    severity: str = Field(description="`page`, `ticket` or `info`.")
    state: IncidentState = Field(
        description="`flapping`: open again soon after it was well; it must be well for longer to be resolved."
    )
    summary: str = Field(description="The whole in one sentence.")
    opened_at: Moment
    resolved_at: Moment | None = Field(description="Null while it is open.")
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    folded_under: UUID | None = Field(
        description="The incident that explains this one, and is told in its place."
    )
    evidence: dict[str, JsonValue] = Field(description="What was seen, free of secrets.")

    @classmethod
    def of(cls, incident: Incident) -> Self:
        return cls(
            id=incident.id,
            probe=incident.probe,
            rule=incident.rule,
            subject=incident.subject,
            location=incident.location,
            severity=incident.severity,
            state=incident.state,
            summary=incident.summary,
            opened_at=incident.opened_at,
            resolved_at=incident.resolved_at,
            acknowledged_at=incident.acknowledged_at,
            acknowledged_by=incident.acknowledged_by,
            folded_under=incident.folded_under,
            evidence=_EVIDENCE.validate_python(dict(incident.evidence)),
        )


def incident_lines(found: Sequence[Incident]) -> list[IncidentOut]:
    return [IncidentOut.of(incident) for incident in found]


class IncidentsOut(Answer):
    """A page of incidents."""

    incidents: list[IncidentOut] = Field(description="Newest first.")
    next: str | None = Field(description="Where the following page is; null if this is the last.")

    @classmethod
    def of(cls, page: IncidentPage, following: str | None) -> Self:
        return cls(incidents=incident_lines(page.incidents), next=following)


class HappenedOut(Answer):
    """One thing that happened to an incident."""

    event: Event
    at: Moment
    reason: str
    run_id: UUID | None = Field(description="The run that tipped it.")
    author: str = Field(description="Who did it; empty where no person did.")

    @classmethod
    def of(cls, happened: Happened) -> Self:
        return cls(
            event=happened.event,
            at=happened.at,
            reason=happened.reason,
            run_id=happened.run_id,
            author=happened.author,
        )


class NoticeOut(Answer):
    """What became of one notice."""

    notifier: str
    alarming: bool = Field(description="It says that the incident is open, not that it is over.")
    attempts: int
    created_at: Moment
    delivered_at: Moment | None
    given_up_at: Moment | None = Field(description="Nobody was told, and nobody will be.")
    last_error: str | None

    @classmethod
    def of(cls, notice: NoticeState) -> Self:
        return cls(
            notifier=notice.notifier,
            alarming=notice.alarming,
            attempts=notice.attempts,
            created_at=notice.created_at,
            delivered_at=notice.delivered_at,
            given_up_at=notice.given_up_at,
            last_error=notice.last_error,
        )


class IncidentDetailOut(Answer):
    """An incident in full."""

    incident: IncidentOut
    history: list[HappenedOut] = Field(description="What happened to it, oldest first.")
    notices: list[NoticeOut] = Field(description="Who was told.")
    explains: list[IncidentOut] = Field(description="Incidents that have this one for their cause.")

    @classmethod
    def of(cls, detail: IncidentDetail) -> Self:
        return cls(
            incident=IncidentOut.of(detail.incident),
            history=[HappenedOut.of(happened) for happened in detail.history],
            notices=[NoticeOut.of(notice) for notice in detail.notices],
            explains=incident_lines(detail.explains),
        )
