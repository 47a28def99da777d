"""A platform with a quirk that is known (contract §13) is told of it, and not of a new failure each time."""

import pytest

from probes.resumption_logic import resumption_logic
from probes.session_resumption import session_resumption
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, found, left_behind
from tests.support.sandbox import StartSandbox

pytestmark = pytest.mark.long


async def test_rows_of_woken_containers_under_the_sessions_id_are_tolerated(
    start_sandbox: StartSandbox, watch: Watch
) -> None:
    platform = start_sandbox(woken_row_key="sessionId", idle_seconds=10.0)
    async with watch(platform) as monitor:
        whole, logic = await monitor.run(session_resumption), await monitor.run(resumption_logic)

    assert {(run.outcome, run.reason) for run in (whole, logic)} == {(Outcome.PASSED, None)}
    for check in (found(whole)["SR-02"], found(whole)["SR-08"], found(logic)["SV-01"]):
        assert check.outcome is CheckOutcome.DEGRADED
        assert "keyed by the session's id" in str(check.reason)
    assert [left for run in (whole, logic) for left in left_behind(platform, run.tag)] == []


async def test_sessions_that_hermes_cannot_find_are_told_as_that(
    start_sandbox: StartSandbox, watch: Watch
) -> None:
    platform = start_sandbox(session_reads="placeholder")
    async with watch(platform) as monitor:
        run = await monitor.run(session_resumption)

    assert run.outcome is Outcome.FAILED
    assert "waking a stopped container: wanted 201, got 500: Failed to resume session: Session" in str(
        run.reason
    )
    assert left_behind(platform, run.tag) == []
