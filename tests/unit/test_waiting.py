"""Waiting: bounded, adaptive, and honest about how finely it watched."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.contract.waiting import DEAR, FINE, sight
from synthetics.errors import PlatformError, TimedOut
from tests.support.clock import FakeClock


def becomes_true(clock: FakeClock, after: float, *, costs: float = 0.01) -> Callable[[], Awaitable[bool]]:
    born = clock.monotonic()

    async def look() -> bool:
        clock.advance(timedelta(seconds=costs))
        return clock.monotonic() - born >= after

    return look


@given(after=st.floats(0.0, 300.0), costs=st.floats(0.001, 0.5))
async def test_the_truth_lies_between_the_last_no_and_the_first_yes(after: float, costs: float) -> None:
    clock = FakeClock()
    began = clock.monotonic()

    seen = await sight(
        clock,
        becomes_true(clock, after, costs=costs),
        until=bool,
        within=timedelta(seconds=400),
        what="the door",
        pace=FINE,
    )

    assert seen.after - began <= after + 1e-9 or seen.looks == 1
    assert seen.at - began >= after - 1e-9
    slack = max(0.025, 0.01 * (seen.at - began)) + 2 * costs
    assert seen.resolution.total_seconds() <= slack + 1e-6


async def test_dear_looks_come_at_most_once_a_second() -> None:
    clock = FakeClock()

    seen = await sight(
        clock, becomes_true(clock, 20.0), until=bool, within=timedelta(seconds=30), what="a row", pace=DEAR
    )

    assert seen.looks <= 21


async def test_what_never_comes_is_told_with_what_was_seen_last() -> None:
    clock = FakeClock()

    with pytest.raises(TimedOut, match="the door: wanted within 3 s, it never was") as refused:
        await sight(
            clock,
            becomes_true(clock, 99.0),
            until=bool,
            within=timedelta(seconds=3),
            what="the door",
            pace=FINE,
        )

    assert refused.value.evidence["last_seen"] is False
    assert timedelta(seconds=3) <= refused.value.evidence["waited"] < timedelta(seconds=3.2)


async def test_an_error_of_the_look_passes_through() -> None:
    async def look() -> bool:
        raise PlatformError("refused")

    with pytest.raises(PlatformError, match="refused"):
        await sight(FakeClock(), look, until=bool, within=timedelta(seconds=3), what="x", pace=FINE)


class _Throttled(PlatformError):
    transient = True


async def test_a_passing_refusal_is_asked_past_and_told_if_it_lasts() -> None:
    clock, refusals = FakeClock(), iter([True, True, False])

    async def look() -> bool:
        if next(refusals):
            raise _Throttled("ThrottlingException")
        return True

    async def always() -> bool:
        raise _Throttled("ThrottlingException")

    seen = await sight(clock, look, until=bool, within=timedelta(seconds=9), what="a row", pace=DEAR)
    assert seen.looks == 3
    with pytest.raises(TimedOut, match="a row: wanted within 3 s, last saw ThrottlingException"):
        await sight(clock, always, until=bool, within=timedelta(seconds=3), what="a row", pace=DEAR)


async def test_what_was_seen_last_is_told_as_its_elements_call_themselves() -> None:
    class Task:
        def __str__(self) -> str:
            return "task 7 (RUNNING)"

    async def look() -> list[object]:
        return [Task(), "its row"]

    within = timedelta(seconds=1)
    with pytest.raises(TimedOut, match=r"last saw \[task 7 \(RUNNING\), 'its row'\]"):
        await sight(FakeClock(), look, until=lambda _: False, within=within, what="none", pace=DEAR)
