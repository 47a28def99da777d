"""Where the time went: phases never overlap, never exceed the whole, and tell the truth when clocks agree."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from probes.platform.phases import START_PHASES, Instants, fitting, response_phases, start_phases, stop_phases
from probes.platform.values import TaskView
from synthetics.model.timing import ZERO, Phase

WALL = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT = 1_000.0


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else WALL + timedelta(seconds=seconds)


def task(
    created: float | None = None,
    connected: float | None = None,
    pulling: float | None = None,
    pulled: float | None = None,
    started: float | None = None,
) -> TaskView:
    return TaskView(
        "arn",
        "RUNNING",
        "RUNNING",
        created_at=at(created),
        connectivity_at=at(connected),
        pull_started_at=at(pulling),
        pull_stopped_at=at(pulled),
        started_at=at(started),
    )


def seconds(phases: tuple[Phase, ...]) -> dict[str, float]:
    return {phase.name: round(phase.took.total_seconds(), 6) for phase in phases}


WATCHED = Instants(SENT, WALL, accepted=SENT + 0.5, healthy=SENT + 11, preview=SENT + 12)


def test_a_start_as_it_should_be() -> None:
    split = start_phases(WATCHED, task(1, 2, 3, 7, 9), until=SENT + 12)
    assert split.clock_skew == ZERO
    assert seconds(split.phases) == {
        "request": 0.5, "schedule": 0.5, "network": 1, "pull": 4, "start": 2, "health": 2, "preview": 1,
    }  # fmt: skip


def test_an_aws_clock_that_is_behind_is_moved_to_the_sending() -> None:
    split = start_phases(WATCHED, task(-3, -2, -1, 3, 5), until=SENT + 12)
    assert split.clock_skew == timedelta(seconds=3)
    assert seconds(split.phases)["pull"] == 4
    assert "schedule" not in seconds(split.phases)


def test_an_aws_clock_that_is_ahead_is_moved_to_the_health() -> None:
    split = start_phases(WATCHED, task(31, 32, 33, 37, 39), until=SENT + 12)
    assert split.clock_skew == timedelta(seconds=-28)
    assert seconds(split.phases)["pull"] == 4
    assert "health" not in seconds(split.phases)


def test_what_network_and_pull_share_is_counted_once() -> None:
    split = start_phases(WATCHED, task(1, 5, 3, 7, 9), until=SENT + 12)
    assert seconds(split.phases)["network"] == 4
    assert seconds(split.phases)["pull"] == 2


def test_what_nobody_told_is_not_named() -> None:
    split = start_phases(WATCHED, task(1, None, 3, None, 9), until=SENT + 12)
    assert set(seconds(split.phases)) == {"request", "schedule", "health", "preview"}
    assert seconds(start_phases(WATCHED, None, until=SENT + 12).phases) == {"request": 0.5, "preview": 1}


def test_a_wake_that_was_watched_by_its_preview_alone() -> None:
    seen = Instants(SENT, WALL, accepted=SENT + 0.5, preview=SENT + 12)
    split = start_phases(seen, task(1, 2, 3, 7, 9), until=SENT + 12)
    assert seconds(split.phases)["preview"] == 3


def test_an_end() -> None:
    stopped = TaskView(
        "arn", "STOPPED", "STOPPED", stopping_at=at(1), execution_stopped_at=at(4), stopped_at=at(10)
    )
    assert seconds(stop_phases(stopped)) == {"drain": 3, "stop": 6}
    assert seconds(fitting(stop_phases(stopped), timedelta(seconds=7))) == {"drain": 1, "stop": 6}
    assert stop_phases(TaskView("arn", "STOPPED", "STOPPED", stopped_at=at(10))) == ()


moments = st.none() | st.floats(-200, 200)
later = st.none() | st.floats(0, 200)


@given(
    stamps=st.tuples(moments, moments, moments, moments, moments),
    accepted=later,
    healthy=later,
    whole=st.floats(0, 200),
    has_task=st.booleans(),
)
def test_phases_never_exceed_the_whole(
    stamps: tuple[float | None, ...],
    accepted: float | None,
    healthy: float | None,
    whole: float,
    has_task: bool,
) -> None:
    instants = Instants(
        SENT,
        WALL,
        None if accepted is None else SENT + accepted,
        None if healthy is None else SENT + healthy,
        SENT + whole,
    )
    split = start_phases(instants, task(*stamps) if has_task else None, until=SENT + whole)
    names = [phase.name for phase in split.phases]
    assert all(phase.took > ZERO for phase in split.phases)
    assert sum((phase.took for phase in split.phases), ZERO) <= timedelta(seconds=SENT + whole - SENT)
    assert len(set(names)) == len(names)
    assert set(names) <= set(START_PHASES)


@given(
    parts=st.lists(st.floats(0.01, 100), min_size=7, max_size=7),
    skew=st.floats(-300, 300),
)
def test_durations_that_aws_told_survive_any_skew(parts: list[float], skew: float) -> None:
    edges = [sum(parts[: n + 1]) for n in range(7)]
    request, created, connected, pulled, started, healthy, preview = edges
    told = task(*(edge + skew for edge in (created, connected, connected, pulled, started)))
    instants = Instants(SENT, WALL, SENT + request, SENT + healthy, SENT + preview)
    split = start_phases(instants, told, until=SENT + preview)
    phases = seconds(split.phases)
    for name, wanted in (("network", parts[2]), ("pull", parts[3]), ("start", parts[4])):
        assert abs(phases[name] - wanted) < 0.0001
    # Only as far as needed: what is left of the skew contradicts nothing that was seen.
    assert abs(split.clock_skew.total_seconds()) <= abs(skew) + 0.0001


def test_a_containers_clock_that_contradicts_what_was_seen_splits_nothing() -> None:
    whole = timedelta(seconds=2)
    handling, delivery = response_phases(timedelta(seconds=1.5), whole)
    assert (handling.name, handling.took) == ("handling", timedelta(seconds=1.5))
    assert (delivery.name, delivery.took) == ("delivery", timedelta(seconds=0.5))
    assert response_phases(timedelta(seconds=-0.1), whole) == ()
    assert response_phases(timedelta(seconds=2.1), whole) == ()
