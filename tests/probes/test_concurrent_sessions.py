"""Concurrent sessions on a platform that refuses everybody."""

from probes.concurrent_sessions import concurrent_sessions
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, left_behind
from tests.support.sandbox import RunningSandbox


async def test_where_nobody_gets_a_session_one_case_says_so_and_the_run_ends(
    platform: RunningSandbox, watch: Watch
) -> None:
    platform.set_fault("activate-error")
    try:
        async with watch(platform) as monitor:
            run = await monitor.run(concurrent_sessions)
    finally:
        platform.clear_faults()

    assert run.outcome is Outcome.FAILED
    assert failed(run) == {"CC-01"}
    assert "sessions made of three asked for at once: wanted at least 1, got 0" in str(run.reason)
    assert left_behind(platform, run.tag) == []
