"""A test message: whether a notifier reaches people, tried before anything is wrong."""

from dataclasses import replace

from synthetics.alerting.messages import Links, Message
from synthetics.alerting.notifiers import Notifier
from synthetics.clock import Clock
from synthetics.errors import DeliveryError
from synthetics.model.incident import Event

_KEY = "synthetics-test"


async def tried(notifier: Notifier, links: Links, clock: Clock) -> str | None:
    """Send a test message and that it is over; what went wrong, None if nothing did."""
    now = clock.now()
    alarm = Message(
        incident="",
        event=Event.OPENED.value,
        alarming=True,
        title="TEST: nothing is wrong",
        sentence="This is a test of synthetics: whoever reads this would have been told of an incident.",
        labels={"alertname": "SyntheticsTest", "severity": "info"},
        began=now.isoformat(),
        page=links.pages,
    )
    over = replace(
        alarm,
        event=Event.RESOLVED.value,
        alarming=False,
        title="TEST: over",
        sentence="The test of synthetics is over.",
        ended=now.isoformat(),
    )
    try:
        for message in (alarm, over):
            await notifier.tell(message, dedup_key=_KEY, now=clock.now())
    except DeliveryError as error:
        return str(error)
    return None
