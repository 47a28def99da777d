"""Every fault is caught by the case that names the broken promise, in words a person understands."""

from dataclasses import dataclass, field

import pytest

import probes
from benchmarks.suite import run_together
from probes.auto_sleep import auto_sleep
from probes.cold_start import cold_start
from probes.session_resumption import session_resumption
from sandbox.faults import starting
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, failed, found, left_behind
from tests.support.sandbox import RunningSandbox


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault, the probe that meets it, the cases that fail and what one of them says."""

    fault: str
    probe: Probe
    cases: set[str]
    says: str
    parameters: dict[str, object] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.fault, self.probe.name, *self.parameters])


THROUGH_ROUTER = {"ROUTING_DIALECT": "lambda"}
#: The containers of these tests sleep after two seconds: a patience of half a second is to them what fifteen
#: seconds are to containers that sleep after a minute.
IMPATIENT = {"ACTIVATE_TIMEOUT_S": "0.5", "TARGET_WARM_START_S": "0.3"}

BROKEN = [
    Broken("slow-image-pull", cold_start, {"CS-01", "CS-06"}, "time until ready: wanted under 4 s"),
    Broken("slow-boot", cold_start, {"CS-01", "CS-06"}, "time until ready: wanted under 4 s"),
    Broken("task-never-starts", cold_start, {"CS-01", "CS-06"}, "ready: wanted within 8 s"),
    Broken("capacity-refused", session_resumption, {"SR-01"}, "500: Failed to resume session: Capacity"),
    Broken("hermes-down", cold_start, {"CS-01"}, "activate: wanted 2xx, got 503"),
    Broken("activate-error", cold_start, {"CS-01"}, "activate: wanted 2xx, got 500: Failed to activate"),
    Broken("anothers-session-answered", cold_start, {"CS-01"}, "which is not this run's; it was left alone"),
    Broken("invalid-activate-accepted", cold_start, {"CS-04"}, "empty clientId: wanted at least 400, got 201"),
    Broken("activate-hangs", cold_start, {"CS-07"}, "create a warm session", settings=IMPATIENT),
    Broken(
        "creation-slow",
        cold_start,
        {"CS-07"},
        "create a warm session",
        {"amount": 20.0},
        IMPATIENT | {"ACTIVATE_TIMEOUT_S": "30"},
    ),
    Broken("preview-broken", cold_start, {"CS-01", "CS-08"}, "last saw 500"),
    Broken("wake-fails", session_resumption, {"SR-01"}, "wanted 201, got 500", parameters={"times": 1}),
    Broken("wake-starts-two-tasks", session_resumption, {"SR-08"}, "tasks started by three wakes at once"),
    Broken("stuck-starting", session_resumption, {"SR-01"}, "its task runs, but its", settings=THROUGH_ROUTER),
    Broken("never-sleeps", auto_sleep, {"AS-05"}, "stopped after the idle limit"),
    Broken("work-lost-on-sleep", auto_sleep, {"AS-06"}, "unsaved.txt, left uncommitted before the sleep"),
]


#: Caught like others that take less time: by the same case, or after the same sleep.
LONG = ("slow-boot", "creation-slow", "never-sleeps", "invalid-activate-accepted", "stuck-starting")


@pytest.mark.parametrize(
    "broken",
    [pytest.param(one, marks=[pytest.mark.long] if one.fault in LONG else []) for one in BROKEN],
    ids=str,
)
async def test_a_fault_is_caught_by_its_case(broken: Broken, platform: RunningSandbox, watch: Watch) -> None:
    platform.set_fault(broken.fault, **broken.parameters)
    try:
        async with watch(platform, **broken.settings) as monitor:
            run = await monitor.run(broken.probe)
    finally:
        platform.clear_faults()

    assert run.outcome is Outcome.FAILED, run.reason
    assert failed(run) == broken.cases
    reasons = " ".join(str(found(run)[case].reason) for case in broken.cases)
    assert broken.says in reasons
    assert left_behind(platform, run.tag) == []


#: The probes that meet these faults.
MEETING = list({broken.probe.name: broken.probe for broken in BROKEN}.values())


@pytest.mark.long
async def test_once_everything_is_mended_every_probe_passes(platform: RunningSandbox, watch: Watch) -> None:
    for broken in BROKEN:
        platform.set_fault(broken.fault, **broken.parameters)
    try:
        async with watch(platform) as monitor:
            runs = await run_together(monitor.run, MEETING)
    finally:
        platform.clear_faults()
    async with watch(platform) as monitor:
        mended = await run_together(monitor.run, MEETING)

    assert {run.outcome for run in runs} == {Outcome.FAILED}
    assert {(run.key.probe, run.outcome, run.reason) for run in mended} == {
        (probe.name, Outcome.PASSED, None) for probe in MEETING
    }
    assert [left for run in (*runs, *mended) for left in left_behind(platform, run.tag)] == []


def test_no_fault_is_left_out() -> None:
    assert {broken.fault for broken in BROKEN} == {spec.name for spec in starting.FAULTS}


def test_a_fault_names_cases_that_exist_and_at_least_one_is_caught() -> None:
    known = {case.id for probe in probes.CATALOGUE for case in probe.spec.cases}
    for name, spec in ((spec.name, spec) for spec in starting.FAULTS):
        caught = {case for broken in BROKEN if broken.fault == name for case in broken.cases}
        assert caught & set(spec.breaks) & known, f"{name} is said to break {spec.breaks}, caught by {caught}"
