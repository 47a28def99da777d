"""Everybody else, by way of apprise: PagerDuty, Slack, Teams, mail, SNS, web hooks."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from synthetics.alerting.messages import Message
from synthetics.errors import DeliveryError
from synthetics.redaction import hide

_SENDING = ("-m", "synthetics.alerting.sending")


class Apprise:
    """One apprise URL. Each message is sent by a process of its own, which brings apprise along and ends."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def tell(self, message: Message, *, dedup_key: str, now: datetime) -> None:
        """Send the message. Raises DeliveryError."""
        del now
        body = f"{message.text()}\n\nKey: {dedup_key}"
        wanted = {"url": self._url, "title": message.title, "body": body, "alarming": message.alarming}
        answer = await _sent(json.dumps(wanted).encode())
        try:
            became = json.loads(answer)
            error, permanent = became["error"], bool(became["permanent"])
        except (ValueError, KeyError, TypeError) as bad:
            raise DeliveryError("apprise ended without saying what became of it", permanent=False) from bad
        if error is not None:
            raise DeliveryError(hide(str(error)), permanent=permanent)

    async def remind(self, messages: Sequence[Message], *, now: datetime) -> None:
        """People do not forget: nothing is sent again."""


async def _sent(wanted: bytes) -> bytes:
    """What the sending process said; it is gone when this returns, also where nobody waits for it any more."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *_SENDING, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
    except OSError as error:
        raise DeliveryError(f"no process could be started to send it: {error}", permanent=False) from error
    try:
        said, _ = await process.communicate(wanted)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return said
