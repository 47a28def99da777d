"""The probes against a sandbox, run as the service runs them but for the database."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import probes
from synthetics.clock import SystemClock
from synthetics.contract.probe import Probe
from synthetics.contract.progress import Unwatched
from synthetics.costs.prices import Prices
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.cost import Region
from synthetics.model.run import Outcome, Run, RunKey, Trigger
from synthetics.running.control import Control
from synthetics.running.runner import Interrupt, Runner, new_tag
from synthetics.running.stalls import LoopWatch
from tests.support.engine import DictLedger, Uncounted, nobody_asks
from tests.support.sandbox import RunningSandbox

#: How a run begins its reason when our event loop stood still for too long: the machine had no time for us.
OWN_TROUBLE = "our event loop stood still"
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
#: As few as a crowd may be, for time's sake.
FEW = {
    "STRESS_COUNT": "5",
    "RAPID_COUNT": "4",
    "RAPID_SPAN_S": "1",
    "BENCHMARK_STARTS": "2",
    "BENCHMARK_CREATIONS": "3",
}


class Monitor:
    """Runs probes against one sandbox."""

    def __init__(self, runner: Runner, meter: Uncounted, *, again: int) -> None:
        self._runner = runner
        self._again = again
        self.meter = meter

    async def run(self, probe: Probe) -> Run:
        """One run, with its clean-up; made again where it says itself that our own trouble tells nothing."""
        for left in reversed(range(self._again + 1)):
            key = RunKey(probe.name, "tests", SystemClock().now(), Trigger.MANUAL)
            run = await self._runner.run(probe, key, tag=new_tag(), interrupt=Interrupt())
            if run.outcome is not Outcome.BROKEN or OWN_TROUBLE not in str(run.reason) or not left:
                break
        return run


@asynccontextmanager
async def monitoring(environment: dict[str, str], *, again: int = 0) -> AsyncIterator[Monitor]:
    """A monitor with these settings, names as in the contract.

    `again` is how often a run is made again that our own event loop's standing still has spoilt.
    """
    platform = probes.platform_of(probes.load_settings({}, environment))
    meter = Uncounted()
    async with LoopWatch() as stalls:
        runner = Runner(
            platform=platform,
            control=Control(platform=platform, stalls=stalls, database_answers=nobody_asks),
            ledger_of=lambda run_id, probe, tag: DictLedger(),
            requests=meter,
            prices=Prices.of(Region.US_WEST_2),
            stalls=stalls,
            clock=SystemClock(),
            progress=Unwatched(),
            worker="tests",
        )
        try:
            yield Monitor(runner, meter, again=again)
        finally:
            await platform.close()


Watch = Callable[..., AbstractAsyncContextManager[Monitor]]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Watches a sandbox; settings may be given by their name in the environment."""

    def watching(sandbox: RunningSandbox, **changes: str) -> AbstractAsyncContextManager[Monitor]:
        for name in CREDENTIALS:
            monkeypatch.setenv(name, sandbox.environment[name])
        return monitoring({**sandbox.environment, **changes}, again=2)

    yield watching
    assert not any(name.startswith("AWS_PROFILE") for name in os.environ)


def found(run: Run) -> dict[str, Check]:
    """What the run found out, by case."""
    return {check.case: check for check in run.checks}


def failed(run: Run) -> set[str]:
    """The cases that failed."""
    return {check.case for check in run.checks if check.outcome is CheckOutcome.FAILED}


def left_behind(sandbox: RunningSandbox, tag: str) -> list[str]:
    """Everything on the sandbox that carries this run's tag: rows, queues, tasks that run, workspaces."""
    names = sandbox.settings
    tables = (
        names.session_table,
        names.thread_mapping_table,
        names.container_table,
        names.queue_tracking_table,
    )
    rows = [(table, item) for table in tables for item in sandbox.dynamodb.scan(TableName=table)["Items"]]
    left = [f"row of {table}: {item}" for table, item in rows if tag in json.dumps(item)]
    left += [url for url in sandbox.sqs.list_queues().get("QueueUrls", []) if tag in url]
    arns = sandbox.ecs.list_tasks(cluster=names.cluster_name)["taskArns"]
    left += [arn for arn in arns if tag in json.dumps(sandbox.task(arn), default=str)]
    left += [str(path) for path in names.workspace_root.glob("*") if tag in path.name]
    return left
