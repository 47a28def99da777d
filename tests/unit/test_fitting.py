"""A probe's limits follow how long the platform it watches may take to fall asleep."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.contract.context import ProbeContext
from synthetics.contract.probe import ProbeSpec, Severity, Step
from synthetics.errors import SettingsError
from synthetics.model.run import Outcome
from synthetics.model.timing import ZERO
from synthetics.scheduling.catalogue import scheduled
from synthetics.settings import ProbeOverride
from tests.support.engine import FakePlatform, a_probe, run_probe

AWAKE = Step("awake", budget=timedelta(seconds=10))
ASLEEP = Step("asleep", budget=timedelta(seconds=30), sleeps=2)
SPEC = ProbeSpec(
    name="sleeper", owner="tests", severity=Severity.PAGE, every=timedelta(minutes=15),
    timeout=timedelta(minutes=7), steps=(AWAKE, ASLEEP), sleeps=3,
)  # fmt: skip
PATIENCE = timedelta(minutes=5)

durations = st.timedeltas(timedelta(seconds=1), timedelta(days=1))


def test_limit_and_budgets_have_room_for_every_sleep() -> None:
    fitted = SPEC.fitted(PATIENCE)

    assert (fitted.timeout, fitted.every) == (timedelta(minutes=22), timedelta(minutes=30))
    assert [step.budget for step in fitted.steps] == [timedelta(seconds=10), timedelta(seconds=630)]


def test_a_platform_that_does_not_sleep_leaves_the_declaration_as_it_is() -> None:
    assert SPEC.fitted(ZERO) == SPEC


@given(durations, st.integers(0, 5), durations)
def test_the_interval_is_the_first_multiple_that_the_limit_fits_into(
    every: timedelta, sleeps: int, patience: timedelta
) -> None:
    spec = ProbeSpec(
        name="any", owner="tests", severity=Severity.INFO, every=every, timeout=every, steps=(), sleeps=sleeps
    )

    fitted = spec.fitted(patience)

    assert fitted.timeout == every + sleeps * patience
    assert fitted.every % every == ZERO
    assert fitted.every - every < fitted.timeout <= fitted.every


def test_what_a_deployment_says_is_taken_as_it_is() -> None:
    short = SPEC.fitted(PATIENCE, timeout=timedelta(minutes=20))
    rare = SPEC.fitted(PATIENCE, every=timedelta(minutes=25))

    assert (short.timeout, short.every) == (timedelta(minutes=20), timedelta(minutes=30))
    assert (rare.timeout, rare.every) == (timedelta(minutes=22), timedelta(minutes=25))


def test_an_interval_that_leaves_no_room_for_the_sleeps_is_refused_with_the_reason() -> None:
    override = ProbeOverride(every=timedelta(minutes=20))

    with pytest.raises(SettingsError) as caught:
        scheduled([a_probe(_nothing, **_declared())], {"sleeper": override}, sleep_patience=PATIENCE)

    assert str(caught.value) == (
        "probe sleeper: its timeout (0:22:00) is longer than its interval (0:20:00), because the platform may "
        "take 0:05:00 to fall asleep and it waits for that 3 times; make the interval longer or give it a "
        "shorter timeout"
    )


def test_where_nothing_sleeps_the_reason_says_nothing_of_sleep() -> None:
    with pytest.raises(ValueError, match=r"is longer than its interval \(0:05:00\)") as caught:
        SPEC.fitted(ZERO, every=timedelta(minutes=5))

    assert "asleep" not in str(caught.value)


def test_steps_do_not_sleep_more_often_than_their_probe() -> None:
    with pytest.raises(ValueError, match="its steps sleep more often than itself"):
        ProbeSpec(
            name="sleeper", owner="tests", severity=Severity.PAGE, every=timedelta(minutes=15),
            timeout=timedelta(minutes=7), steps=(ASLEEP,), sleeps=1,
        )  # fmt: skip


async def test_a_scenario_enters_the_step_it_declared_and_is_held_to_the_fitted_budget() -> None:
    async def sleeps(ctx: ProbeContext[FakePlatform]) -> None:
        async with ctx.step(ASLEEP):
            pass

    [planned] = scheduled([a_probe(sleeps, **_declared())], {}, sleep_patience=PATIENCE)

    run = await run_probe(planned.probe)

    assert run.outcome is Outcome.PASSED
    assert {step.name: step.budget for step in run.steps}["asleep"] == timedelta(seconds=630)


async def _nothing(ctx: ProbeContext[FakePlatform]) -> None:
    """Nobody waits for anything."""


def _declared() -> dict[str, object]:
    return {"name": "sleeper", "steps": SPEC.steps, "sleeps": 3, "every": SPEC.every, "timeout": SPEC.timeout}
