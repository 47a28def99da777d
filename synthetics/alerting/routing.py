"""Who is told of which incident, by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from synthetics.alerting.messages import Links
from synthetics.model.incident import Incident
from synthetics.settings import NotifierSettings, Settings
from synthetics.words import plain


@dataclass(frozen=True, slots=True)
class Routing:
    """The notifiers by name, what is told to whom, and how long an alarm waits for a better explanation."""

    notifiers: Mapping[str, NotifierSettings] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    hold: timedelta = timedelta(0)

    @classmethod
    def of(cls, settings: Settings) -> "Routing":
        links = Links(settings.api.public_url or "", settings.alerts.runbooks or "")
        return cls(settings.notifiers, links, settings.alerts.hold)

    def concerned(self, incident: Incident) -> list[str]:
        """The notifiers that are told of this incident, by name."""
        return [
            name
            for name, wants in sorted(self.notifiers.items())
            if incident.severity in wants.severities
            and (not wants.probes or plain(incident.probe) in wants.probes)
            and (not wants.rules or incident.rule in wants.rules)
        ]
