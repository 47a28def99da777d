"""What tables and ECS tell late, or never: probes look again, and say so where there was nothing to compare."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from probes import sleepers
from probes.auto_sleep import auto_sleep, notes_its_activity
from probes.chats import Chat
from probes.cold_start import cold_start, nonsense_is_refused, nothing_came_of_it
from probes.platform import Context
from probes.platform.replies import Reply
from probes.platform.values import ContainerRow, SessionRow
from probes.sleepers import Sleeper
from synthetics.contract.context import ProbeContext
from synthetics.contract.probe import Probe
from synthetics.model.check import Check, CheckOutcome
from tests.support.clock import FakeClock
from tests.support.engine import NoStalls

if TYPE_CHECKING:
    from probes.platform import Webordinary

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = SimpleNamespace(
    index_lag=timedelta(seconds=10),
    activity_write=timedelta(minutes=1),
    target_warm_start=timedelta(seconds=5),
    container_ready_timeout=timedelta(minutes=1),
)
REFUSED = Reply("POST activate", 400, timedelta(0))


@dataclass
class Platform:
    """A platform that writes activity every so many seconds, and tells of a task when its time has come."""

    clock: FakeClock
    writes_every: float = 0.0
    started: dict[str, float] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    refusal: Reply = REFUSED

    def __post_init__(self) -> None:
        self.born = self.clock.monotonic()

    @property
    def age(self) -> float:
        return self.clock.monotonic() - self.born

    async def preview(self, url: str) -> Reply:
        return Reply(f"GET {url}", 200, timedelta(0))

    async def session(self, session_id: str) -> SessionRow:
        return SessionRow(session_id, "active", {}, preview_url="https://preview")

    async def container(self, container_id: str) -> ContainerRow | None:
        if container_id not in self.rows:
            return None
        past = self.age - self.age % self.writes_every if self.writes_every else 0.0
        written = NOON + timedelta(seconds=past)
        return ContainerRow(container_id, self.rows[container_id], last_activity=written)

    async def own(self, user_id: str | None = None) -> Sequence[object]:
        return [SimpleNamespace(arn=arn) for arn, told in self.started.items() if told <= self.age]

    async def sessions_of_user(self, user_id: str) -> list[str]:
        return []

    def user(self, name: str) -> str:
        return f"TEST_{name}"

    async def activate_raw(self, body: object) -> Reply:
        return self.refusal

    def context(self, probe: Probe) -> Context:
        parts = SimpleNamespace(settings=SETTINGS, alb=self, hermes=self, tables=self, tasks=self)
        return ProbeContext(
            probe=probe,
            platform=cast("Webordinary", parts),
            tag="test",
            clock=self.clock,
            stalls=NoStalls(),
            isolated=True,
        )


def found(ctx: Context, case: str) -> Check:
    return {check.case: check for check in ctx.checks(ended="", timed_out=False)}[case]


@pytest.mark.parametrize(
    ("every", "outcome", "says"),
    [
        (60.0, CheckOutcome.PASSED, "None"),
        (20.0, CheckOutcome.FAILED, "seconds between two writes of activity: wanted at least 54, got 20"),
        (120.0, CheckOutcome.SKIPPED, "too few writes of activity to compare: 1 since the chat was opened"),
        (0.0, CheckOutcome.SKIPPED, "too few writes of activity to compare: 0 since the chat was opened"),
    ],
)
async def test_activity_is_judged_by_two_writes_and_not_by_fewer(
    every: float, outcome: CheckOutcome, says: str
) -> None:
    ctx = Platform(FakeClock(), writes_every=every, rows={"c-1": "running"}).context(auto_sleep)
    chat = cast(Chat, SimpleNamespace(session_id="s-1"))

    await notes_its_activity(ctx, chat, "c-1", [])

    check = found(ctx, "AS-03")
    assert check.outcome is outcome
    assert says in str(check.reason)


async def test_a_task_that_ecs_tells_of_late_is_seen_all_the_same() -> None:
    platform = Platform(FakeClock(), started={"first": 2.0, "second": 18.0})
    ctx = platform.context(auto_sleep)

    then = await sleepers.before(ctx, since=ctx.instant())

    assert then.tasks == {"first"}
    assert await sleepers.started(ctx, then) == ["second"]
    assert platform.age == 20.0
    assert await sleepers.started(ctx, then) == ["second"]
    assert platform.age == 20.0, "once the lag is over nobody waits"


@pytest.mark.parametrize(
    ("rows", "by_session"),
    [
        ({"c-1": "stopped", "s-1": "running"}, True),
        ({"s-1": "running"}, True),
        ({"c-1": "running", "s-1": "running"}, False),
        ({"c-1": "idle"}, False),
        ({"c-1": "stopped", "s-1": "starting"}, False),
    ],
)
async def test_a_woken_row_under_the_sessions_id_is_told_from_the_containers_own(
    rows: dict[str, str], by_session: bool
) -> None:
    ctx = Platform(FakeClock(), rows=rows).context(auto_sleep)
    sleeper = cast(Sleeper, SimpleNamespace(container_id="c-1", session_id="s-1"))

    row = await sleepers.keyed_by_session(ctx, sleeper)

    assert (row.container_id if row else None) == ("s-1" if by_session else None)


async def test_what_was_made_for_nobody_is_seen_when_ecs_tells_of_it() -> None:
    ctx = Platform(FakeClock(), started={"nobodys": 9.0}).context(cold_start)

    nonsense = await nonsense_is_refused(ctx)
    assert found(ctx, "CS-04").outcome is CheckOutcome.PASSED
    assert nonsense is not None
    await nothing_came_of_it(ctx, nonsense)

    check = found(ctx, "CS-04")
    assert check.outcome is CheckOutcome.FAILED
    assert "tasks started for nobody: wanted nothing" in str(check.reason)


async def test_a_load_balancer_that_waited_in_vain_has_refused_nothing() -> None:
    late = Reply("POST activate", 504, timedelta(0), text="<h1>504 Gateway Time-out</h1>", of="Hermes")
    ctx = Platform(FakeClock(), refusal=late).context(cold_start)

    assert await nonsense_is_refused(ctx) is not None

    check = found(ctx, "CS-04")
    assert check.outcome is CheckOutcome.DEGRADED
    assert check.reason == (
        "refusal of an empty clientId: wanted Hermes' own, accepted 504: page '504 Gateway Time-out'"
    )
