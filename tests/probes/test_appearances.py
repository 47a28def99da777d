"""What looks like an answer and is none, and what a setting cannot see."""

from datetime import timedelta

import pytest

from probes.cold_start import cold_start
from probes.platform.alb import Alb
from probes.platform.replies import Reply
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox


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
