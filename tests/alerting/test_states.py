"""The states of an incident under any sequence of findings: told in order, and a bounded number of times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from synthetics.alerting.rules import Finding, Reading
from synthetics.alerting.states import event
from synthetics.model.incident import ALARMING, Event, Incident, IncidentState, Rule

CALM = timedelta(hours=2)
STEP = timedelta(minutes=15)


class Life(RuleBasedStateMachine):
    """One kind of incident, from finding to finding; what happened is written down as the judge would."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 2, tzinfo=UTC)
        self.held: Incident | None = None
        self.told: list[tuple[datetime, Event]] = []

    @rule(reading=st.sampled_from(Reading), after=st.integers(1, 40))
    def find(self, reading: Reading, after: int) -> None:
        self.now += after * STEP
        before = self.held
        what = event(before, Finding(reading), at=self.now, calm=CALM)
        match what:
            case Event.OPENED:
                assert reading is Reading.BAD
                self.held = Incident(uuid4(), "door", Rule.FAILING, "page", "it fails", self.now)
            case Event.FLAPPING:
                assert before is not None
                assert before.resolved_at is not None
                assert self.now - before.resolved_at < CALM
                self.held = replace(before, state=IncidentState.FLAPPING, resolved_at=None)
            case Event.RESOLVED:
                assert before is not None
                assert reading is Reading.STEADY or before.state is IncidentState.OPEN
                self.held = replace(before, state=IncidentState.RESOLVED, resolved_at=self.now)
        if what is not None:
            self.told.append((self.now, what))

    @precondition(lambda self: self.held is not None and self.held.is_open)
    @rule()
    def recover(self) -> None:
        """Whatever happened before, a steady state ends it."""
        self.find(Reading.STEADY, 1)
        assert self.held is not None
        assert not self.held.is_open

    @invariant()
    def every_alarm_is_followed_by_its_end_before_the_next(self) -> None:
        alarming = [what in ALARMING for _, what in self.told]
        assert alarming == [place % 2 == 0 for place in range(len(alarming))]

    @invariant()
    def unclear_changes_nothing(self) -> None:
        assert event(self.held, Finding(Reading.UNCLEAR), at=self.now, calm=CALM) is None

    @invariant()
    def a_finding_found_again_changes_nothing(self) -> None:
        for reading in Reading:
            what = event(self.held, Finding(reading), at=self.now, calm=CALM)
            if self.told and self.told[-1][1] in ALARMING:
                assert what in (None, Event.RESOLVED)
            elif what is not None:
                assert what in (Event.OPENED, Event.FLAPPING)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_comes_and_goes_is_told_of_three_times_and_not_again() -> None:
    """Good for two runs, bad for two, for a day: opened, resolved, flapping, and then silence."""
    life = Life()
    for _ in range(24):
        life.find(Reading.BAD, 1)
        life.find(Reading.BAD, 1)
        life.find(Reading.GOOD, 1)
        life.find(Reading.GOOD, 1)
    assert [what for _, what in life.told] == [Event.OPENED, Event.RESOLVED, Event.FLAPPING]
