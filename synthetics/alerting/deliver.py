"""Brings what is in the outbox to people: at least once, in order, again after a pause, and loudly given up."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

import structlog
from tenacity import RetryCallState, Retrying, wait_random_exponential

from synthetics.alerting.messages import Message
from synthetics.alerting.notifiers import Notifier
from synthetics.background import Background
from synthetics.clock import Clock
from synthetics.errors import DeliveryError, StoreError
from synthetics.store import notices
from synthetics.store.engine import Database
from synthetics.store.notices import Notice

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_LOOK_EVERY: Final = 5.0
_AT_ONCE: Final = 20
_LEASE: Final = timedelta(minutes=2)
_WITHIN: Final = timedelta(minutes=1)
_BACKOFF: Final = wait_random_exponential(multiplier=4, max=900)
REMIND_EVERY: Final = timedelta(minutes=1)
#: An end is told again for a while: the receiver's clock may be behind ours, or an alarm of another process's
#: reminder may have crossed it on the way.
REMIND_OF_ENDS: Final = timedelta(minutes=15)

DELIVERED, RETRIED, GIVEN_UP = "delivered", "retried", "given_up"


class Counting(Protocol):
    """Who counts what became of notices."""

    def notice(self, notifier: str, outcome: str) -> None: ...


class Delivery(Background):
    """Delivers due notices while its block is open; any number of processes may do so at once.

    A process delivers for the notifiers that its own settings name; the rest is left to others, and given up
    once it is too old.
    """

    def __init__(
        self,
        database: Database,
        notifiers: Mapping[str, Notifier],
        *,
        clock: Clock,
        worker: str,
        counting: Counting,
        give_up: timedelta,
    ) -> None:
        self._database = database
        self._notifiers = notifiers
        self._clock = clock
        self._worker = worker
        self._counting = counting
        self._give_up = give_up
        self._waiting = asyncio.Event()
        self._reminded: float | None = None

    def notices_waiting(self) -> None:
        """Something may be due: look at once."""
        self._waiting.set()

    async def _live(self) -> None:
        while True:
            self._waiting.clear()
            try:
                await self.once()
            except StoreError as error:
                log.warning("delivery.postponed", error=str(error))
            # A bug met with one notice must not end all delivery for the life of the process.
            except Exception:
                log.exception("delivery.crashed")
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._waiting.wait()
            except TimeoutError:
                pass

    async def once(self) -> int:
        """Deliver what is due, and remind those who want to be; how many were delivered. Raises StoreError."""
        done = 0
        while claimed := await self._claim():
            outcomes = await asyncio.gather(*(self._deliver(notice) for notice in claimed))
            done += sum(outcomes)
        await self._give_up_overdue()
        await self._remind()
        return done

    async def _claim(self) -> list[Notice]:
        if not self._notifiers:
            return []
        async with self._database.transaction() as connection:
            return await notices.claim(
                connection, list(self._notifiers), by=self._worker, lease=_LEASE, limit=_AT_ONCE
            )

    async def _deliver(self, notice: Notice) -> bool:
        message = Message.parse(notice.payload)
        try:
            async with asyncio.timeout(_WITHIN.total_seconds()):
                await self._notifiers[notice.notifier].tell(
                    message, dedup_key=notice.dedup_key, now=self._clock.now()
                )
        except TimeoutError:
            await self._failed(notice, f"it took longer than {_WITHIN.total_seconds():g} s", permanent=False)
        except DeliveryError as error:
            await self._failed(notice, str(error), permanent=error.permanent)
        else:
            async with self._database.transaction() as connection:
                await notices.delivered(connection, notice.id)
            self._counting.notice(notice.notifier, DELIVERED)
            log.info(
                "notice.delivered", notifier=notice.notifier, incident_id=message.incident, notice=message.event
            )
            return True
        return False

    async def _failed(self, notice: Notice, error: str, *, permanent: bool) -> None:
        about = {"notifier": notice.notifier, "notice_id": str(notice.id), "error": error}
        age = self._clock.now() - notice.created_at
        async with self._database.transaction() as connection:
            if permanent or age >= self._give_up:
                await notices.give_up(connection, notice.id, error=error)
                log.error("notice.given_up", attempts=notice.attempts, **about)
                self._counting.notice(notice.notifier, GIVEN_UP)
                return
            pause = backoff(notice.attempts)
            await notices.postpone(connection, notice.id, pause=pause, error=error)
        log.warning(
            "notice.rejected", attempts=notice.attempts, again_in=round(pause.total_seconds(), 1), **about
        )
        self._counting.notice(notice.notifier, RETRIED)

    async def _give_up_overdue(self) -> None:
        async with self._database.transaction() as connection:
            given_up = await notices.give_up_overdue(connection, after=2 * self._give_up)
        for notifier, notice_id in given_up:
            log.error(
                "notice.given_up", notifier=notifier, notice_id=str(notice_id), error="nobody delivered it"
            )
            self._counting.notice(notifier, GIVEN_UP)

    async def _remind(self) -> None:
        now = self._clock.monotonic()
        if self._reminded is not None and now - self._reminded < REMIND_EVERY.total_seconds():
            return
        self._reminded = now
        for name, notifier in self._notifiers.items():
            async with self._database.transaction() as connection:
                last = await notices.told_last(connection, name, lately=REMIND_OF_ENDS)
            told = [Message.parse(payload) for payload in last]
            if not told:
                continue
            try:
                await notifier.remind(told, now=self._clock.now())
            except DeliveryError as error:
                log.warning("reminder.rejected", notifier=name, incidents=len(told), error=str(error))


def backoff(attempts: int) -> timedelta:
    """The pause after so many attempts: random, growing to a quarter of an hour."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempts
    return timedelta(seconds=1 + _BACKOFF(state))
