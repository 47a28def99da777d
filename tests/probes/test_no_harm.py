"""Whatever the probes do, and however broken the platform is, what belongs to others stays as it was."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

import probes
from benchmarks.suite import run_together
from sandbox.settings import SandboxSettings
from synthetics.model.check import CheckOutcome, Effect
from synthetics.model.run import Run
from tests.sandbox.visitor import Visitor
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


@asynccontextmanager
async def at_work(sandbox: RunningSandbox) -> AsyncIterator[str]:
    """A customer whose container is kept awake by somebody who looks at the site: the task's ARN."""
    with Visitor(sandbox) as neighbour:
        told = await asyncio.to_thread(neighbour.active)
        (started,) = sandbox.truth("task.started", client=neighbour.client)

        async def look() -> None:
            while True:
                await asyncio.to_thread(neighbour.http.get, f"/session/{told['sessionId']}/")
                await asyncio.sleep(0.3)

        looking = asyncio.create_task(look())
        try:
            yield str(started.fields["task"])
        finally:
            looking.cancel()
            await asyncio.wait({looking})


@pytest.mark.long
async def test_on_a_shared_platform_somebody_at_work_is_not_disturbed(
    inhabited: RunningSandbox, watch: Watch
) -> None:
    before = of_all(inhabited)
    runs: list[Run] = []
    async with at_work(inhabited) as task:
        for dialect in ("path", "lambda"):
            async with watch(inhabited, ENVIRONMENT="shared", ROUTING_DIALECT=dialect, **FEW) as monitor:
                runs += await run_together(monitor.run, probes.CATALOGUE)
        described = inhabited.task(task)

    assert (described["lastStatus"], described["desiredStatus"]) == ("RUNNING", "RUNNING")
    destructive = {
        case.id for probe in probes.CATALOGUE for case in probe.spec.cases if case.effect is not Effect.NONE
    }
    told = [check for run in runs for check in run.checks if check.case in destructive]
    assert told
    assert {check.outcome for check in told} == {CheckOutcome.SKIPPED}
    assert [left for run in runs for left in left_behind(inhabited, run.tag)] == []
    nobody_was_harmed(inhabited, before)
