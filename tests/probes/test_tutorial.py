"""The probe of the tutorial: it passes, measures, leaves nothing, and fails in the right words."""

import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, StepOutcome
from tests.support.monitor import Watch, failed, left_behind
from tests.support.sandbox import RunningSandbox

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-probe.md"


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Probe]:
    """The page's code as one file, which is what a probe is."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    file = tmp_path / "chat_is_listed.py"
    file.write_text("\n\n".join(blocks))
    spec = spec_from_file_location("chat_is_listed", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["chat_is_listed"] = module
    spec.loader.exec_module(module)
    found: Probe = module.chat_is_listed
    yield found
    del sys.modules["chat_is_listed"]


async def test_it_passes_measures_and_leaves_nothing(
    written: Probe, platform: RunningSandbox, watch: Watch
) -> None:
    async with watch(platform) as monitor:
        run = await monitor.run(written)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert [timing.name for timing in run.timings] == ["listing"]
    assert left_behind(platform, run.tag) == []


async def test_it_fails_at_the_right_step_and_leaves_nothing_even_then(
    written: Probe, platform: RunningSandbox, watch: Watch
) -> None:
    platform.set_fault("activate-error")
    try:
        async with watch(platform) as monitor:
            run = await monitor.run(written)
    finally:
        platform.clear_faults()

    assert run.outcome is Outcome.FAILED
    assert [step.outcome for step in run.steps] == [StepOutcome.FAILED, StepOutcome.NOT_REACHED]
    assert "activate: wanted 2xx, got 500" in str(run.reason)
    assert failed(run) == set()
    assert left_behind(platform, run.tag) == []
