"""Cold start (contract §12.1): from no container at all to a preview that shows the wanted change."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from probes import chats
from probes.cases import cases
from probes.chats import Chat, essential
from probes.platform import Context, pages
from probes.platform.dialects import ActivateMode, RoutingDialect
from probes.platform.phases import Instants, fitting, stop_phases
from probes.platform.values import Reply, TaskCount, TaskView
from probes.timings import COLD_START, SHUTDOWN, WARM_START
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR, Sighting
from synthetics.errors import PlatformError, Unexpected
from synthetics.model.timing import ZERO, Phase

NONSENSE = Step("nonsense_is_refused", budget=timedelta(seconds=5))
ASK = Step("a_change_is_asked_for", budget=timedelta(seconds=10))
START = Step("a_container_starts", budget=timedelta(seconds=60))
PREVIEW = Step("the_preview_appears", budget=timedelta(seconds=10))
EDIT = Step("the_change_is_there", budget=timedelta(seconds=30))
WARM = Step("the_next_session_is_warm", budget=timedelta(seconds=10))
EXPIRE = Step("a_session_expires", budget=timedelta(seconds=10))
SLEEP = Step("everything_goes_to_sleep", budget=timedelta(seconds=30), sleeps=1)

SPEC = ProbeSpec(
    name="cold-start",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=15),
    timeout=timedelta(minutes=7.5),
    sleeps=1,
    steps=(NONSENSE, ASK, START, PREVIEW, EDIT, WARM, EXPIRE, SLEEP),
    cases=cases("CS-01", "CS-02", "CS-03", "CS-04", "CS-05", "CS-06", "CS-07", "CS-08"),
    timings=(COLD_START, WARM_START, SHUTDOWN),
    exclusive=frozenset({"edit-service"}),
    leans_on=("alb-routing",),
    price=Price.FAIR,
)

INSTRUCTION = 'Add a new page called "Test Page"'
WANTED_FILE = "src/pages/test-page.astro"


@probe(SPEC)
async def cold_start(ctx: Context) -> None:
    """Someone whose site is asleep asks for a change and sees it in their preview within a minute."""
    ctx.cleanup(ctx.platform.clean_up)
    ctx.fact("session_factory", "http")

    async with ctx.step(NONSENSE):
        nonsense = await nonsense_is_refused(ctx)

    async with ctx.step(ASK):
        with essential(ctx, "CS-01"):
            cold = await nothing_runs(ctx)
            chat = await chats.open_chat(ctx, INSTRUCTION)
            _is_alive(ctx, chat)

    async with ctx.step(START):
        await not_ready_at_once(ctx, chat, cold=cold)
        with essential(ctx, "CS-01", "CS-06"):
            ready = await chats.until_ready(ctx, chat.row)
            took = timedelta(seconds=ready.at - chat.asked.sent)
            expect.within("time until ready", took, ctx.platform.settings.target_cold_start)

    async with ctx.step(PREVIEW):
        unseen = await preview_appears(ctx, chat, ready, cold=cold)

    async with ctx.step(EDIT):
        await change_is_there(ctx, chat)

    async with ctx.step(WARM):
        warm = await next_session_is_warm(ctx)

    async with ctx.step(EXPIRE):
        if nonsense:
            await nothing_came_of_it(ctx, nonsense)
        if warm and ctx.allowed("CS-02"):
            await session_expires(ctx, warm)

    async with ctx.step(SLEEP):
        if ctx.allowed("CS-03"):
            await everything_sleeps(ctx, chat, unseen)


@dataclass(frozen=True, slots=True)
class Nonsense:
    """A request that was to be refused: the user whom it named, and when it was answered."""

    user: str
    answered: float


async def nonsense_is_refused(ctx: Context) -> Nonsense | None:
    """CS-04: an empty client id is answered with an error, and nothing is made.

    Returns what must be looked for again when lists and indexes have caught up (contract Q30), if anything.
    """
    web = ctx.platform
    nobody = web.hermes.user(f"nobody-{ctx.tag}")
    reply = await web.hermes.activate_raw({"clientId": "", "userId": nobody, "instruction": INSTRUCTION})
    if reply.away:
        ctx.skip("CS-04", f"nobody was there to refuse it: {reply.told()}")
        return None  # the first session that is wanted for good will say so
    nonsense = Nonsense(nobody, ctx.instant())
    with ctx.check("CS-04") as check:
        check.saw(**reply.evidence())
        reply.expect("activate with an empty clientId")
        expect.at_least("status for an empty clientId", reply.status, 400)
        await _nothing_is_made(ctx, check, nobody)
        if reply.status == 504:
            check.degrade(f"refusal of an empty clientId: wanted Hermes' own, accepted {reply.told()}")
    if check.failed:
        await _nobody_is_removed(ctx)
        return None
    return nonsense


async def nothing_came_of_it(ctx: Context, nonsense: Nonsense) -> None:
    """CS-04: nothing is there for nobody either when lists and indexes tell of all that was asked for then."""
    late = ctx.platform.settings.index_lag - timedelta(seconds=ctx.instant() - nonsense.answered)
    if late > ZERO:
        await ctx.pause(late)
    with ctx.check("CS-04") as check:
        await _nothing_is_made(ctx, check, nonsense.user)  # what is there goes with the rest, at the end


async def _nothing_is_made(ctx: Context, check: CheckNote, nobody: str) -> None:
    """No task runs for the user and no session is theirs, as far as that can be told now."""
    web = ctx.platform
    expect.empty("tasks started for nobody", await web.tasks.own(user_id=nobody))
    sessions = await web.tables.sessions_of_user(nobody)
    if sessions is None:
        check.degrade("no index of the sessions table finds a user's sessions, so nobody looked for rows")
    else:
        expect.empty("sessions made for nobody", sessions)


async def _nobody_is_removed(ctx: Context) -> None:
    """Remove what was made for nobody now: a container that runs for it would spoil the cold start."""
    try:
        await ctx.platform.clean_up()
    except PlatformError as error:  # the clean-up at the end tries again, and says so if it cannot
        ctx.fact("nobody_removed", f"no: {error}")


async def nothing_runs(ctx: Context) -> bool:
    """The first half of CS-01's setting: no edit task; Hermes' count is only kept.

    On a shared platform others' tasks may run: then this is no cold start, and False.
    """
    web = ctx.platform
    try:
        ctx.fact("hermes_tasks", (await web.tasks.hermes_service()).running)
    except PlatformError as error:  # only worth knowing: whether Hermes answers is seen below
        ctx.fact("hermes_tasks", f"unknown: {error}")
    if not web.settings.isolated:
        others = await web.tasks.count()
        ctx.fact("edit_tasks_before", others.total)
        return others.total == 0
    await ctx.eventually(
        web.tasks.count,
        until=lambda count: count.total == 0,
        within=web.settings.scale_down_timeout,
        what="edit tasks before the cold start to be 0",
        pace=DEAR,
    )
    return True


def _is_alive(ctx: Context, chat: Chat) -> None:
    """A session has just begun; one whose answer took longer than the idle limit may be over already."""
    took, limit = chat.asked.took, ctx.platform.settings.idle_timeout
    if chat.row.terminal and took >= limit:
        raise Unexpected(
            f"unexpected: activate: wanted an answer before the idle limit of {limit.total_seconds():g} s, "
            f"got one after {took.total_seconds():.1f} s, when its session was {chat.row.status} again"
        )
    expect.one_of("status of the new session", chat.row.status, ("initializing", "active"))


async def not_ready_at_once(ctx: Context, chat: Chat, *, cold: bool) -> None:
    """CS-05: 100 ms after a cold activate nothing is ready, and a session that never was is not ready either.

    A signal that is always green (the ALB's own default answer, say) would prove nothing in all that follows.
    """
    web = ctx.platform
    with ctx.check("CS-05") as check:
        unknown = await web.alb.ready(chats.stranger(ctx))
        check.saw(unknown_session=unknown.told())
        if web.alb.means_ready(unknown):
            raise Unexpected(
                f"unexpected: readiness of a session that never was: wanted not ready, got {unknown.told()} "
                f"from {unknown.request}"
            )
        if why := _had_time_to_start(ctx, chat, cold=cold):
            check.skip(f"a session that never was is not ready; 100 ms after activate nobody looked, as {why}")
            return
        await ctx.pause(timedelta(milliseconds=100))
        early = await web.alb.ready(chat.row)
        check.saw(after_100_ms=early.told())
        if web.alb.means_ready(early):
            raise Unexpected(
                "unexpected: readiness 100 ms after a cold activate: wanted not ready, "
                f"got {early.told()} from {early.request}"
            )


def _had_time_to_start(ctx: Context, chat: Chat, *, cold: bool) -> str | None:
    """Why the container may well be up already when activate has answered; None if it may not."""
    settings, asked = ctx.platform.settings, chat.asked
    if not cold:
        return "others' tasks run, and this is no cold start"
    if settings.activate_mode is ActivateMode.SYNC:
        return "activate answers when the container is ready (ACTIVATE_MODE=sync)"
    if asked.looked_up or asked.took > settings.target_cold_start / 10:
        return f"activate took {asked.took.total_seconds():.1f} s, in which the container may have started"
    return None


async def preview_appears(ctx: Context, chat: Chat, ready: Sighting[Reply], *, cold: bool) -> str | None:
    """CS-08, and CS-01's preview: the address that activate gave shows the site, and so does its page.

    Returns why edit tasks cannot be counted here, None if they can.
    """
    preview = None
    with ctx.check("CS-08") as shown:
        url = chat.asked.preview_url or await chats.preview_of(ctx, chat)
        shown.saw(preview_url=url)
        preview = await chats.site_seen(ctx, url)
        if not pages.says_html(preview.value):
            kind = preview.value.header("content-type")
            shown.degrade(f"type of the preview: wanted text/html, got {kind!r}, so browsers must guess")
        page = await _session_page(ctx, chat)
        page.expect("the session's page")
        shown.one_of("status of the session's page", page.status, wanted={200}, tolerated={302, 404})
        if page.status == 200:
            _shows_the_site("the session's page", page)
    if preview is not None and cold:
        asked = chat.asked
        instants = Instants(
            asked.sent, asked.sent_at, chats.accepted(asked, chat.row), healthy=ready.at, preview=preview.at
        )
        spent = await chats.start_of(ctx, chat.row, instants, until=preview.at)
        ctx.measure("cold_start", since=asked.sent, until=preview, phases=spent)
    unseen = None
    if ctx.allowed("CS-01"):
        with ctx.check("CS-01") as check:
            if preview is None:
                raise Unexpected(shown.reason or "no preview", **shown.evidence)
            unseen = await _is_running(ctx)
            tolerated = [*filter(None, (chats.answered_late(chat), unseen))]
            if tolerated:
                check.degrade("; ".join(tolerated))
    return unseen


def _shows_the_site(what: str, reply: Reply) -> None:
    shown = pages.not_the_site(reply)
    if shown is not None:
        raise Unexpected(
            f"unexpected: {what}: wanted a page of the site, got {shown}: {reply.told()}", **reply.evidence()
        )


async def _session_page(ctx: Context, chat: Chat) -> Reply:
    web = ctx.platform
    if web.settings.routing_dialect is RoutingDialect.PATH:
        return await web.alb.session_page(chat.session_id)
    return await web.alb.router(web.client_id, chat.row.need("thread_id"))


async def _is_running(ctx: Context) -> str | None:
    """At least one edit task, as far as the counts have caught up (they lag by seconds).

    Where a task of ours runs that TASK_COUNT_SOURCE does not count, that is the setting's fault: the reason.
    """
    tasks = ctx.platform.tasks
    unseen: list[TaskView] = []

    async def count() -> TaskCount:
        nonlocal unseen
        counted, unseen = await tasks.count(), await tasks.unseen()
        return counted

    await ctx.eventually(
        count,
        until=lambda counted: counted.total >= 1 or unseen,
        within=timedelta(seconds=10),
        what="edit tasks while the preview answers to be at least 1",
        pace=DEAR,
    )
    if not unseen:
        return None
    ours = ", ".join(map(str, unseen))
    return (
        f"TASK_COUNT_SOURCE=service does not see {ours} of this run, launched "
        "with RunTask and in no service: set it to both or cluster"
    )


async def change_is_there(ctx: Context, chat: Chat) -> None:
    """CS-01: the page that was asked for is in the workspace (kept apart from the preview, contract Q34)."""
    web = ctx.platform
    if not ctx.allowed("CS-01"):
        return
    with ctx.check("CS-01") as check:
        workspace = chats.workspace_of(ctx, chat)
        if workspace is None:
            check.degrade(f"nobody looked for {WANTED_FILE}: {web.workspaces.refusal}")
            return
        await ctx.eventually(
            lambda: workspace.exists(WANTED_FILE),
            until=bool,
            within=web.settings.target_response,
            what=f"{WANTED_FILE} in the workspace (the session is up, but the edit was not applied)",
            pace=DEAR,
        )
        total = timedelta(seconds=ctx.instant() - chat.asked.sent)
        expect.within("the whole cold start", total, web.settings.target_cold_start_total)


async def next_session_is_warm(ctx: Context) -> Chat | None:
    """CS-07: with the container up, the next session of the same user is made in seconds."""
    web = ctx.platform
    with ctx.check("CS-07") as check:
        chat = await chats.open_chat(ctx, "Add a contact page", thread="second")
        check.saw(session=chat.session_id, took=chat.asked.took, looked_up=chat.asked.looked_up)
        ready = await chats.until_ready(ctx, chat.row)
        health = timedelta(seconds=max(0.0, ready.at - chat.asked.answered))
        spent = (Phase("request", chat.asked.took), Phase("health", health))
        ctx.measure("warm_start", since=chat.asked.sent, until=ready, phases=spent)
        expect.within("time to create a warm session", chat.asked.took, web.settings.target_warm_start)
        if late := chats.answered_late(chat):
            check.degrade(late)
    return None if check.failed else chat


async def _left(ctx: Context, *, own: bool) -> int:
    """How many edit tasks there are, this run's own among them where the count cannot see those."""
    tasks = ctx.platform.tasks
    return (await tasks.count()).total + (len(await tasks.own()) if own else 0)


async def session_expires(ctx: Context, chat: Chat) -> None:
    """CS-02: a session that is marked expired reads as expired, and one that is deleted is gone."""
    web = ctx.platform
    with ctx.check("CS-02"):
        settled = await ctx.eventually(
            lambda: web.tables.session(chat.session_id),
            until=lambda row: row is not None and row.status == "active",
            within=web.settings.container_ready_timeout,
            what=f"session {chat.session_id} active",
            pace=DEAR,
        )
        assert settled is not None
        await web.tables.update_session(settled, status="expired")
        expect.equal("status after expiry", (await chats.fresh_row(ctx, chat)).status, "expired")
        await web.tables.delete_session_rows(chat.session_id)
        left = await web.tables.session(chat.session_id)
        expect.empty("rows of the session after its deletion", [str(left)] if left else [])


async def everything_sleeps(ctx: Context, chat: Chat, unseen: str | None) -> None:
    """CS-03 and the end of CS-01: left alone, the container goes, no edit task is left, the session expires.

    Where the count cannot see our tasks (`unseen` says why), they are watched by themselves. Only tables and
    ECS are asked meanwhile: looking at the preview would keep the container awake.
    """
    web = ctx.platform
    await chats.unmap_threads(ctx)
    quiet = ctx.instant()
    gone = None
    with ctx.check("CS-03") as check:
        if unseen:
            check.degrade(f"only this run's own tasks were watched: {unseen}")
        gone = await ctx.sighting(
            partial(_left, ctx, own=bool(unseen)),
            until=lambda left: left == 0,
            within=web.settings.sleep_patience,
            what="edit tasks after the idle limit to be 0",
            pace=DEAR,
        )
        check.saw(idle_limit=web.settings.idle_timeout, took=gone.at - quiet)
    if gone is not None:
        whole = timedelta(seconds=gone.at - quiet)
        task = await chats.ended_task(ctx, chat.row)
        ending = fitting(stop_phases(task), whole) if task else ()
        idle = whole - sum((phase.took for phase in ending), ZERO)
        ctx.measure("shutdown", since=quiet, until=gone, phases=(Phase("idle", idle), *ending))
    with ctx.check("CS-01"):
        if gone is None:
            raise PlatformError("unexpected: edit tasks after the idle limit: wanted 0, got some")
        await ctx.eventually(
            lambda: web.tables.session(chat.session_id),
            until=lambda row: row is None or row.terminal,
            within=web.settings.scale_down_timeout,
            what=f"session {chat.session_id} expired after its container went to sleep",
            pace=DEAR,
        )
