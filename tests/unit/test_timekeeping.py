"""The time that workers share: the database's, carried on by our monotonic one, whatever wall clocks do."""

from datetime import datetime, timedelta
from typing import cast

import pytest

from synthetics.errors import StoreError
from synthetics.scheduling.timekeeping import SharedClock
from synthetics.store.engine import Database
from tests.support.clock import FakeClock

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Server:
    """A database that knows the time, `ahead` of ours; its answer takes a moment."""

    def __init__(self, ours: FakeClock, ahead: timedelta = timedelta(0)) -> None:
        self._start, self._began = ours.now() + ahead, ours.monotonic()
        self._ours = ours
        self.away = False

    async def now(self) -> datetime:
        if self.away:
            raise StoreError("away")
        self._ours.advance(timedelta(milliseconds=10))
        told = self._start + timedelta(seconds=self._ours.monotonic() - self._began)
        self._ours.advance(timedelta(milliseconds=10))
        return told

    def step(self, by: timedelta) -> None:
        self._start += by


def database(server: Server) -> Database:
    return cast("Database", server)


@pytest.mark.parametrize("step", [HOUR, -HOUR, 24 * 365 * HOUR])
def test_a_wall_clock_that_is_set_moves_nothing(step: timedelta) -> None:
    ours = FakeClock()
    shared = SharedClock(ours)
    began = shared.now()

    ours.step(step)
    ours.advance(MINUTE)

    assert shared.now() - began == MINUTE
    assert shared.apart == step


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_a_worker_whose_clock_is_wrong_goes_by_the_databases(ahead: timedelta) -> None:
    ours = FakeClock()
    server, shared = Server(ours, ahead), SharedClock(ours)

    moved = await shared.follow(database(server))

    assert moved == ahead
    assert shared.now() - ours.now() == ahead
    assert await shared.follow(database(server)) == timedelta(0), "once is enough"


async def test_clocks_that_agree_within_the_way_to_the_database_and_back_are_left_alone() -> None:
    ours = FakeClock()
    server, shared = Server(ours, timedelta(milliseconds=300)), SharedClock(ours)

    assert await shared.follow(database(server)) == timedelta(0)
    assert shared.now() == ours.now()


async def test_when_the_whole_machine_is_set_the_shared_time_follows_the_database() -> None:
    ours = FakeClock()
    server, shared = Server(ours), SharedClock(ours)

    ours.step(HOUR)
    server.step(HOUR)

    assert await shared.follow(database(server)) == HOUR
    assert shared.now() == ours.now()


async def test_without_the_database_time_goes_on() -> None:
    ours = FakeClock()
    server, shared = Server(ours), SharedClock(ours)
    server.away = True
    began = shared.now()

    with pytest.raises(StoreError):
        await shared.follow(database(server))
    ours.advance(MINUTE)

    assert shared.now() - began == MINUTE
