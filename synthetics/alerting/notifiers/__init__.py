"""Those who bring messages to people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from synthetics.alerting.messages import Message
from synthetics.alerting.notifiers.alertmanager import Alertmanager
from synthetics.alerting.notifiers.apprise import Apprise
from synthetics.settings import NotifierSettings


class Notifier(Protocol):
    """One way to people. Both methods raise DeliveryError; telling the same twice must do no harm."""

    async def tell(self, message: Message, *, dedup_key: str, now: datetime) -> None:
        """Bring one message."""

    async def remind(self, messages: Sequence[Message], *, now: datetime) -> None:
        """Say again what is open, and what has lately ended; for those who forget what they hear no more of."""


def notifiers(settings: Mapping[str, NotifierSettings]) -> dict[str, Notifier]:
    """The notifiers of these settings, by name."""
    return {name: _notifier(wanted) for name, wanted in settings.items()}


def _notifier(wanted: NotifierSettings) -> Notifier:
    if wanted.alertmanager is not None:
        return Alertmanager(wanted.alertmanager.get_secret_value())
    assert wanted.apprise is not None, "settings have seen to it"
    return Apprise(wanted.apprise.get_secret_value())
