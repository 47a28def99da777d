"""The outbox: at least once, in order, again after a pause, given up loudly; whichever process delivers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, text, update

from synthetics.alerting.deliver import Delivery, backoff
from synthetics.alerting.messages import Message
from synthetics.alerting.notifiers import Notifier
from synthetics.clock import SystemClock
from synthetics.errors import DeliveryError
from synthetics.model.incident import Rule
from synthetics.settings import NotifierSettings
from synthetics.store import tables
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.runs import a_probe, a_run, cover_now, publish, tick


@dataclass
class Ears:
    """A notifier that keeps what it is told, and fails on request."""

    heard: list[tuple[str, str]] = field(default_factory=list)
    reminded: list[list[str]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    slow: asyncio.Event | None = None

    async def tell(self, message: Message, *, dedup_key: str, now: datetime) -> None:
        if self.slow:
            await self.slow.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.heard.append((dedup_key, message.event))

    async def remind(self, messages: Sequence[Message], *, now: datetime) -> None:
        self.reminded.append([message.event for message in messages])


@dataclass
class Counted:
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def notice(self, notifier: str, outcome: str) -> None:
        self.outcomes.append((notifier, outcome))


class Office:
    """A court, and processes that deliver what it puts into the outbox."""

    def __init__(self, court: Court) -> None:
        self.court = court
        self.counted = Counted()

    def delivery(self, notifiers: Mapping[str, Notifier], give_up: timedelta = timedelta(days=1)) -> Delivery:
        return Delivery(
            self.court.database,
            notifiers,
            clock=SystemClock(),
            worker="worker-1",
            counting=self.counted,
            give_up=give_up,
        )

    async def hurry(self) -> None:
        """Have every pause over."""
        async with self.court.database.transaction() as connection:
            await connection.execute(update(tables.notices).values(due_at=func.now()))


@pytest.fixture
async def office(database: Database) -> Office:
    await cover_now(database)
    await publish(database, a_probe())
    return Office(Court(database))


async def test_what_opens_is_told_once_and_its_end_after_it(office: Office) -> None:
    ears = Ears()
    delivery = office.delivery({"on-call": ears})
    await office.court.keep(*outage(tick(8)))

    assert await delivery.once() == 1
    assert await delivery.once() == 0
    await office.court.keep(a_run(tick(7)), a_run(tick(6)))
    assert await delivery.once() == 1
    (incident,) = await office.court.incidents()
    assert ears.heard == [(str(incident.id), "opened"), (str(incident.id), "resolved")]
    assert office.counted.outcomes == [("on-call", "delivered")] * 2


async def test_a_resolve_waits_for_its_alarm(office: Office) -> None:
    ears = Ears(errors=[DeliveryError("no answer", permanent=False)])
    delivery = office.delivery({"on-call": ears})
    await office.court.keep(*outage(tick(8)))
    await delivery.once()
    await office.court.keep(a_run(tick(7)), a_run(tick(6)))

    assert await delivery.once() == 0, "the alarm is tried again later, and the resolve is behind it"
    await office.hurry()
    assert await delivery.once() == 2
    assert [event for _, event in ears.heard] == ["opened", "resolved"]
    assert office.counted.outcomes[0] == ("on-call", "retried")


async def test_what_cannot_help_is_given_up_and_said_so(office: Office) -> None:
    ears = Ears(errors=[DeliveryError("never", permanent=True)])
    delivery = office.delivery({"on-call": ears})
    await office.court.keep(*outage(tick(8)))

    await delivery.once()
    (notice,) = await office.court.notices()
    assert notice["given_up_at"] is not None
    assert notice["last_error"] == "never"
    assert office.counted.outcomes == [("on-call", "given_up")]
    # The alarm may have arrived all the same: its end is told.
    await office.court.keep(a_run(tick(7)), a_run(tick(6)))
    await delivery.once()
    assert [event for _, event in ears.heard] == ["resolved"]


async def test_it_is_tried_for_as_long_as_the_settings_say(office: Office) -> None:
    ears = Ears(errors=[DeliveryError("no answer", permanent=False) for _ in range(3)])
    await office.court.keep(*outage(tick(8)))
    await office.delivery({"on-call": ears}).once()
    await office.hurry()
    await office.delivery({"on-call": ears}).once()
    await office.hurry()
    async with office.court.database.transaction() as connection:
        await connection.execute(
            update(tables.notices).values(created_at=func.now() - text("interval '1 hour'"))
        )
    await office.delivery({"on-call": ears}, give_up=timedelta(hours=1)).once()

    assert [outcome for _, outcome in office.counted.outcomes] == ["retried", "retried", "given_up"]


async def test_of_two_processes_one_delivers_each(office: Office) -> None:
    slow = asyncio.Event()
    first, second = Ears(slow=slow), Ears()
    await office.court.keep(*outage(tick(8)))

    delivering = asyncio.create_task(office.delivery({"on-call": first}).once())
    while not (await office.court.notices())[0]["claimed_by"]:
        await asyncio.sleep(0.01)
    assert await office.delivery({"on-call": second}).once() == 0
    slow.set()
    assert await delivering == 1
    assert (len(first.heard), second.heard) == (1, [])


async def test_what_a_killed_process_had_claimed_is_delivered_by_another(office: Office) -> None:
    await office.court.keep(*outage(tick(8)))
    hanging = asyncio.create_task(office.delivery({"on-call": Ears(slow=asyncio.Event())}).once())
    while not (await office.court.notices())[0]["claimed_by"]:
        await asyncio.sleep(0.01)
    hanging.cancel()
    await asyncio.wait({hanging})
    async with office.court.database.transaction() as connection:
        await connection.execute(update(tables.notices).values(lease_until=func.now()))

    ears = Ears()
    assert await office.delivery({"on-call": ears}).once() == 1


async def test_a_process_leaves_what_it_does_not_know_to_others(office: Office) -> None:
    await office.court.keep(*outage(tick(8)))

    assert await office.delivery({"another": Ears()}).once() == 0
    assert (await office.court.notices())[0]["attempts"] == 0
    async with office.court.database.transaction() as connection:
        await connection.execute(
            update(tables.notices).values(created_at=func.now() - text("interval '3 days'"))
        )
    await office.delivery({"another": Ears()}).once()
    (notice,) = await office.court.notices()
    assert notice["last_error"] == "no process has a notifier of this name"
    assert office.counted.outcomes == [("on-call", "given_up")]


async def test_those_who_forget_are_reminded_of_what_is_open_and_of_what_has_lately_ended(
    office: Office,
) -> None:
    ears = Ears()
    await office.court.keep(*outage(tick(8)))
    await office.delivery({"on-call": ears}).once()
    assert ears.reminded == [["opened"]]
    await office.delivery({"on-call": ears}).once()
    assert ears.reminded == [["opened"]] * 2
    await office.court.keep(a_run(tick(7)), a_run(tick(6)))
    await office.delivery({"on-call": ears}).once()
    assert ears.reminded == [["opened"], ["opened"], ["resolved"]]
    async with office.court.database.transaction() as connection:
        await connection.execute(
            update(tables.notices).values(delivered_at=func.now() - text("interval '16 minutes'"))
        )
    await office.delivery({"on-call": ears}).once()
    assert len(ears.reminded) == 3


async def test_what_another_process_ends_meanwhile_is_not_left_open_by_the_reminder(office: Office) -> None:
    other = Ears()

    class Racing(Ears):
        async def remind(self, messages: Sequence[Message], *, now: datetime) -> None:
            if not self.reminded:
                await office.court.keep(a_run(tick(7)), a_run(tick(6)))
                await office.delivery({"on-call": other}).once()
            await super().remind(messages, now=now)

    ears = Racing()
    await office.court.keep(*outage(tick(8)))
    await office.delivery({"on-call": ears}).once()
    await office.delivery({"on-call": ears}).once()

    assert [event for _, event in other.heard] == ["resolved"]
    assert ears.reminded == [["opened"], ["resolved"]]


async def test_it_looks_at_once_when_something_waits(office: Office) -> None:
    ears = Ears()
    delivery = office.delivery({"on-call": ears})
    async with delivery:
        await asyncio.sleep(0)
        await office.court.keep(*outage(tick(8)))
        delivery.notices_waiting()
        async with asyncio.timeout(4):
            while not ears.heard:
                await asyncio.sleep(0.01)


async def test_settings_choose_who_is_told(database: Database) -> None:
    await cover_now(database)
    await publish(database, a_probe())
    given: dict[str, dict[str, Any]] = {
        "all": {},
        "pages": {"severities": ["page"]},
        "tickets": {"severities": ["ticket"]},
        "others": {"probes": ["load"]},
        "ours": {"probes": ["open_document"]},
        "slow": {"rules": [Rule.TARGET]},
    }
    notifiers = {
        name: NotifierSettings.model_validate({"alertmanager": "http://127.0.0.1:9", **some})
        for name, some in given.items()
    }
    court = Court(database, notifiers=notifiers)
    await court.keep(*outage(tick(8)))

    assert {notice["notifier"] for notice in await court.notices()} == {"all", "pages", "ours"}


def test_pauses_grow_and_have_an_end() -> None:
    for attempts in (1, 3, 10, 500):
        for _ in range(20):
            pause = backoff(attempts)
            assert timedelta(seconds=1) <= pause <= timedelta(seconds=901)
    assert max(backoff(1) for _ in range(50)) <= timedelta(seconds=9)
