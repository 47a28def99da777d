"""The same probes on deployments of another generation: what the settings say, not what one sandbox does."""

import pytest

from benchmarks.suite import run_together
from probes.cold_start import cold_start
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.probes.conftest import QUIET
from tests.support.monitor import Watch, found, left_behind
from tests.support.sandbox import RunningSandbox, StartSandbox

#: Long enough that a container is not asleep again before a busy machine has written to it.
QUICK = {"speed": 0.05, "idle_seconds": 2.0}
#: These differ by where workspaces lie, and by nothing else that a generation changes.
LAID_OUT = {"session-persistence", "concurrent-sessions"}


@pytest.mark.parametrize(
    "settings",
    [
        {"activate_mode": "sync", "session_key": "simple"},
        {"container_id_form": "client-thread-user", "workspace_layout": "client/projectId"},
        {"container_id_form": "session-id", "starting_page_status": 503, "routing_dialect": "lambda"},
    ],
    ids=lambda settings: "-".join(str(value).replace("/", "-") for value in settings.values()),
)
async def test_every_probe_passes_on_another_generation(
    settings: dict[str, object], start_sandbox: StartSandbox, watch: Watch
) -> None:
    platform = start_sandbox(**{**QUICK, **settings})
    sensitive = [probe for probe in QUIET if probe.name not in LAID_OUT or "workspace_layout" in settings]
    async with watch(platform) as monitor:
        runs = await run_together(monitor.run, sensitive)

    assert {(run.key.probe, run.outcome, run.reason) for run in runs} == {
        (probe.name, Outcome.PASSED, None) for probe in sensitive
    }
    assert [left for run in runs for left in left_behind(platform, run.tag)] == []


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
