"""Queue sets and containers' lives: clean, broken, and as deployments of other kinds have them."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from probes.container_lifecycle import container_lifecycle
from probes.queue_attributes import wrong_redrive
from probes.queue_sets import queue_sets
from synthetics.contract.probe import Probe
from synthetics.errors import Unexpected
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run
from tests.probes.test_clean import timings_add_up
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.long


@dataclass(frozen=True, slots=True)
class Deployment:
    """A probe, the settings that a deployment gives it, and the cases that give no occasion there."""

    probe: Probe
    settings: dict[str, str]
    skipped: set[str]


DEPLOYMENTS = [
    Deployment(queue_sets, {"ROUTING_DIALECT": "lambda"}, {"QM-06"}),
    Deployment(queue_sets, {"ENVIRONMENT": "shared"}, {"QM-04", "QM-06"}),
    Deployment(
        queue_sets,
        {"SESSION_FACTORY": "direct"},
        {"QM-01", "QM-02", "QM-03", "QM-05", "QM-06", "QM-08"},
    ),
    Deployment(container_lifecycle, {"ROUTING_DIALECT": "lambda"}, set()),
    Deployment(container_lifecycle, {"ENVIRONMENT": "shared"}, {"CL-02", "CL-05", "CL-06"}),
]


async def test_what_a_deployment_gives_occasion_to_is_checked_and_passes(
    talkative: RunningSandbox, watch: Watch
) -> None:
    async def one(deployment: Deployment) -> Run:
        async with watch(talkative, **deployment.settings) as monitor:
            return await monitor.run(deployment.probe)

    runs = await asyncio.gather(*map(one, DEPLOYMENTS))

    for run, deployment in zip(runs, DEPLOYMENTS, strict=True):
        assert (run.key.probe, run.outcome, run.reason) == (deployment.probe.name, Outcome.PASSED, None)
        skipped = {case for case, check in found(run).items() if check.outcome is CheckOutcome.SKIPPED}
        assert skipped == deployment.skipped
        assert not [check for check in run.checks if check.outcome is CheckOutcome.DEGRADED]
        assert run.cleanup_errors == ()
        assert left_behind(talkative, run.tag) == []
        if "QM-04" not in skipped:
            timings_add_up(run, deployment.probe, but=set())


async def test_queues_that_outlive_their_container_are_told_with_the_likely_cause(
    talkative: RunningSandbox, watch: Watch
) -> None:
    talkative.set_fault("queues-outlive-container")
    try:
        async with watch(talkative, TARGET_QUEUE_CLEANUP_S="1", QUEUE_DELETION_LAG_S="1") as monitor:
            run = await monitor.run(queue_sets)
    finally:
        talkative.clear_faults()

    assert failed(run) == {"QM-04"}
    reason = str(found(run)["QM-04"].reason)
    assert "its tracking row" in reason
    assert "splits container ids at hyphens" in reason
    assert left_behind(talkative, run.tag) == []


def policy(target: str, receives: object) -> str:
    return json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-west-2:1:{target}", "maxReceiveCount": receives})


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (policy("dead", 3), 0),
        (policy("dead", "3"), 0),
        (policy("other", 3), 1),
        (policy("other", 5), 2),
        (None, 1),
    ],
)
def test_dead_letters_go_to_the_containers_own_queue(told: str | None, wrong: int) -> None:
    assert len(wrong_redrive(told, "dead")) == wrong


def test_a_redrive_policy_that_cannot_be_read_says_so() -> None:
    with pytest.raises(Unexpected, match="RedrivePolicy of the input queue: cannot be read"):
        wrong_redrive("{}", "dead")
