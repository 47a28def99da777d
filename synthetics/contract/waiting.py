"""Waiting for something to become so, and knowing how finely it was watched."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from synthetics.clock import Clock
from synthetics.errors import PlatformError, TimedOut

T = TypeVar("T")

_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look: every `floor` at first, then every `share` of the time already waited."""

    floor: timedelta
    share: float = 0.005

    def interval(self, waited: float) -> float:
        """Seconds from the start of one look to the start of the next."""
        return max(self.floor.total_seconds(), self.share * waited)


FINE = Pace(timedelta(milliseconds=25))
"""For cheap looks (one HTTP request), where an answer is expected."""

DEAR = Pace(timedelta(seconds=1))
"""For looks that cost something (DynamoDB, ECS): never more than once a second."""

BLOCKING = Pace(timedelta(0), share=0.0)
"""For looks that wait by themselves (an SQS long poll)."""


@dataclass(frozen=True, slots=True)
class Sighting(Generic[T]):
    """The first time something was seen to be so.

    `at` is the monotonic instant when the telling answer was in hand; `after` the instant when the last look
    that said "no" was sent (or the wait began). The truth lies between the two.
    """

    value: T
    at: float
    after: float
    looks: int

    @property
    def resolution(self) -> timedelta:
        """How far apart the last "no" and the first "yes" are."""
        return timedelta(seconds=self.at - self.after)


async def sight(
    clock: Clock,
    look: Callable[[], Awaitable[T]],
    *,
    until: Callable[[T], object],
    within: timedelta,
    what: str,
    pace: Pace,
) -> Sighting[T]:
    """Look again and again until `until(value)` holds.

    Raises TimedOut, with the last value seen as evidence, when `within` has passed; a look that is under way
    then is given up. Errors of `look` itself pass through, but for transient ones: they are asked past.
    """
    began = clock.monotonic()
    limit = within.total_seconds()
    after, looks = began, 0
    seen: object = "nothing yet"
    while (left := began + limit - clock.monotonic()) > 0:
        asked = clock.monotonic()
        looks += 1
        try:
            async with asyncio.timeout(left):
                value = await look()
        except TimeoutError:
            break
        except PlatformError as error:
            if not error.transient:
                raise
            at, seen = clock.monotonic(), error  # no answer: neither a "no" nor a "yes"
        else:
            at = clock.monotonic()
            if until(value):
                return Sighting(value, at, after, looks)
            seen, after = value, asked
        pause = asked + pace.interval(at - began) - at
        await clock.sleep(timedelta(seconds=min(max(0.0, pause), max(0.0, began + limit - at))))
    raise TimedOut(
        f"unexpected: {what}: wanted within {limit:g} s, {_told(seen)}",
        what=what,
        waited=timedelta(seconds=clock.monotonic() - began),
        last_seen=seen,
        looks=looks,
    )


def _told(seen: object) -> str:
    if seen is False:
        return "it never was"
    if seen is None:
        return "there was none"
    text = f"[{', '.join(map(_named, seen))}]" if isinstance(seen, list) else str(seen)
    return "last saw " + (text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def _named(one: object) -> str:
    """What an element calls itself; only a text is told with its quotes."""
    return repr(one) if isinstance(one, str) else str(one)
