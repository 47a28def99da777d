"""Autoscaling, on a platform that has it, and on one where nobody said whether it has."""

import pytest

from probes.autoscaling import autoscaling
from sandbox.autoscaling import wanted
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.probes.test_clean import timings_add_up
from tests.support.monitor import Watch, found, left_behind
from tests.support.sandbox import RunningSandbox, StartSandbox

pytestmark = pytest.mark.long


def test_so_many_sessions_want_so_many_tasks() -> None:
    assert [wanted(sessions) for sessions in (0, 1, 2, 3, 30)] == [0, 1, 1, 3, 3]


async def test_tasks_follow_the_sessions(start_sandbox: StartSandbox, watch: Watch) -> None:
    sandbox = start_sandbox(launch="service", idle_seconds=10.0)
    async with watch(sandbox) as monitor:
        run = await monitor.run(autoscaling)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert found(run)["E2E-02"].outcome is CheckOutcome.PASSED
    timings_add_up(run, autoscaling, but=set())
    assert left_behind(sandbox, run.tag) == []


async def test_a_service_that_nobody_said_would_follow_may_stay_as_it_is(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, AUTOSCALING="auto", TARGET_SCALING_S="1") as monitor:
        run = await monitor.run(autoscaling)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    check = found(run)["E2E-02"]
    assert check.outcome is CheckOutcome.SKIPPED
    assert "stayed at 0 tasks while 1 launched with RunTask served the session" in str(check.reason)
    assert left_behind(platform, run.tag) == []
