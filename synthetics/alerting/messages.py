"""What people are told of an incident: one sentence, where it went wrong, the likely cause, and where to look.

A message is made when the incident changes, and kept as JSON with the notice; notifiers put it into their form.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from synthetics.model.incident import ALARMING, Event, Incident
from synthetics.model.sample import Watched
from synthetics.words import in_words, printable

_LONGEST_SUMMARY = 400
_LONGEST_DETAIL = 1_000
_MOST_CASES = 5

_PREFIX = {
    Event.OPENED: "",
    Event.UNFOLDED: "",
    Event.FLAPPING: "Again: ",
    Event.FOLDED: "Explained by another incident: ",
    Event.RESOLVED: "Resolved: ",
}
_TITLE = {
    Event.OPENED: "OPEN",
    Event.UNFOLDED: "OPEN",
    Event.FLAPPING: "OPEN AGAIN",
    Event.FOLDED: "FOLDED",
    Event.RESOLVED: "RESOLVED",
}


@dataclass(frozen=True, slots=True)
class Links:
    """Where people find things: the address of the API's pages, and where the runbooks lie. Empty: nowhere."""

    pages: str = ""
    runbooks: str = ""

    def incident(self, incident: Incident) -> str:
        return f"{self.pages.rstrip('/')}/incidents/{incident.id}" if self.pages else ""

    def run(self, run_id: object) -> str:
        return f"{self.pages.rstrip('/')}/runs/{run_id}" if self.pages and run_id else ""

    def runbook(self, rule: str) -> str:
        """The page about a rule: `{rule}` in the setting stands for its name, or the name is appended."""
        if not self.runbooks:
            return ""
        if "{rule}" in self.runbooks:
            return self.runbooks.replace("{rule}", rule)
        return f"{self.runbooks.rstrip('/')}/{rule}.md"


@dataclass(frozen=True, slots=True)
class Message:
    """What one notice says; JSON-ready. Moments are ISO 8601; what is unknown is empty."""

    incident: str
    event: str
    alarming: bool
    title: str
    sentence: str
    labels: Mapping[str, str]
    details: Mapping[str, str] = field(default_factory=dict)
    began: str = ""
    ended: str = ""
    page: str = ""
    run: str = ""
    runbook: str = ""

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> "Message":
        """The message that was kept; what a newer version may have added is left out."""
        return cls(**{field.name: payload[field.name] for field in fields(cls) if field.name in payload})

    def document(self) -> dict[str, object]:
        return asdict(self)

    def text(self) -> str:
        """The whole as lines of text."""
        lines = [self.sentence, ""]
        lines += [f"{name}: {value}" for name, value in self.details.items()]
        lines += [f"Since: {self.began}" if self.began else "", f"Until: {self.ended}" if self.ended else ""]
        lines += [f"What to do: {self.runbook}" if self.runbook else ""]
        lines += [f"Incident: {self.page}" if self.page else "", f"Run: {self.run}" if self.run else ""]
        return "\n".join(line for place, line in enumerate(lines) if line or place == 1)


def summary(probe: str, subject: str, why: str) -> str:
    """An incident in one sentence."""
    about = f"{probe} ({subject})" if subject else probe
    return printable(f"{about} {why}", most=_LONGEST_SUMMARY)


def message(
    incident: Incident, event: Event, *, why: str, watched: Watched, links: Links, at: datetime, run_id: object
) -> Message:
    """What is told of this event. `why` are the rule's words for it."""
    alarming = event in ALARMING
    told = incident.summary if alarming else summary(incident.probe, incident.subject, why)
    sentence = printable(f"{_PREFIX[event]}{told}", most=_LONGEST_SUMMARY)
    return Message(
        incident=str(incident.id),
        event=event.value,
        alarming=alarming,
        title=f"{_TITLE[event]} {incident.severity}: {incident.probe} {incident.rule}",
        sentence=sentence,
        labels=_labels(incident, watched),
        details=details(incident.evidence),
        began=incident.opened_at.isoformat(),
        ended="" if alarming else at.isoformat(),
        page=links.incident(incident),
        run=links.run(run_id or incident.evidence.get("run")),
        runbook=links.runbook(incident.rule),
    )


def details(evidence: Mapping[str, object]) -> dict[str, str]:
    """The evidence that helps at once, in words."""
    told: dict[str, str] = {}
    if promise := evidence.get("promise"):
        told["Promise"] = str(promise)
    if step := evidence.get("step"):
        told["Failing step"] = str(step).replace("_", " ")
    cases = evidence.get("cases")
    if isinstance(cases, list) and cases:
        shown = [f"{case['case']}: {case['reason']}" for case in cases[:_MOST_CASES]]
        told["Failing cases"] = "; ".join(shown) + (
            f"; and {len(cases) - len(shown)} more" if cases[_MOST_CASES:] else ""
        )
    stuck = evidence.get("stuck")
    if isinstance(stuck, list) and stuck:
        told["Left behind"] = "; ".join(str(thing) for thing in stuck[:_MOST_CASES])
    before, after = evidence.get("before"), evidence.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        told["Before"], told["Since then"] = _figures(before), _figures(after)
    phases = evidence.get("phases")
    if isinstance(phases, dict) and any(phases.values()):
        shares = sorted(phases.items(), key=lambda item: -item[1])
        told["Slower in"] = ", ".join(f"{name} {share:.0%}" for name, share in shares if share)
    if cause := evidence.get("cause"):
        told["Likely cause"] = str(cause)
    return {name: printable(value, most=_LONGEST_DETAIL) for name, value in told.items()}


def _figures(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {in_words(timedelta(seconds=value))}" for name, value in seconds.items())


def likely_cause(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """What had changed on the platform since it was last well; empty if nothing is known to have."""
    changed = [
        f"{name} {before[name]} → {value}"
        for name, value in now.items()
        if name in before and before[name] != value
    ]
    return f"first seen after a change of {', '.join(changed)}" if changed else ""


def _labels(incident: Incident, watched: Watched) -> dict[str, str]:
    labels = {
        "alertname": f"Synthetics{incident.rule.capitalize()}",
        "probe": incident.probe,
        "rule": incident.rule.value,
        "severity": incident.severity,
        "owner": watched.owner,
        "location": incident.location,
        "subject": incident.subject,
    }
    return {name: value for name, value in labels.items() if value}
