"""On a platform that keeps its promises every probe passes, in both dialects, and leaves nothing behind."""

import pytest

import probes
from benchmarks.suite import run_together
from synthetics.contract.probe import Probe
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run
from tests.probes.conftest import QUIET
from tests.support.monitor import FEW, Watch, found, left_behind
from tests.support.sandbox import RunningSandbox

#: Cases that a healthy platform, seen through this dialect, gives no occasion to check.
NO_OCCASION = {
    "path": {
        *("SR-04", "SR-05", "SR-06", "SR-10", "SA-03", "LR-01", "LR-02", "LR-03", "LR-04", "LR-05"),
        "E2E-02",
        *("TH-01", "TH-02", "TH-03", "TH-04", "TH-08"),
    },
    "lambda": {"E2E-02", "SR-10", "SA-03", "AR-05", "AR-06"},
}
#: Checked only while some other probe happens to have a container up.
PERHAPS = {"AR-11"}
#: Ways to wake that this dialect has not, and to come back or to scale that the sandbox has not by default.
NO_PATH = {"path": {"preview", "itself", "out", "in"}, "lambda": {"itself", "out", "in"}}


@pytest.mark.long
@pytest.mark.parametrize("dialect", ["path", "lambda"])
async def test_a_healthy_platform_passes_and_nothing_is_left(
    dialect: str, platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, ROUTING_DIALECT=dialect, **FEW) as monitor:
        runs = {run.key.probe: run for run in await run_together(monitor.run, QUIET)}

    for probe in QUIET:
        passes_and_leaves_nothing(runs[probe.name], probe, dialect, platform)


def passes_and_leaves_nothing(run: Run, probe: Probe, dialect: str, platform: RunningSandbox) -> None:
    """Every case that has an occasion here passed, undiminished; nothing is left, and the timings add up."""
    assert (probe.name, run.outcome, run.reason) == (probe.name, Outcome.PASSED, None)
    skipped = {case for case, check in found(run).items() if check.outcome is CheckOutcome.SKIPPED}
    assert skipped - PERHAPS == NO_OCCASION[dialect] & set(found(run))
    assert not [check for check in run.checks if check.outcome is CheckOutcome.DEGRADED]
    assert run.cleanup_errors == ()
    assert left_behind(platform, run.tag) == []
    timings_add_up(run, probe, but=NO_PATH[dialect])


def timings_add_up(run: Run, probe: Probe, *, but: set[str]) -> None:
    """Every declared timing is there, with phases that add up to it."""
    declared = {
        (timing.name, path) for timing in probe.spec.timings for path in timing.paths if path not in but
    }
    assert {(timing.name, timing.path) for timing in run.timings} == declared
    for timing in run.timings:
        if timing.phases:
            whole = sum(phase.took.total_seconds() for phase in timing.phases)
            assert whole == pytest.approx(timing.took.total_seconds(), abs=0.001)
        if timing.name == "cold_start":
            named = {phase.name for phase in timing.phases}
            assert {"request", "schedule", "network", "pull", "start", "health", "preview"} <= named


@pytest.mark.long
async def test_on_a_shared_platform_only_harmless_cases_are_checked(
    platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform, ENVIRONMENT="shared") as monitor:
        runs = await run_together(monitor.run, QUIET)

    effects = {case.id: case.effect.value for probe in probes.CATALOGUE for case in probe.spec.cases}
    for run in runs:
        assert (run.key.probe, run.outcome, run.reason) == (run.key.probe, Outcome.PASSED, None)
        for check in run.checks:
            if effects[check.case] != "none":
                assert check.outcome is CheckOutcome.SKIPPED
                assert "isolated" in str(check.reason)
        assert left_behind(platform, run.tag) == []
