"""Whatever the probes do, and however broken the platform is, what belongs to others stays as it was."""

from collections.abc import Iterator

import pytest

import probes
from benchmarks.suite import run_together
from sandbox.settings import SandboxSettings
from synthetics.model.run import Run
from tests.support.customers import CUSTOMERS, Customer, belongings, messages, plant
from tests.support.monitor import FEW, Watch, left_behind
from tests.support.sandbox import RunningSandbox


@pytest.fixture
def inhabited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox with customers whose containers all sleep: others that are at work would be counted."""
    settings = SandboxSettings(
        directory=tmp_path_factory.mktemp("inhabited"), speed=0.05, idle_seconds=2.0, routing_dialect="both"
    )
    running = RunningSandbox(settings)
    for customer in CUSTOMERS:
        plant(running, customer)
    yield running
    assert running.stop() == 0


def of_all(sandbox: RunningSandbox) -> dict[Customer, dict[str, object]]:
    return {customer: belongings(sandbox, customer) for customer in CUSTOMERS}


def nobody_was_harmed(sandbox: RunningSandbox, before: dict[Customer, dict[str, object]]) -> None:
    after = of_all(sandbox)
    for customer in CUSTOMERS:
        assert after[customer] == before[customer]
        expected = [(f"{kind} of {customer.client}", "1") for kind in ("input", "output", "dlq")]
        assert messages(sandbox, customer) == expected, "a message is gone, or somebody has received it"


@pytest.mark.long
async def test_the_whole_catalogue_touches_nothing_of_others(inhabited: RunningSandbox, watch: Watch) -> None:
    before = of_all(inhabited)
    runs: list[Run] = []
    for dialect in ("path", "lambda"):
        async with watch(inhabited, ROUTING_DIALECT=dialect, **FEW) as monitor:
            runs += await run_together(monitor.run, probes.CATALOGUE)

    # How the runs ended is not asked here: the whole catalogue at once may be more than this machine can do.
    assert [left for run in runs for left in left_behind(inhabited, run.tag)] == []
    nobody_was_harmed(inhabited, before)
