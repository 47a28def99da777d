"""Alertmanager, by its API v2: grouping, silences and routing are its trade."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx

from synthetics.alerting.messages import Message
from synthetics.errors import DeliveryError
from synthetics.redaction import hide

#: An alert that is not reminded of for so long is over for Alertmanager: longer than a deploy of ours takes.
OPEN_FOR = timedelta(minutes=15)
_WITHIN_SECONDS = 10.0
_AT_LEAST = timedelta(seconds=1)
#: Trying again may help: it is overloaded, away, or somebody is about to mend our credentials.
_PASSING = frozenset({401, 403, 404, 408, 425, 429})


class Alertmanager:
    """One Alertmanager. An alert is known by its labels, so that telling it again changes nothing."""

    def __init__(self, address: str) -> None:
        self._alerts = f"{address.rstrip('/')}/api/v2/alerts"

    async def tell(self, message: Message, *, dedup_key: str, now: datetime) -> None:
        """Post the alert, with its end if it is over. Raises DeliveryError."""
        del dedup_key  # its labels are its key
        await self._post([alert(message, now)])

    async def remind(self, messages: Sequence[Message], *, now: datetime) -> None:
        """Post these alerts anew. Raises DeliveryError."""
        if messages:
            await self._post([alert(message, now) for message in messages])

    async def _post(self, alerts: list[dict[str, object]]) -> None:
        try:
            async with httpx.AsyncClient(timeout=_WITHIN_SECONDS, trust_env=False) as client:
                answer = await client.post(self._alerts, json=alerts)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = hide(str(error)) or type(error).__name__
            raise DeliveryError(f"Alertmanager did not answer: {why}", permanent=False) from error
        if not answer.is_success:
            said = hide(answer.text[:300])
            permanent = answer.is_client_error and answer.status_code not in _PASSING
            raise DeliveryError(f"Alertmanager answered {answer.status_code}: {said}", permanent=permanent)


def alert(message: Message, now: datetime) -> dict[str, object]:
    """The message as Alertmanager takes it.

    An end that lies ahead is taken for one that may yet be moved, and the later of two counts: so an alert that
    is over ends in the past.
    """
    began = datetime.fromisoformat(message.began)
    ends = min(now, datetime.fromisoformat(message.ended)) if message.ended else now + OPEN_FOR
    annotations = {
        "summary": message.sentence,
        "description": message.text(),
        **{name.lower().replace(" ", "_"): value for name, value in message.details.items()},
        "incident": message.incident,
        "page": message.page,
        "run": message.run,
        "runbook_url": message.runbook,
    }
    return {
        "labels": dict(message.labels),
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": min(began, ends - _AT_LEAST).isoformat(),
        "endsAt": ends.isoformat(),
        "generatorURL": message.page,
    }
