"""No false alarm: cycle after cycle where nothing is wrong, scenarios side by side as in the service."""

from collections.abc import Iterator

import pytest

import probes
from benchmarks.machine import a_sandbox
from benchmarks.soak import DIALECTS, soak
from synthetics.model.run import Outcome
from tests.support.monitor import CREDENTIALS
from tests.support.sandbox import SPEED, RunningSandbox


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningSandbox]:
    """A sandbox that nobody else uses: at the end everything that is left on it counts."""
    with a_sandbox(speed=SPEED, idle_seconds=2.0, command_speed=0.3) as running:
        yield running


@pytest.fixture(autouse=True)
def _credentials(platform: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.setenv(name, platform.environment[name])


@pytest.mark.long
async def test_a_healthy_platform_is_never_accused_and_nothing_is_left_on_it(platform: RunningSandbox) -> None:
    """Starts and wakes; that every other probe passes too is seen by tests/probes/test_clean.py."""
    shown = [probe for probe in probes.CATALOGUE if probe.name in probes.SHOWN]
    soaked = await soak(platform, cycles=2, catalogue=shown, dialects=DIALECTS)

    assert soaked.troubles == []
    assert soaked.leftovers == []
    assert soaked.outcomes == {(probe.name, Outcome.PASSED): 2 for probe in shown}


async def test_a_run_that_does_not_pass_is_told_with_its_reason(platform: RunningSandbox) -> None:
    resumption = [probe for probe in probes.CATALOGUE if probe.name == "session-resumption"]
    platform.set_fault("wake-fails")
    try:
        soaked = await soak(platform, cycles=1, catalogue=resumption, dialects=("path",))
    finally:
        platform.clear_faults()

    assert not soaked.clean
    assert soaked.outcomes == {("session-resumption", Outcome.FAILED): 1}
    assert "waking a stopped container: wanted 201, got 500" in soaked.troubles[0]
    assert soaked.leftovers == []
