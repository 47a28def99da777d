"""What a restart may lose, and what is only seen through one way into the workspaces."""

import pytest

from probes.session_persistence import session_persistence
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox


@pytest.mark.parametrize(
    ("fault", "cases", "case", "says"),
    [
        pytest.param(
            *(
                "history-lost",
                {"SP-02", "SP-06"},
                "SP-02",
                "no longer in any branch's history: wanted nothing",
            ),
            marks=pytest.mark.long,
        ),
        pytest.param(
            *("row-state-lost", {"SP-03"}, "SP-03", "clientId of the session: wanted 'syn-"),
            marks=pytest.mark.long,
        ),
    ],
)
async def test_what_a_restart_loses_is_named(
    fault: str, cases: set[str], case: str, says: str, platform: RunningSandbox, watch: Watch
) -> None:
    platform.set_fault(fault)
    try:
        async with watch(platform) as monitor:
            run = await monitor.run(session_persistence)
    finally:
        platform.clear_faults()

    assert failed(run) == cases
    assert says in str(found(run)[case].reason)
    assert left_behind(platform, run.tag) == []


async def test_a_repository_shows_too_little_to_judge_unsaved_work(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, FILE_CHECK="git-remote", GIT_REMOTE="file:///nowhere") as monitor:
        run = await monitor.run(session_persistence)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    outcomes = {check.case: check.outcome for check in run.checks}
    assert {case for case, seen in outcomes.items() if seen is CheckOutcome.SKIPPED} == {
        "SP-02",
        "SP-06",
        "SP-07",
    }
    assert {case for case, seen in outcomes.items() if seen is CheckOutcome.DEGRADED} == {"SP-01", "SP-05"}
