"""Times of maintenance: once, and again and again, by the clock of the people who declare them."""

from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.model.maintenance import Maintenance, Weekday, Weekly, in_maintenance

START = datetime(2026, 3, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def once(start: datetime = START, hours: float = 2, *, probes: tuple[str, ...] = ()) -> Maintenance:
    lasts = timedelta(hours=hours)
    return Maintenance(uuid4(), "a move", start, lasts, start + lasts, probes)


def weekly(days: tuple[Weekday, ...], at: time, zone: str, hours: float = 2) -> Maintenance:
    return Maintenance(
        uuid4(), "every week", START, timedelta(hours=hours), None, weekly=Weekly(days, at, zone)
    )


def test_once_is_from_its_begin_until_its_end() -> None:
    window = once()

    assert window.until(START - timedelta(seconds=1)) is None
    assert window.until(START) == START + timedelta(hours=2)
    assert window.until(START + timedelta(hours=2)) is None
    assert window.last_end(START + timedelta(hours=1)) is None
    assert window.last_end(START + timedelta(hours=2)) == START + timedelta(hours=2)


def test_daylight_saving_moves_it_as_it_moves_the_people() -> None:
    """Sunday at 03:00 in Berlin: 02:00 UTC in winter, 01:00 UTC once the clocks were put forward."""
    window = weekly((Weekday.SUNDAY,), time(3), "Europe/Berlin")

    assert window.until(datetime(2026, 3, 22, 2, tzinfo=UTC)) == datetime(2026, 3, 22, 4, tzinfo=UTC)
    assert window.until(datetime(2026, 3, 22, 1, 59, tzinfo=UTC)) is None
    assert window.until(datetime(2026, 3, 29, 1, tzinfo=UTC)) == datetime(2026, 3, 29, 3, tzinfo=UTC)
    assert window.until(datetime(2026, 3, 29, 3, tzinfo=UTC)) is None


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    window = weekly((Weekday.MONDAY,), time(23), "UTC", hours=3)

    assert window.until(datetime(2026, 3, 3, 1, tzinfo=UTC)) == datetime(2026, 3, 3, 2, tzinfo=UTC)
    assert window.until(datetime(2026, 3, 4, 1, tzinfo=UTC)) is None


def test_only_the_probes_it_names_are_concerned() -> None:
    named, all_of_them = once(probes=("cold-start",)), once(hours=1)
    moment = START + timedelta(minutes=30)

    assert in_maintenance([named, all_of_them], "cold-start", moment) == (named, START + timedelta(hours=2))
    assert in_maintenance([named, all_of_them], "load", moment) == (all_of_them, START + timedelta(hours=1))
    assert in_maintenance([named], "load", moment) is None


@given(
    days=st.sets(st.sampled_from(Weekday), min_size=1),
    at=st.times(),
    zone=st.sampled_from(ZONES),
    hours=st.floats(0.1, 24 * 6),
    after=st.timedeltas(timedelta(0), timedelta(days=800)),
)
def test_it_goes_on_just_when_it_began_so_long_ago(
    days: set[Weekday], at: time, zone: str, hours: float, after: timedelta
) -> None:
    """Held against a walk over all days by the zone's own calendar."""
    at = at.replace(tzinfo=None, fold=0, microsecond=0)
    window = weekly(tuple(days), at, zone, hours)
    moment = START + after
    here = moment.astimezone(ZoneInfo(zone)).date()
    begins = [
        datetime.combine(here - timedelta(days=back), at, ZoneInfo(zone)).astimezone(UTC)
        for back in range(-1, 9)
        if tuple(Weekday)[(here - timedelta(days=back)).weekday()] in days
    ]
    ends = [
        start + window.lasts for start in begins if start >= START and start <= moment < start + window.lasts
    ]
    assert window.until(moment) == max(ends, default=None)


@pytest.mark.parametrize("zone", ZONES)
def test_ended_early_it_is_over_for_good(zone: str) -> None:
    window = weekly(tuple(Weekday), time(0), zone, hours=24)
    over = Maintenance(
        window.id, window.reason, window.starts_at, window.lasts, START + timedelta(days=3), (), window.weekly
    )

    assert over.until(START + timedelta(days=2, hours=12)) is not None
    assert over.until(START + timedelta(days=3)) is None
    assert over.until(START + timedelta(days=30)) is None
    assert over.last_end(START + timedelta(days=30)) == START + timedelta(days=3)
