"""The same probes on deployments of another generation: what the settings say, not what one sandbox does."""

import pytest

import probes
from benchmarks.suite import run_together
from probes.cold_start import cold_start
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, found, left_behind
from tests.support.sandbox import RunningSandbox, StartSandbox

#: Long enough that a container is not asleep again before a busy machine has written to it.
QUICK = {"speed": 0.05, "idle_seconds": 2.0}
#: What a generation changes, these meet: how sessions are asked for, found, reached, woken and put to sleep.
EVERYWHERE = {"cold-start", "session-resumption", "session-routing", "auto-sleep"}


@pytest.mark.parametrize(
    ("settings", "besides"),
    [
        pytest.param(
            {"activate_mode": "sync", "session_key": "simple"},
            {"resumption-logic"},
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"container_id_form": "client-thread-user", "workspace_layout": "client/projectId"},
            {"session-persistence", "concurrent-sessions"},
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"container_id_form": "session-id", "starting_page_status": 503, "routing_dialect": "lambda"},
            {"alb-routing", "wake-router"},
            marks=pytest.mark.long,
        ),
    ],
    ids=["sync-simple", "client-thread-user-client-projectId", "session-id-503-lambda"],
)
async def test_probes_pass_on_another_generation(
    settings: dict[str, object], besides: set[str], start_sandbox: StartSandbox, watch: Watch
) -> None:
    platform = start_sandbox(**{**QUICK, **settings})
    sensitive = [probe for probe in probes.CATALOGUE if probe.name in EVERYWHERE | besides]
    async with watch(platform) as monitor:
        runs = await run_together(monitor.run, sensitive)

    assert {(run.key.probe, run.outcome, run.reason) for run in runs} == {
        (name, Outcome.PASSED, None) for name in EVERYWHERE | besides
    }
    assert [left for run in runs for left in left_behind(platform, run.tag)] == []


@pytest.mark.long
async def test_workspaces_can_be_seen_through_the_containers_api(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, FILE_CHECK="http-api") as monitor:
        run = await monitor.run(cold_start)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert found(run)["CS-01"].outcome is CheckOutcome.PASSED


async def test_a_workspace_that_cannot_be_seen_is_said_so_and_fails_nothing(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, FILE_CHECK="ecs-exec") as monitor:
        run = await monitor.run(cold_start)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    check = found(run)["CS-01"]
    assert check.outcome is CheckOutcome.DEGRADED
    assert "nobody looked for src/pages/test-page.astro: FILE_CHECK: ecs-exec" in str(check.reason)
