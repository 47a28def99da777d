"""Load, on a platform that bears it, and what is our own part in it."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

import probes
from probes.factories import Conversation, Who
from probes.load import load
from probes.loads import Attempt, Load, paced
from probes.platform import Context, Webordinary
from probes.sustained_load import EVERY, on_our_clock, sustained_load
from synthetics.contract.context import CheckNote, ProbeContext
from synthetics.contract.probe import Probe
from synthetics.errors import ProbeBroken, Unavailable, Unexpected
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.probes.conftest import LOADING
from tests.probes.test_clean import timings_add_up
from tests.support.clock import FakeClock
from tests.support.engine import NoStalls
from tests.support.monitor import Watch, found, left_behind
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.long

LIGHT = {"LOAD_SHARE": "0.2", "LOAD_DURATION_S": "1.5", "RESPONSE_WAIT_S": "1"}


@pytest.mark.parametrize("probe", [load, sustained_load], ids=lambda probe: probe.name)
async def test_a_healthy_platform_passes_and_nothing_is_left(
    probe: Probe, talkative: RunningSandbox, watch: Watch
) -> None:
    async with watch(talkative, **LIGHT) as monitor:
        run = await monitor.run(probe)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert {check.outcome for check in run.checks} == {CheckOutcome.PASSED}
    assert run.cleanup_errors == ()
    assert left_behind(talkative, run.tag) == []
    timings_add_up(run, probe, but=set())
    told = found(run)["LD-01" if probe is load else "LD-04"].evidence["load"]
    assert isinstance(told, dict)
    assert set(told) == {
        "total_sessions",
        "successful_sessions",
        "failed_sessions",
        "average_response_time",
        "max_response_time",
        "min_response_time",
        "containers_created",
        "queue_sets_created",
        "interrupts_handled",
        "total_duration",
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"ENVIRONMENT": "shared"}, "isolated"), ({"SESSION_FACTORY": "email"}, "one at a time")],
    ids=["shared", "email"],
)
async def test_where_no_load_can_be_put_every_case_says_why(
    settings: dict[str, str], says: str, talkative: RunningSandbox, watch: Watch
) -> None:
    async with watch(talkative, **settings) as monitor:
        runs = [await monitor.run(probe) for probe in probes.CATALOGUE if probe.name in LOADING]

    for run in runs:
        assert (run.outcome, run.reason) == (Outcome.PASSED, None)
        assert {check.outcome for check in run.checks} == {CheckOutcome.SKIPPED}
        assert all(says in str(check.reason) for check in run.checks)


class SlowPlatform:
    """Opens chats on a clock of its own; each takes far longer than the pause before the next."""

    several_users = several_projects = True

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.asked_at: list[float] = []

    async def open(self, who: Who, instruction: str = "") -> Conversation:
        self.asked_at.append(self._clock.monotonic())
        until = self._clock.monotonic() + 20.0
        while self._clock.monotonic() < until:
            await asyncio.sleep(0)
            if len(self.asked_at) == MANY:
                self._clock.advance(timedelta(seconds=1))
        raise Unexpected(f"unexpected: a chat of {who.thread}: wanted one, got none")

    async def close(self, conversation: Conversation) -> None:
        raise AssertionError("nothing was opened")


MANY = 6


async def test_sessions_are_asked_for_on_a_fixed_clock_however_slow_the_answers() -> None:
    clock = FakeClock()
    platform = SlowPlatform(clock)

    with pytest.raises(Unavailable, match="sessions made of 6 asked for: wanted some, got none"):
        await paced(a_context(clock), platform, [Who(thread=f"{n}") for n in range(MANY)], every=EVERY)

    *before, last = (at - platform.asked_at[0] for at in platform.asked_at)
    assert before == [n * 0.5 for n in range(MANY - 1)]  # the clock stands still while the last one begins
    assert last < 20.0, "the last waited for the answer to the first"


def a_load(*began: float) -> Load:
    attempts = tuple(Attempt(Who(), at, refusal="no") for at in began)
    return Load(attempts, began[0], began[-1], 0)


def test_a_rate_that_we_did_not_keep_says_nothing_of_the_platform() -> None:
    check = CheckNote()
    on_our_clock(check, a_load(0.0, 0.5, 1.0))
    assert check.evidence["asked_a_second"] == 2.0

    with pytest.raises(ProbeBroken, match=r"two sessions a second were meant, and 1\.00 were asked for"):
        on_our_clock(check, a_load(0.0, 0.5, 2.0))


def a_context(clock: FakeClock) -> Context:
    """A context of the load probe whose platform has no queues yet."""
    platform = SimpleNamespace(client_id="syn-test", queues=SimpleNamespace(containers_with_queues=_no_queues))
    return ProbeContext(
        probe=sustained_load,
        platform=cast("Webordinary", platform),
        tag="test",
        clock=clock,
        stalls=NoStalls(),
        isolated=True,
    )


async def _no_queues(client_id: str) -> set[str]:
    return set()
