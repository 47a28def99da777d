"""What looks like an answer and is none, and what a setting cannot see."""

from datetime import timedelta

import pytest

from probes.cold_start import cold_start
from probes.platform.alb import Alb
from probes.platform.replies import Reply
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox


@pytest.mark.long
async def test_the_load_balancers_default_answer_is_no_preview(
    platform: RunningSandbox, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def preview(alb: Alb, url: str) -> Reply:
        return Reply(f"GET {url}", 200, timedelta(0), {"content-type": "text/plain"}, "healthy")

    monkeypatch.setattr(Alb, "preview", preview)
    async with watch(platform) as monitor:
        run = await monitor.run(cold_start)

    assert failed(run) == {"CS-01", "CS-08"}
    reason = str(found(run)["CS-08"].reason)
    assert "200 with a page of the site" in reason
    assert "that is the load balancer's own default answer" in reason
    assert left_behind(platform, run.tag) == []


async def test_a_count_that_cannot_see_launched_tasks_says_so_and_fails_nothing(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, TASK_COUNT_SOURCE="service") as monitor:
        run = await monitor.run(cold_start)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    for case in ("CS-01", "CS-03"):
        check = found(run)[case]
        assert check.outcome is CheckOutcome.DEGRADED
        assert "TASK_COUNT_SOURCE=service does not see task " in str(check.reason)
        assert "set it to both or cluster" in str(check.reason)
