"""An AWS that throttles one request in five: no false alarm comes of it, and nothing is left behind."""

from collections.abc import Sequence

import pytest

import probes
from benchmarks.suite import run_together
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, Run
from tests.probes.conftest import LOADING
from tests.support.monitor import FEW, Watch, left_behind
from tests.support.sandbox import RunningSandbox
from tests.support.throttling import Throttling, throttling

SHARE = 0.2
QUICK = ("infrastructure", "queue-sets")


async def throttled(
    sandbox: RunningSandbox, watch: Watch, catalogue: Sequence[Probe]
) -> tuple[list[Run], Throttling]:
    """What the probes find while AWS throttles them; the platform itself is not throttled."""
    async with throttling(sandbox.environment["AWS_ENDPOINT_URL"], share=SHARE) as aws:
        changed = {"AWS_ENDPOINT_URL": aws.url, **FEW}
        async with watch(sandbox, **changed) as monitor:
            runs = await run_together(monitor.run, catalogue)
    return runs, aws


def assert_no_harm(sandbox: RunningSandbox, runs: Sequence[Run], aws: Throttling) -> None:
    assert aws.refused.total() > 0.1 * aws.asked.total()
    assert [(run.key.probe, run.reason) for run in runs if run.outcome is Outcome.FAILED] == []
    assert [left for run in runs for left in left_behind(sandbox, run.tag)] == []
    assert [error for run in runs for error in run.cleanup_errors] == []


async def test_throttled_calls_are_no_false_alarm(talkative: RunningSandbox, watch: Watch) -> None:
    catalogue = [probe for probe in probes.CATALOGUE if probe.name in QUICK]
    runs, aws = await throttled(talkative, watch, catalogue)
    assert_no_harm(talkative, runs, aws)
    assert {run.outcome for run in runs} == {Outcome.PASSED}


@pytest.mark.long
async def test_the_whole_catalogue_bears_throttling(talkative: RunningSandbox, watch: Watch) -> None:
    catalogue = [probe for probe in probes.CATALOGUE if probe.name not in LOADING]
    runs, aws = await throttled(talkative, watch, catalogue)
    assert_no_harm(talkative, runs, aws)
