"""Crowds and crashes where the platform may choose what it does, and where it breaks its promise."""

from datetime import UTC, datetime, timedelta

import pytest

from probes import crashes, crowds
from probes.cases import cases
from probes.crashes import differences
from probes.crowds import Asked
from probes.platform import Context
from probes.platform.values import SessionRow
from probes.timings import restart
from sandbox.hermes.tasks import EXITED, STOPPED_BY_HERMES, EcsTask
from synthetics.contract.probe import ProbeSpec, Severity, Step, probe
from synthetics.errors import Unexpected
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox, StartSandbox

pytestmark = pytest.mark.long

STEP = Step("a_part_of_it", budget=timedelta(minutes=1))


def _part(name: str, *ids: str) -> ProbeSpec:
    return ProbeSpec(
        name=name,
        owner="platform",
        severity=Severity.INFO,
        every=timedelta(minutes=5),
        timeout=timedelta(minutes=2),
        steps=(STEP,),
        cases=cases(*ids),
        timings=(restart("itself", "wake"),),
    )


@probe(_part("crowd-alone", "FR-02"))
async def crowd_alone(ctx: Context) -> None:
    """Many ask at once."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(STEP):
        await crowds.many_at_once(ctx)


@probe(_part("crash-alone", "FR-01", "FR-02", "FR-04", "CH-03"))
async def crash_alone(ctx: Context) -> None:
    """A container crashes and comes back."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(STEP):
        crowd = await crowds.many_at_once(ctx)
        crash = await crashes.crashes(ctx, crowd[0])
        assert crash is not None
        await crashes.comes_back(ctx, crash)


async def test_a_platform_may_restart_what_crashed_by_itself(start_sandbox: StartSandbox, watch: Watch) -> None:
    running = start_sandbox(restarts_crashed=True)
    async with watch(running, STRESS_COUNT="2", RESTART_WAIT_S="3") as monitor:
        run = await monitor.run(crash_alone)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert [(timing.name, timing.path) for timing in run.timings] == [("restart", "itself")]
    phases = {phase.name for phase in run.timings[0].phases}
    assert {"schedule", "pull", "health"} <= phases
    assert not {"end", "wait"} & phases
    skipped = found(run)["CH-03"]
    assert (skipped.outcome, skipped.reason) == (
        CheckOutcome.SKIPPED,
        "the platform restarted the container by itself, so nobody asked twice",
    )
    assert left_behind(running, run.tag) == []


async def test_some_of_a_crowd_may_be_refused_in_clean_words(platform: RunningSandbox, watch: Watch) -> None:
    platform.set_fault("activate-error", times=2)
    try:
        async with watch(platform, STRESS_COUNT="4") as monitor:
            run = await monitor.run(crowd_alone)
    finally:
        platform.clear_faults()

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    check = found(run)["FR-02"]
    assert check.outcome is CheckOutcome.PASSED
    assert check.evidence["made"] == 2
    assert left_behind(platform, run.tag) == []


async def test_a_stack_trace_is_no_clean_refusal(platform: RunningSandbox, watch: Watch) -> None:
    platform.set_fault("throttled-answers-unclean")
    try:
        async with watch(platform, STRESS_COUNT="8") as monitor:
            run = await monitor.run(crowd_alone)
    finally:
        platform.clear_faults()

    assert failed(run) == {"FR-02"}
    assert "wanted errors with a status and a message, got" in str(run.reason)
    assert left_behind(platform, run.tag) == []


@pytest.mark.parametrize(
    ("evidence", "clean", "by_the_balancer"),
    [
        ({"status": 500, "body": '{"statusCode":500,"message":"Failed to activate session: …"}'}, True, False),
        ({"status": 429, "body": '{"message":"Rate exceeded"}'}, True, False),
        ({"status": 503, "body": "<html><h1>503 Service Temporarily Unavailable</h1></html>"}, False, True),
        ({"status": 500, "body": "Error: Throttling\n  at handler.js:3"}, False, False),
        ({"status": 200, "body": "{}"}, False, False),
        ({"failure": "connection reset"}, False, False),
    ],
)
def test_which_refusals_are_clean(evidence: dict[str, object], clean: bool, by_the_balancer: bool) -> None:
    asked = Asked("somebody", refusal=Unexpected("refused", **evidence))

    assert (asked.clean, asked.by_the_balancer) == (clean, by_the_balancer)


def test_a_row_may_change_in_what_is_its_tasks_and_gain_what_it_lacked() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    before = SessionRow("s", "active", {"sessionId": "s"}, client_id="c", task_arn="one", created_at=made)
    after = SessionRow(
        "s", "expired", {"sessionId": "s"}, client_id="c", task_arn="two", created_at=made, container_id="x"
    )

    assert differences("session", before, after) == []


def test_a_row_may_not_say_something_else_of_whose_it_is() -> None:
    before = SessionRow("s", "active", {"sessionId": "s"}, client_id="c", metadata={"note": "kept"})
    after = SessionRow("s", "active", {"sessionId": "s"}, client_id="other")

    assert differences("session", before, after) == [
        "session client_id: c → other",
        "session metadata: {'note': 'kept'} → {}",
    ]
    assert differences("session", before, None) == ["session row: gone"]


@pytest.mark.parametrize(
    ("status", "reason", "code", "crashed"),
    [
        ("RUNNING", "", None, False),
        ("STOPPED", STOPPED_BY_HERMES, 0, False),
        ("STOPPED", EXITED, 0, False),
        ("STOPPED", EXITED, 137, True),
        ("STOPPED", "Synthetic monitoring: the container crashes", 0, True),
    ],
)
def test_what_the_sandbox_takes_for_a_crash(status: str, reason: str, code: int | None, crashed: bool) -> None:
    assert EcsTask("arn:aws:ecs:x", status, "", reason, code).crashed is crashed
