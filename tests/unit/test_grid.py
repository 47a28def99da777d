"""The grid: the same for every worker, without gaps, and blind to time zones."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.model.grid import Grid

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
intervals = st.timedeltas(timedelta(seconds=1), timedelta(days=2))
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)


@given(names, intervals, moments)
def test_the_newest_tick_is_never_late_by_a_whole_interval(name: str, every: timedelta, now: datetime) -> None:
    tick = Grid.of(name, every).at_or_before(now)

    assert timedelta(0) <= now - tick < every


@given(names, intervals, moments, st.integers(0, 50))
def test_ticks_between_two_moments_are_all_there_and_evenly_apart(
    name: str, every: timedelta, start: datetime, count: int
) -> None:
    grid = Grid.of(name, every)
    until = start + count * every

    ticks = list(grid.between(start, until))

    assert len(ticks) == count
    assert all(later - earlier == every for earlier, later in pairwise(ticks))
    assert all(start < tick <= until for tick in ticks)


@given(names, intervals, moments, st.integers(-12, 14))
def test_the_zone_of_a_moment_changes_nothing(name: str, every: timedelta, now: datetime, hours: int) -> None:
    elsewhere = now.astimezone(timezone(timedelta(hours=hours)))

    assert Grid.of(name, every).at_or_before(elsewhere) == Grid.of(name, every).at_or_before(now)


def test_two_probes_do_not_start_together() -> None:
    every = timedelta(minutes=15)
    offsets = {Grid.of(f"probe-{n}", every).offset for n in range(100)}

    assert len(offsets) == 100
    assert max(offsets) - min(offsets) > every / 2


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="interval of front-door: wanted more than zero"):
        Grid.of("front-door", timedelta(0))
