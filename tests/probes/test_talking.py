"""Sharing, interrupts and messages: clean, broken, and where a deployment shares nothing."""

from dataclasses import dataclass, field

import pytest

from benchmarks.suite import run_together
from probes.container_sharing import container_sharing
from probes.interrupts import interrupts
from probes.messages import messages
from sandbox.faults import fault_spec
from synthetics.contract.probe import Probe
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.probes.test_clean import timings_add_up
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox

TALKERS = [container_sharing, interrupts, messages]
#: A broken platform is waited for as long as promised, and here that is short.
HASTY = {"TARGET_RESPONSE_S": "3", "COMMAND_COUNT": "2", "RESPONSE_WAIT_S": "1"}


@pytest.mark.parametrize(
    "settings",
    [{"ROUTING_DIALECT": "lambda"}, pytest.param({"ENVIRONMENT": "shared"}, marks=pytest.mark.long)],
    ids=["lambda", "shared"],
)
async def test_a_healthy_platform_passes_and_nothing_is_left(
    settings: dict[str, str], talkative: RunningSandbox, watch: Watch
) -> None:
    async with watch(talkative, **settings) as monitor:
        runs = await run_together(monitor.run, TALKERS)

    for probe, run in zip(TALKERS, runs, strict=True):
        assert (probe.name, run.outcome, run.reason) == (probe.name, Outcome.PASSED, None)
        assert {check.outcome for check in run.checks} == {CheckOutcome.PASSED}
        assert run.cleanup_errors == ()
        assert left_behind(talkative, run.tag) == []
        timings_add_up(run, probe, but=set())


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault, the probe that meets it, the one case that fails and what it says."""

    fault: str
    probe: Probe
    case: str
    says: str
    parameters: dict[str, object] = field(default_factory=dict)


BROKEN = [
    Broken("container-not-shared", container_sharing, "SH-01", "container of a user's second chat"),
    Broken("interrupt-ignored", interrupts, "INT-01", "not interrupted but ordered"),
    Broken("container-dies-on-interrupt", interrupts, "INT-04", "the container's task after the interrupt"),
    Broken("response-twice", messages, "MP-05", "further responses to a command that was answered"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.fault)
async def test_a_fault_is_caught_by_its_case(broken: Broken, talkative: RunningSandbox, watch: Watch) -> None:
    talkative.set_fault(broken.fault, **broken.parameters)
    try:
        async with watch(talkative, **HASTY) as monitor:
            run = await monitor.run(broken.probe)
    finally:
        talkative.clear_faults()

    assert run.outcome is Outcome.FAILED
    assert broken.case in fault_spec(broken.fault).breaks
    assert broken.says in str(found(run)[broken.case].reason)
    others = failed(run) - {broken.case}
    assert all(fault_spec(broken.fault).explains(case) for case in others), run.reason
    assert left_behind(talkative, run.tag) == []


@pytest.mark.long
async def test_a_command_that_ends_before_it_is_interrupted_says_nothing_of_interrupts(
    talkative: RunningSandbox, watch: Watch
) -> None:
    async with watch(talkative, INTERRUPT_AFTER_S="15") as monitor:
        run = await monitor.run(interrupts)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    reasons = {(check.outcome, check.reason) for check in run.checks}
    assert reasons == {(CheckOutcome.SKIPPED, "the long command ended before it could be interrupted")}


@pytest.mark.long
async def test_chats_with_containers_of_their_own_are_not_asked_to_share(
    talkative: RunningSandbox, watch: Watch
) -> None:
    talkative.set_fault("container-not-shared")  # what such a deployment does by design
    try:
        async with watch(talkative, CONTAINER_ID_FORM="client-thread-user", **HASTY) as monitor:
            runs = await run_together(monitor.run, TALKERS)
    finally:
        talkative.clear_faults()

    assert [(run.outcome, run.reason) for run in runs] == [(Outcome.PASSED, None)] * len(TALKERS)
    skipped = {check.case for run in runs for check in run.checks if check.outcome is CheckOutcome.SKIPPED}
    assert skipped == {"SH-01", "SH-04", "INT-01", "INT-02", "INT-03", "INT-04", "MP-02", "MP-03", "MP-04"}
