"""Session resumption (contract §12.6): a chat whose container sleeps comes back, however it is woken."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from probes import chats, sleepers
from probes.between import Between
from probes.cases import cases
from probes.chats import Chat
from probes.looks import RouterLooks, is_the_waking_page
from probes.platform import Context, pages
from probes.platform.dialects import ActivateMode, RoutingDialect
from probes.platform.phases import Instants
from probes.platform.values import Reply, SessionRow
from probes.sleepers import Before, Sleeper
from probes.timings import RESUME, wake
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import Unexpected

UNKNOWN = Step("strangers_are_told_so", budget=timedelta(seconds=5))
WAKE = Step("a_sleeping_chat_wakes", budget=timedelta(seconds=60))
AWAKE = Step("an_awake_chat_answers_at_once", budget=timedelta(seconds=2))
AGAIN = Step("it_sleeps_and_wakes_again", budget=timedelta(seconds=60))
TOGETHER = Step("three_wake_it_together", budget=timedelta(seconds=60))
LOOK = Step("a_look_at_the_preview_wakes_it", budget=timedelta(seconds=60))
LIFE = Step("a_session_lives_through_the_api", budget=timedelta(seconds=60))

SPEC = ProbeSpec(
    name="session-resumption",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=15),
    timeout=timedelta(minutes=12),
    steps=(UNKNOWN, WAKE, AWAKE, AGAIN, TOGETHER, LOOK, LIFE),
    cases=cases(
        *(f"SR-{n:02}" for n in range(1, 11)),
        *(f"SA-{n:02}" for n in range(1, 6)),
    ),
    timings=(wake("api", "preview"), RESUME),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)

AWAKE_STATES = ("starting", "running")
HALF_AN_HOUR = timedelta(minutes=30)
NEEDS_ROUTER = "the router answers only in the lambda dialect (ROUTING_DIALECT)"


@probe(SPEC)
async def session_resumption(ctx: Context) -> None:
    """Someone who comes back to a sleeping chat, by message, link or mail, finds it awake within a minute."""
    ctx.cleanup(ctx.platform.clean_up)
    ctx.fact("session_factory", "direct")

    async with ctx.step(UNKNOWN):
        await strangers_are_told_so(ctx)

    if not ctx.allowed("SR-01"):
        return  # nothing below can be checked without rows of our own

    async with ctx.step(WAKE):
        sleeper = await sleepers.fall_asleep(ctx)
        alone = await wakes(ctx, sleeper)

    async with ctx.step(AWAKE):
        await answers_at_once(ctx, sleeper)
        await refuses_upgrades(ctx, sleeper)

    async with ctx.step(AGAIN):
        await nothing_more_was_started(ctx, alone)
        await sleeps_and_wakes(ctx, sleeper)

    async with ctx.step(TOGETHER):
        await three_wake_it_together(ctx, sleeper)

    async with ctx.step(LOOK):
        await a_look_wakes(ctx, sleeper)

    async with ctx.step(LIFE):
        await lives_through_the_api(ctx)


async def strangers_are_told_so(ctx: Context) -> None:
    """SR-03, SA-02, SA-04 and SR-05: a thread nobody knows, and requests that lack something."""
    web = ctx.platform
    stranger = web.hermes.own_thread(f"stranger-{ctx.tag}")
    reply = await web.hermes.resume_preview(stranger)
    for case in ("SR-03", "SA-02"):
        with ctx.check(case) as check:
            check.saw(**reply.evidence())
            reply.expect("waking an unknown thread", 404)
            expect.contains("message for an unknown thread", reply.message(), "not found")
    with ctx.check("SA-04") as check:
        missing = await web.hermes.resume_raw({"clientId": web.client_id})
        check.saw(**missing.evidence())
        missing.expect("waking without chatThreadId")
        check.one_of("status without chatThreadId", missing.status, wanted={400}, tolerated={404})
    if web.settings.routing_dialect is not RoutingDialect.LAMBDA:
        ctx.skip("SR-05", NEEDS_ROUTER)
        return
    with ctx.check("SR-05") as check:
        page = await web.alb.router(web.client_id, stranger)
        check.saw(**page.evidence())
        page.expect("preview of an unknown thread", 404)
        for wanted in ("Edit Session Not Found", stranger, web.client_id):
            expect.contains("page of an unknown thread", page.text, wanted)


async def wakes(ctx: Context, sleeper: Sleeper) -> Before:
    """SR-01, SR-09, SA-01: a stopped container is started by one request, and its row comes to say so.

    Returns the tasks there are then.
    """
    web = ctx.platform
    asked, wall = ctx.instant(), ctx.now()
    reply = await web.hermes.resume_preview(sleeper.thread)
    answered = ctx.instant()
    await _refused_wakes_recover(ctx, sleeper, reply)
    with ctx.check("SR-01", essential=True) as check:
        check.saw(**reply.evidence())
        reply.expect("waking a stopped container", 201)
    with ctx.check("SA-01") as check:
        check.saw(**reply.evidence())
        _has_the_fields(reply)
    with ctx.check("SR-01", essential=True) as check:
        body = reply.json()
        expect.equal("sessionId of the resumed session", body.get("sessionId"), sleeper.session_id)
        expect.equal("containerId of the resumed session", body.get("containerId"), sleeper.container_id)
        expect.one_of("status of the resumed session", body.get("status"), AWAKE_STATES)
        if not isinstance(body.get("containerIp"), str):
            check.degrade(f"containerIp: wanted a text, got {body.get('containerIp')!r}")
        ready = await chats.until_ready(ctx, sleeper.row, within=2 * web.settings.target_wake)
        instants = Instants(asked, wall, answered, healthy=ready.at)
        spent = await chats.start_of(ctx, sleeper.row, instants, until=ready.at)
        ctx.measure("wake", since=asked, until=ready, path="api", phases=spent)
        await sleepers.until_running(ctx, sleeper)
    whole, started = timedelta(seconds=ready.at - asked), timedelta(seconds=ready.at - answered)
    with ctx.check("SR-01"):
        expect.within("time until awake", whole, web.settings.target_wake)
    with ctx.check("SR-09"):
        if web.settings.activate_mode is ActivateMode.ASYNC:  # else the answer is the whole wake
            answer = timedelta(seconds=answered - asked)
            expect.within("answer to a wake", answer, web.settings.target_wake_api)
        expect.within("start after a wake", started, web.settings.target_wake_start)
        expect.within("the whole wake", whole, web.settings.target_wake_total)
    return await sleepers.before(ctx, since=asked)


def _has_the_fields(reply: Reply) -> None:
    """SA-01: the body's fields and their types, no more and no less."""
    body = reply.json()
    wanted = {"sessionId", "containerId", "status"}
    optional = {"containerIp", "taskArn"}
    expect.empty("fields missing in a resume's answer", sorted(wanted - body.keys()))
    expect.empty("fields nobody promised in a resume's answer", sorted(body.keys() - wanted - optional))
    for name in sorted(body.keys() & (wanted | optional)):
        if body[name] is not None:
            expect.true(f"{name} in a resume's answer", isinstance(body[name], str), wanted="a text")
    expect.one_of(
        "status in a resume's answer", body["status"], ("running", "starting", "idle", "stopped", "unknown")
    )


async def _refused_wakes_recover(ctx: Context, sleeper: Sleeper, reply: Reply) -> None:
    """SR-10 and SA-03, seen only when the platform refuses by itself: a reason is given, and a retry works."""
    if reply.status != 500:
        ctx.skip("SR-10", "no wake was refused in this run, so there was nothing to recover from")
        ctx.skip("SA-03", "no wake was refused in this run, so no refusal could be read")
        return
    with ctx.check("SA-03") as check:
        check.saw(**reply.evidence())
        expect.contains("message of a refused wake", reply.message(), "Failed to resume session: ")
    row = await ctx.platform.tables.container(sleeper.container_id)
    stuck = row is not None and row.status == "starting"
    again = await ctx.platform.hermes.resume_preview(sleeper.thread)
    if again.status != 201 and not stuck:
        ctx.skip("SR-10", f"the refusal went on ({again.told()}), so recovery from it could not be judged")
        return
    with ctx.check("SR-10"):
        expect.true("the container row after a refused wake", not stuck, wanted="anything but `starting`")
        again.expect("waking again after a refusal", 201)


async def answers_at_once(ctx: Context, sleeper: Sleeper) -> None:
    """SR-02: for a container that runs, resume-preview says so within two seconds."""
    web = ctx.platform
    with ctx.check("SR-02") as check:
        woken = await sleepers.keyed_by_session(ctx, sleeper)
        if woken is not None:
            check.degrade(sleepers.BY_SESSION)
            await sleepers.write_running(ctx, sleeper, woken)
        asked = ctx.instant()
        reply = await web.hermes.resume_preview(sleeper.thread)
        timing = ctx.measure("resume", since=asked, until=ctx.instant())
        check.saw(**reply.evidence())
        reply.expect("resuming a running container", 201)
        expect.equal("state told of a running container", reply.json().get("status"), "running")
        expect.within("answer for a running container", timing.took, web.settings.target_resume_running)


async def nothing_more_was_started(ctx: Context, then: Before) -> None:
    """SR-02: a container that runs is started no second time."""
    with ctx.check("SR-02"):
        expect.empty("tasks started by resuming a running container", await sleepers.started(ctx, then))


async def refuses_upgrades(ctx: Context, sleeper: Sleeper) -> None:
    """SR-06: the router cannot carry WebSockets, and says so."""
    web = ctx.platform
    if web.settings.routing_dialect is not RoutingDialect.LAMBDA:
        ctx.skip("SR-06", NEEDS_ROUTER)
        return
    with ctx.check("SR-06") as check:
        host = web.settings.preview_host(web.client_id)
        answer = await web.alb.upgrade(host, f"/session/{sleeper.thread}/_astro/hmr")
        check.saw(status=answer.status, body=answer.body, failure=answer.failure)
        wanted = web.settings.ws_unsupported_status
        check.one_of("status of an upgrade through the router", answer.status, wanted=wanted, tolerated={400})
        if answer.status in wanted:
            expect.contains("answer to an upgrade", answer.body, "WebSocket not supported")


async def sleeps_and_wakes(ctx: Context, sleeper: Sleeper) -> None:
    """SR-07: gone to sleep after twenty idle minutes, the chat is woken like any other."""
    web = ctx.platform
    with ctx.check("SR-07") as check:
        await sleepers.put_to_sleep(ctx, sleeper)
        reply = await web.hermes.resume_preview(sleeper.thread)
        check.saw(**reply.evidence())
        reply.expect("waking after sleep", 201)
        expect.one_of("state told after sleep", reply.json().get("status"), AWAKE_STATES)
        await chats.until_ready(ctx, sleeper.row, within=2 * web.settings.target_wake)
        await sleepers.until_running(ctx, sleeper)


async def three_wake_it_together(ctx: Context, sleeper: Sleeper) -> None:
    """SR-08: three who come at once are all served, soon, by one task."""
    web = ctx.platform
    with ctx.check("SR-08") as check:
        await sleepers.put_to_sleep(ctx, sleeper)
        then = Before(frozenset(task.arn for task in await web.tasks.own()), ctx.instant())
        replies = await asyncio.gather(*(web.hermes.resume_preview(sleeper.thread) for _ in range(3)))
        took = timedelta(seconds=ctx.instant() - then.asked)
        check.saw(statuses=[reply.status for reply in replies], took=took)
        for reply in replies:
            reply.expect("each of three wakes at once", 201)
        expect.within("three wakes at once", took, web.settings.target_concurrent_wakes)
        await chats.until_ready(ctx, sleeper.row, within=2 * web.settings.target_wake)
        await sleepers.until_running(ctx, sleeper)
        started = await sleepers.started(ctx, then)
        check.saw(tasks=started)
        if len(started) > 1 and await sleepers.keyed_by_session(ctx, sleeper):
            several = f"tasks started by three wakes at once: wanted 1, accepted {len(started)}"
            check.degrade(f"{several}; {sleepers.BY_SESSION}")
        else:
            expect.equal("tasks started by three wakes at once", len(started), 1)


async def a_look_wakes(ctx: Context, sleeper: Sleeper) -> None:
    """SR-04: a look at the preview of a sleeping chat shows the waking page, and wakes it."""
    web = ctx.platform
    if web.settings.routing_dialect is not RoutingDialect.LAMBDA:
        ctx.skip("SR-04", NEEDS_ROUTER)
        return
    with ctx.check("SR-04") as check:
        await sleepers.put_to_sleep(ctx, sleeper)
        asked, wall = ctx.instant(), ctx.now()
        page = await web.alb.router(web.client_id, sleeper.thread)
        answered = ctx.instant()
        check.saw(**page.evidence())
        is_the_waking_page(ctx, page, sleeper.thread)
        if not page.header("retry-after"):
            check.degrade("the waking page has no Retry-After, so browsers and clients must guess")
        between = Between(ctx, sleeper.thread, since=asked)
        looks = RouterLooks(ctx, sleeper.container_id, lambda: web.alb.router(web.client_id, sleeper.thread))

        async def look() -> Reply:
            reply = await looks.look()
            between.note(reply)
            return reply

        try:
            ready = await ctx.sighting(
                look,
                until=pages.is_the_site,
                within=2 * web.settings.target_wake,
                what="the site in the preview of a chat that a look has woken",
            )
        finally:
            check.saw(until_the_site=between.told())
        instants = Instants(asked, wall, answered, preview=ready.at)
        spent = await chats.start_of(ctx, sleeper.row, instants, until=ready.at)
        ctx.measure("wake", since=asked, until=ready, path="preview", phases=spent)
        between.judge(check)
        expect.within("time until the preview", timedelta(seconds=ready.at - asked), web.settings.target_wake)


async def lives_through_the_api(ctx: Context) -> None:
    """SA-05: activate, status, resume, keepalive, deactivate, each with its code and body."""
    web = ctx.platform
    with ctx.check("SA-05") as check:
        chat = await chats.open_chat(ctx, "Add an about page", thread="life")
        if late := chats.answered_late(chat):
            check.degrade(late)
        else:
            chat.asked.reply.expect("activate", 201)
        await chats.until_ready(ctx, chat.row)
        status = await web.hermes.status(chat.session_id)
        expect.one_of("state told by status", status.json().get("status"), ("initializing", "active"))
        thread = chat.row.need("thread_id")
        resumed = await web.hermes.resume_preview(thread)
        if resumed.status == 404:
            check.degrade("resume of an activated session: 404, activate writes no thread mapping (Q26)")
        else:
            resumed.expect("resuming an activated session", 201)
        await _is_kept(ctx, check, chat)
        left = await web.hermes.deactivate(chat.session_id)
        left.expect("deactivate", 201)
        expect.equal(
            "answer of deactivate",
            left.json(),
            {"status": "draining", "message": "Session deactivation initiated"},
        )
        ended = await ctx.eventually(
            lambda: web.tables.session(chat.session_id),
            until=lambda row: row is None or row.terminal,
            within=web.settings.session_expiry_timeout,
            what=f"session {chat.session_id} expired after deactivate",
            pace=DEAR,
        )
        check.saw(ended=None if ended is None else ended.status)


async def _is_kept(ctx: Context, check: CheckNote, chat: Chat) -> None:
    """Keepalive gives the session another half hour: it says so, and the row agrees (contract §2.3).

    Becoming active moves `lastActivity` too, and may come after the container's first answer.
    """
    before = await ctx.eventually(
        lambda: chats.fresh_row(ctx, chat),
        until=lambda row: row.status != "initializing",
        within=ctx.platform.settings.container_ready_timeout,
        what=f"session {chat.session_id} active, its container being ready",
        pace=DEAR,
    )
    reply = await ctx.platform.hermes.keepalive_reply(chat.session_id)
    check.saw(keepalive=reply.told(), before=before.last_activity)
    if not reply.ok:
        raise reply.refusal("keepalive", "201")
    check.one_of("status of keepalive", reply.status, wanted={201}, tolerated=range(200, 300))
    kept = reply.json()
    state, end = kept.get("status"), _instant("ttl told by keepalive", kept.get("ttl"))
    alive = SessionRow.STATES - SessionRow.TERMINAL - {"draining"}
    if isinstance(state, str) and state and state not in SessionRow.STATES:
        check.degrade(f"state told by keepalive: {state!r}, which the contract does not know")
    else:
        expect.one_of("state told by keepalive of a session that is alive", state, alive)
    left = end - ctx.now()
    expect.true(f"ttl told by keepalive: {end}", left > timedelta(0), wanted="a time to come")
    if abs(left - HALF_AN_HOUR) > timedelta(minutes=5):
        check.degrade(f"ttl told by keepalive: wanted half an hour to come, accepted {left}")
    # Another's clock may have written the time before, so it need not be later, but it must be another.
    after = await ctx.eventually(
        lambda: chats.fresh_row(ctx, chat),
        until=lambda row: row.last_activity != before.last_activity,
        within=ctx.platform.settings.target_warm_start,
        what=f"another lastActivity than {before.last_activity} in the row of session {chat.session_id} "
        "after keepalive",
        pace=DEAR,
    )
    if after.ttl is not None:
        wanted = f"{end}, as keepalive told, or later"
        expect.true(f"ttl of {after}: {after.ttl}", after.ttl >= end - timedelta(seconds=1), wanted=wanted)


def _instant(what: str, told: object) -> datetime:
    """An instant told in epoch seconds. Raises Unexpected."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(told, UTC)
    raise Unexpected(f"unexpected: {what}: wanted epoch seconds, got {told!r}")
