"""Concurrent sessions (contract §12.3): several people at once, each with their own site and their own end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean, quantiles

from probes import chats
from probes.cases import cases
from probes.chats import Chat
from probes.platform import Context
from probes.platform.dialects import WorkspaceLayout
from probes.platform.values import SessionRow, TaskView
from probes.timings import SHUTDOWN
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, Unexpected
from synthetics.model.timing import ZERO, Phase

TOGETHER = Step("three_ask_at_once", budget=timedelta(seconds=90))
PAGES = Step("each_gets_their_own_page", budget=timedelta(seconds=60))
CUSTOMERS = Step("two_customers_never_meet", budget=timedelta(seconds=90))
MORE = Step("more_ask_than_there_is_room_for", budget=timedelta(seconds=60))
END = Step("one_ends_and_the_other_stays", budget=timedelta(seconds=30))
SLEEP = Step("all_go_to_sleep", budget=timedelta(seconds=30), sleeps=1)

SPEC = ProbeSpec(
    name="concurrent-sessions",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=6),
    timeout=timedelta(minutes=15),
    steps=(TOGETHER, PAGES, CUSTOMERS, END, MORE, SLEEP),
    cases=cases(*(f"CC-{n:02}" for n in range(1, 10))),
    timings=(SHUTDOWN,),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.DEAR,
    sleeps=1,
)

#: The seeds' three users and their pages, and the five who ask at once for what has room for three.
PAGE_OF = {"user1": "A", "user2": "B", "user3": "C"}
CROWD = 5
APART = timedelta(seconds=2)
#: How long the platform has for starting what it was asked for, before anybody counts (contract §12.3).
SETTLED = timedelta(seconds=10)
#: What is told of tasks that the platform stops because nobody uses them (contract §5.5).
OF_THE_IDLE = ("Idle timeout", "Session expired", "Container stopped by Hermes")
FOREIGN = "of-another-customer.txt"


@dataclass(frozen=True, slots=True)
class Asked:
    """One of those who asked at once: the chat, and when it was ready (None: not in time); or the refusal."""

    user: str
    chat: Chat | None = None
    ready: float | None = None
    refusal: str = ""

    @property
    def created(self) -> timedelta:
        return self.chat.asked.took if self.chat else ZERO

    @property
    def awaited(self) -> timedelta | None:
        """From asking to ready."""
        if self.chat is None or self.ready is None:
            return None
        return timedelta(seconds=self.ready - self.chat.asked.sent)


@probe(SPEC)
async def concurrent_sessions(ctx: Context) -> None:
    """Several people who edit at once each get their own page, and none of them feels the others."""
    ctx.cleanup(ctx.platform.clean_up)
    ctx.fact("session_factory", "http")

    if ctx.allowed("CC-01"):
        async with ctx.step(TOGETHER):
            began = ctx.instant()
            three = await three_at_once(ctx)
            await enough_room(ctx, three)
            how_quick(ctx, three, whole=timedelta(seconds=ctx.instant() - began))

        async with ctx.step(PAGES):
            await own_pages(ctx, three)

    async with ctx.step(CUSTOMERS):
        pair = await two_customers(ctx)

    async with ctx.step(END):
        await one_ends(ctx, pair)

    async with ctx.step(MORE):
        await scales_up(ctx)
        await no_more_than_capacity(ctx)

    async with ctx.step(SLEEP):
        await all_sleep(ctx, pair)


async def _ask(ctx: Context, user: str, *, patience: timedelta | None = None, thread: str = "") -> Asked:
    """Ask for a session as this user; with `patience`, wait so long for its container."""
    page = PAGE_OF.get(user, user)
    try:
        chat = await chats.open_chat(ctx, f"Create page {page}", user=user, thread=thread or user)
    except PlatformError as error:
        return Asked(user, refusal=str(error))
    if patience is None:
        return Asked(user, chat)
    try:
        seen = await chats.until_ready(ctx, chat.row, within=patience)
    except PlatformError as error:
        return Asked(user, chat, refusal=str(error))
    return Asked(user, chat, seen.at)


async def three_at_once(ctx: Context) -> list[Asked]:
    """CC-01: three sessions asked for at once are made, their rows are there, and one at least is ready."""
    web = ctx.platform
    with ctx.check("CC-01", essential=True) as check:
        patience = web.settings.target_concurrent_ready
        three = await asyncio.gather(*(_ask(ctx, user, patience=patience) for user in PAGE_OF))
        made = [one for one in three if one.chat is not None]
        check.saw(refusals=[one.refusal for one in three if one.refusal], made=len(made))
        expect.at_least("sessions made of three asked for at once", len(made), 1)
        ready = [one for one in made if one.ready is not None]
        if not ready:
            raise Unexpected(
                f"unexpected: of {len(made)} sessions asked for at once: wanted one ready within "
                f"{patience.total_seconds():g} s, got none; {made[0].refusal}"
            )
        ids = [one.chat.session_id for one in made if one.chat]
        expect.equal("different ids of the sessions", len(set(ids)), len(ids))
        if len(made) < len(three):
            check.degrade(f"only {len(made)} of three sessions were made: {three[-1].refusal}")
        return list(three)


async def enough_room(ctx: Context, three: Sequence[Asked]) -> None:
    """The other half of CC-01: somebody works for them, and the service keeps to its capacity.

    Tasks launched with RunTask are bounded by nobody (contract §5.4): one for each container is right there.
    """
    web = ctx.platform
    with ctx.check("CC-01") as check:
        count = await ctx.eventually(
            web.tasks.count,
            until=lambda count: count.total >= 1,
            within=web.settings.scale_down_timeout,
            what="edit tasks while three work to be at least 1",
            pace=DEAR,
        )
        containers = {one.chat.row.container_id or one.user for one in three if one.chat}
        check.saw(service=count.service, cluster=count.cluster, containers=sorted(containers))
        if count.service is not None:
            expect.at_most("tasks of the edit service", count.service, web.settings.max_tasks)
        own = await web.tasks.own()
        expect.at_most("tasks started for three sessions", len(own), max(len(containers), 1))


def how_quick(ctx: Context, three: Sequence[Asked], *, whole: timedelta) -> None:
    """CC-06 and CC-09: how long creation took on average, and how late the last was ready."""
    settings = ctx.platform.settings
    created = [one.created.total_seconds() for one in three if one.chat]
    awaited = [one.awaited.total_seconds() for one in three if one.awaited is not None]
    if ctx.allowed("CC-06"):
        with ctx.check("CC-06") as check:
            check.saw(creation_seconds=created, ready_seconds=awaited)
            mean = timedelta(seconds=fmean(created))
            expect.within("creation of three sessions on average", mean, settings.target_concurrent_creation)
            late = [one.user for one in three if one.chat and one.awaited is None]
            expect.empty(f"sessions not ready within {settings.target_concurrent_ready}", late)
    with ctx.check("CC-09") as check:
        check.saw(
            sessions_per_second=round(len(created) / max(whole.total_seconds(), 0.001), 3),
            creation_mean_seconds=round(fmean(created), 3),
            creation_p95_seconds=round(_p95(created), 3),
            ready_p95_seconds=round(_p95(awaited), 3),
        )
        expect.at_least("sessions of which it can be told", len(created), 1)


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else sum(values)


async def own_pages(ctx: Context, three: Sequence[Asked]) -> None:
    """CC-07: each user's page is in their own workspace, and in nobody else's."""
    web = ctx.platform
    if not ctx.allowed("CC-07"):
        return
    if web.workspaces.refusal is not None:
        ctx.skip("CC-07", web.workspaces.refusal)
        return
    layout = web.settings.workspace_layout
    if layout is not WorkspaceLayout.CLIENT_USER_PROJECT:
        ctx.skip("CC-07", f"WORKSPACE_LAYOUT={layout.value}: a customer's users share one workspace")
        return
    with ctx.check("CC-07") as check:
        for one in three:
            if one.chat is None or one.ready is None:
                continue
            workspace = chats.workspace_of(ctx, one.chat)
            assert workspace is not None
            page = _page(one.user)
            await ctx.eventually(
                lambda workspace=workspace, page=page: workspace.exists(page),  # type: ignore[misc]
                until=bool,
                within=web.settings.target_response,
                what=f"{page} in the workspace of {one.user}",
                pace=DEAR,
            )
            foreign = [
                _page(other.user)
                for other in three
                if other is not one and await workspace.exists(_page(other.user))
            ]
            check.saw(**{one.user: {"page": page, "others": foreign}})
            expect.empty(f"pages of others in the workspace of {one.user}", foreign)


def _page(user: str) -> str:
    return f"src/pages/page-{PAGE_OF[user].lower()}.astro"


async def two_customers(ctx: Context) -> tuple[Chat, Chat]:
    """CC-02: two customers have sessions, rows and workspaces of their own, and no file of the other."""
    web = ctx.platform
    with ctx.check("CC-02", essential=True) as check:
        one, other = await asyncio.gather(
            chats.open_chat(ctx, f'Create {FOREIGN} with content "{ctx.tag}"', user="one", client="one"),
            chats.open_chat(ctx, "Create page other", user="other", client="other"),
        )
        for chat in (one, other):
            await chats.until_ready(ctx, chat.row, within=2 * web.settings.container_ready_timeout)
        expect.different("session of the other customer", other.session_id, one.session_id)
        for chat in (one, other):
            row = await chats.fresh_row(ctx, chat)
            if row.client_id is not None:
                expect.equal("client in the session's row", row.client_id, chat.asked.client_id)
        window, theirs = chats.workspace_of(ctx, one), chats.workspace_of(ctx, other)
        if window is None or theirs is None:
            check.degrade(f"nobody looked for files of the other customer: {web.workspaces.refusal}")
            return one, other
        await ctx.eventually(
            lambda: window.exists(FOREIGN),
            until=bool,
            within=web.settings.target_response,
            what=f"{FOREIGN} in its own workspace",
            pace=DEAR,
        )
        seen = await theirs.exists(FOREIGN)
        expect.true(f"{FOREIGN} of another customer", not seen, wanted="no such file")
    return one, other


async def scales_up(ctx: Context) -> None:
    """CC-03: three sessions asked for one after the other never lead to fewer edit tasks.

    Whoever was left alone meanwhile may have gone to sleep: that is no scaling down.
    """
    web = ctx.platform
    if not ctx.allowed("CC-03"):
        return
    with ctx.check("CC-03") as check:
        before, working = (await web.tasks.count()).total, await _at_work(ctx)
        for number in range(3):
            asked = await _ask(ctx, f"next{number}")
            if asked.chat is None:
                raise Unexpected(f"unexpected: session {number + 1} of 3: wanted one, got {asked.refusal}")
            await ctx.pause(min(APART, web.settings.scale_down_timeout / 15))
        after, gone = await web.tasks.count(), working - await _at_work(ctx)
        stopped = [
            task for arn in sorted(gone) if (task := await web.tasks.describe(arn)) and _was_stopped(task)
        ]
        asleep = len(gone) - len(stopped)
        reasons = sorted({str(task.stopped_reason or task.stop_code) for task in stopped})
        check.saw(before=before, after=after.total, asleep_meanwhile=asleep, stopped=reasons)
        why = f" ({len(stopped)} were stopped: {', '.join(reasons)})" if stopped else ""
        expect.at_least(f"edit tasks after three more sessions{why}", after.total, before - asleep)


async def _at_work(ctx: Context) -> set[str]:
    """This run's tasks that nobody has told to stop, and that do not stop by themselves."""
    return {task.arn for task in await ctx.platform.tasks.every_own() if not task.leaving}


def _was_stopped(task: TaskView) -> bool:
    """Whether somebody stopped this task that was in use; one that sleeps ends by itself (contract §5.5)."""
    return task.stop_code in ("UserInitiated", "ServiceSchedulerInitiated") and (
        task.stopped_reason not in OF_THE_IDLE
    )


async def no_more_than_capacity(ctx: Context) -> None:
    """CC-04: of five at once some may be refused, in clean words; the service keeps to its capacity."""
    web = ctx.platform
    if not ctx.allowed("CC-04"):
        return
    with ctx.check("CC-04") as check:
        crowd = await asyncio.gather(*(_ask(ctx, f"crowd{number}") for number in range(CROWD)))
        await ctx.pause(min(SETTLED, web.settings.scale_down_timeout / 3))
        service = await web.tasks.edit_service()
        check.saw(
            made=sum(one.chat is not None for one in crowd),
            refusals=[one.refusal for one in crowd if one.refusal],
            running=service.running,
            desired=service.desired,
        )
        expect.at_most("running tasks of the edit service", service.running, web.settings.max_tasks)
        expect.at_most("desired tasks of the edit service", service.desired, web.settings.max_tasks)
        containers = {one.chat.row.container_id or one.user for one in crowd if one.chat}
        started = [task for task in await web.tasks.own() if "crowd" in f"{task.container_id} {task.user_id}"]
        expect.at_most("tasks started for five sessions", len(started), max(len(containers), 1))


async def one_ends(ctx: Context, pair: tuple[Chat, Chat]) -> None:
    """CC-05: when one session is over and gone, the other is neither."""
    if not ctx.allowed("CC-05"):
        return
    web, (one, other) = ctx.platform, pair
    with ctx.check("CC-05"):
        await web.tables.update_session(await _settled(ctx, one), status="expired")
        await _untouched(ctx, other, "after the other one expired")
        await web.tables.delete_session_rows(one.session_id)
        await _untouched(ctx, other, "after the other one was deleted")


async def _settled(ctx: Context, chat: Chat) -> SessionRow:
    """The session's row once the platform has done with writing it."""
    return await ctx.eventually(
        lambda: chats.fresh_row(ctx, chat),
        until=lambda row: row.status == "active",
        within=ctx.platform.settings.container_ready_timeout,
        what=f"session {chat.session_id} active",
        pace=DEAR,
    )


async def _untouched(ctx: Context, chat: Chat, when: str) -> None:
    row = await chats.fresh_row(ctx, chat)
    expect.true(f"state of a session {when} ({row.status})", not row.terminal, wanted="not over")


async def all_sleep(ctx: Context, pair: tuple[Chat, Chat]) -> None:
    """CC-08: left alone, every session expires by itself, and no edit task of theirs is left."""
    web = ctx.platform
    await chats.unmap_threads(ctx)
    quiet = ctx.instant()
    with ctx.check("CC-08") as check:
        gone = await ctx.sighting(
            web.tasks.every_own,
            until=lambda tasks: not [task for task in tasks if not task.leaving],
            within=web.settings.sleep_patience,
            what="tasks of sessions that everybody has left to be gone",
            pace=DEAR,
        )
        whole = timedelta(seconds=gone.at - quiet)
        ctx.measure("shutdown", since=quiet, until=gone, phases=(Phase("idle", whole),))
        last = await ctx.eventually(
            lambda: web.tables.session(pair[1].session_id),
            until=lambda row: row is None or row.terminal,
            within=web.settings.session_expiry_timeout,
            what=f"session {pair[1].session_id} expired after it was left alone",
            pace=DEAR,
        )
        check.saw(idle_limit=web.settings.idle_timeout, took=whole, ended=None if last is None else last.status)
