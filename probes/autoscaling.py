"""Autoscaling (contract §5.4, §12.9): the edit service's tasks follow the number of active sessions.

Only the service's own tasks are judged: those that Hermes launches with RunTask are bounded by nobody, and
serve the sessions of this run whatever the service does.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from probes import chats
from probes.cases import cases
from probes.chats import Chat
from probes.platform import Context
from probes.platform.dialects import Autoscaling
from probes.platform.values import ServiceView
from probes.timings import SCALING
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR, Sighting
from synthetics.errors import TimedOut
from synthetics.model.timing import Phase

QUIET = Step("nobody_is_at_work", budget=timedelta(minutes=5))
ONE = Step("one_is_at_work", budget=timedelta(minutes=7))
THREE = Step("three_are_at_work", budget=timedelta(minutes=7))
NONE = Step("everybody_leaves", budget=timedelta(minutes=5))

SPEC = ProbeSpec(
    name="autoscaling",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(days=1),
    timeout=timedelta(minutes=30),
    steps=(QUIET, ONE, THREE, NONE),
    cases=cases("E2E-02"),
    timings=(SCALING,),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.DEAR,
)

CASE = "E2E-02"


@dataclass(slots=True)
class Follower:
    """The edit service as it was seen, and who is at work."""

    ctx: Context
    check: CheckNote
    at_work: list[Chat] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    desired_at: dict[int, float] = field(default_factory=dict)

    async def look(self) -> ServiceView:
        """The service's counts. Raises Unexpected where they are beyond its capacity."""
        web = self.ctx.platform
        service = await web.tasks.edit_service()
        self.desired_at.setdefault(service.desired, self.ctx.instant())
        if not self.seen or self.seen[-1] != (service.desired, service.running):
            self.seen.append((service.desired, service.running))
            self.check.saw(desired_and_running=self.seen)
        sessions = f"of the edit service with {len(self.at_work)} active sessions"
        expect.at_most(f"desired tasks {sessions}", service.desired, web.settings.max_tasks)
        expect.at_most(f"running tasks {sessions}", service.running, web.settings.max_tasks)
        return service

    async def until(self, wanted: int) -> Sighting[ServiceView]:
        """The service with as many tasks as are wanted. Raises TimedOut with the likely cause."""
        self.desired_at.clear()
        limit = self.ctx.platform.settings.target_scaling
        try:
            return await self.ctx.sighting(
                self.look,
                until=lambda service: service.desired == service.running == wanted,
                within=limit,
                what=f"{wanted} tasks of the edit service",
                pace=DEAR,
            )
        except TimedOut as error:
            desired, running = self.seen[-1] if self.seen else (0, 0)
            cause = await self._cause()
            raise TimedOut(
                f"unexpected: tasks of the edit service with {len(self.at_work)} active sessions: wanted "
                f"{wanted} within {limit.total_seconds():g} s, got {running} (desired {desired}); {cause}",
                **error.evidence,
            ) from error

    async def _cause(self) -> str:
        """What rows and metric tell of the sessions, in words."""
        web = self.ctx.platform
        rows = [await chats.fresh_row(self.ctx, chat) for chat in self.at_work]
        gone = [row for row in rows if row.status != "active"]
        if gone:
            return f"session {gone[0].session_id} is {gone[0].status} meanwhile"
        told = await web.metrics.newest_active_sessions()
        self.check.saw(active_session_count=told)
        metric = f"ActiveSessionCount (Environment={web.settings.metrics_environment})"
        if told is None:
            return f"{metric} was told by nobody"
        return f"{metric} told {told:g} at most in its newest minute: nothing acts on it, or not yet"


@probe(SPEC)
async def autoscaling(ctx: Context) -> None:
    """As more people edit, more edit tasks are kept up; when they have all left, none is."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    ctx.fact("session_factory", "http")
    if not ctx.allowed(CASE):
        return
    if web.settings.autoscaling is Autoscaling.OFF:
        ctx.skip(CASE, "AUTOSCALING=off: every edit task is launched by itself")
        return

    ctx.cleanup(web.tasks.scale_edit, 0)

    with ctx.check(CASE, essential=True) as check:
        follower = Follower(ctx, check)
        async with ctx.step(QUIET):
            scales = await nobody_is_at_work(follower)

        if scales:
            async with ctx.step(ONE):
                since = await begin(follower, "first")
                scales = await grows(follower, wanted=1, more_than=0, since=since)

        if scales:
            async with ctx.step(THREE):
                since = await begin(follower, "second", "third")
                await grows(follower, wanted=min(3, web.settings.max_tasks), more_than=1, since=since)

            async with ctx.step(NONE):
                await everybody_leaves(follower)


async def nobody_is_at_work(follower: Follower) -> bool:
    """Wait until the service has no task; False, with the case skipped, where somebody else is at work."""
    web, check = follower.ctx.platform, follower.check
    try:
        await follower.until(0)
    except TimedOut:
        told = await web.metrics.newest_active_sessions()
        if told:
            check.skip(f"other people's sessions are active (ActiveSessionCount told {told:g})")
            return False
        if web.settings.autoscaling is Autoscaling.AUTO:
            kept = (await web.tasks.edit_service()).desired
            check.skip(
                f"the edit service keeps {kept} tasks though no session is active, as one that does not follow "
                "them may; with AUTOSCALING=on this fails"
            )
            return False
        raise
    return True


async def begin(follower: Follower, *threads: str) -> float:
    """These chats are opened, active, and kept awake; the instant when all of them were seen so."""
    ctx = follower.ctx
    opened = [await chats.open_chat(ctx, "Add a page about us", thread=thread) for thread in threads]
    for chat in opened:
        await ctx.eventually(
            lambda chat=chat: chats.fresh_row(ctx, chat),  # type: ignore[misc]
            until=lambda row: row.status == "active",
            within=2 * ctx.platform.settings.container_ready_timeout,
            what=f"session {chat.session_id} active",
            pace=DEAR,
        )
        await chats.map_thread(ctx, chat)
    follower.at_work += opened
    return ctx.instant()


async def grows(follower: Follower, *, wanted: int, more_than: int, since: float) -> bool:
    """The service grows to as many tasks as are wanted; another number is tolerated if it is more than before.

    False, with the case skipped, where it was never seen to move and nobody said that it should.
    """
    web, check = follower.ctx.platform, follower.check
    try:
        measured(follower, await follower.until(wanted), wanted, since=since, path="out")
    except TimedOut as error:
        service = await follower.look()
        if service.running > more_than:
            check.degrade(f"accepted {service.running} tasks: {error}")
            return True
        moved = any(desired for desired, _ in follower.seen)
        if moved or web.settings.autoscaling is not Autoscaling.AUTO:
            raise
        launched = [task for task in await web.tasks.own() if not task.of_service(web.settings.edit_service)]
        check.skip(
            f"the edit service stayed at 0 tasks while {len(launched)} launched with RunTask served the "
            "session; with AUTOSCALING=on this fails"
        )
        return False
    return True


async def everybody_leaves(follower: Follower) -> None:
    """Every session is let go, and no task of the service is left."""
    ctx = follower.ctx
    await chats.unmap_threads(ctx)
    since = ctx.instant()
    for chat in follower.at_work:
        await ctx.platform.hermes.deactivate(chat.session_id)
    follower.at_work.clear()
    measured(follower, await follower.until(0), 0, since=since, path="in")


def measured(follower: Follower, seen: Sighting[ServiceView], wanted: int, *, since: float, path: str) -> None:
    """Keep how long the service took to follow: until it wanted so many tasks, and until it had them."""
    reaction = max(0.0, follower.desired_at[wanted] - since)
    phases = [
        Phase("reaction", timedelta(seconds=reaction)),
        Phase("tasks", timedelta(seconds=seen.at - since - reaction)),
    ]
    follower.ctx.measure("scaling", since=since, until=seen, path=path, phases=phases)
