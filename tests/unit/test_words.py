"""Times, durations and shares as people read them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import charts, words
from synthetics.model.run import StepOutcome, StepResult
from synthetics.model.timing import UNACCOUNTED, Phase

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0421, "42 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (4.2, "4.20 s"),
        (9.996, "10.0 s"),
        (41.23, "41.2 s"),
        (119.96, "2 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (180000, "2 d 2 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250 ms"), (1.5, "1.5 s"), (60, "60 s"), (900, "15 min"), (3600, "1 h"), (5400, "1 h 30 min")],
)
def test_declared_durations_have_no_idle_digits(seconds: float, shown: str) -> None:
    assert words.declared(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(milliseconds=300), "just now"),
        (timedelta(seconds=25), "25 s ago"),
        (-timedelta(seconds=25), "in 25 s"),
        (timedelta(minutes=4, seconds=40), "4 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=3), "3 d ago"),
    ],
)
def test_moments_from_now(passed: timedelta, shown: str) -> None:
    assert words.ago(NOW - passed, NOW) == shown


def test_shares_are_never_rounded_up_to_all() -> None:
    assert words.percent(1.0) == "100 %"
    assert words.percent(0.99999) == "99.99 %"
    assert words.percent(0.5) == "50.00 %"


def test_nothing_is_a_dash() -> None:
    assert [words.duration(None), words.declared(None), words.exact(None), words.percent(None)] == ["–"] * 4
    assert words.ago(None, NOW) == "never"


durations = st.timedeltas(timedelta(0), timedelta(hours=3))


@given(st.lists(durations, max_size=12), durations)
def test_phases_lie_side_by_side_and_within_the_scale(parts: list[timedelta], more: timedelta) -> None:
    phases = [Phase(f"phase {place}", took) for place, took in enumerate(parts)]
    longest = sum(parts, timedelta(0)) + more

    bars = charts.phase_bars(phases, longest=longest)

    for bar, following in pairwise(bars):
        assert following.x == pytest.approx(bar.x + bar.width, abs=0.02)
    assert sum(bar.width for bar in bars) <= charts.WIDTH + 0.1


def test_a_phase_has_the_same_colour_wherever_it_is() -> None:
    order = ("request", "fetch", "draw")
    whole = charts.phase_bars(
        [Phase("fetch", timedelta(1)), Phase(UNACCOUNTED, timedelta(1))], longest=timedelta(2), order=order
    )

    assert [bar.colour for bar in whole] == ["phase-1", "phase-rest"]


def test_steps_lie_on_the_time_line_of_the_run() -> None:
    second = timedelta(seconds=1)
    done = StepResult("ask", StepOutcome.PASSED, budget=2 * second, offset=second, took=second)
    never = StepResult("answer", StepOutcome.NOT_REACHED, budget=second)

    bars = charts.step_bars([done, never], 4 * second)

    assert [(bar.x, bar.width, bar.budget_x) for bar in bars] == [(250, 250, 750), (0, 0, None)]
