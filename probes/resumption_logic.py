"""Resumption logic (contract §2.3, §12.6): what one request to wake does, by the state that it meets."""

import asyncio
import json
from datetime import timedelta

from probes import chats, sleepers
from probes.cases import cases
from probes.chats import PROJECT
from probes.platform import Context
from probes.sleepers import Sleeper
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import Unexpected

STRANGERS = Step("nobody_is_woken_for_strangers", budget=timedelta(seconds=10))
STOPPED = Step("a_stopped_one_is_started", budget=timedelta(seconds=60))
RUNNING = Step("a_running_one_is_left_as_it_is", budget=timedelta(seconds=5))
MANY = Step("many_who_ask_are_answered", budget=timedelta(seconds=10))
IDLE = Step("an_idle_one_is_told", budget=timedelta(seconds=10))

SPEC = ProbeSpec(
    name="resumption-logic",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=8),
    steps=(STRANGERS, STOPPED, RUNNING, MANY, IDLE),
    cases=cases("SV-01", "SV-02", "SV-03", "SV-04", "SV-06", "SV-07", "SA-09", "SA-10"),
    shares=frozenset({"edit-service"}),
    leans_on=("session-resumption",),
    price=Price.FAIR,
)

AT_ONCE, ALONE = 5, 3
ASLEEP = ("stopping", "stopped")


@probe(SPEC)
async def resumption_logic(ctx: Context) -> None:
    """Whoever comes back to a chat meets that chat's own container, which is started only if it has to be."""
    ctx.cleanup(ctx.platform.clean_up)
    allowed = [ctx.allowed(case.id) for case in ctx.spec.cases]
    if not all(allowed):
        return  # nothing of this can be checked without rows of our own
    ctx.fact("session_factory", "direct")

    async with ctx.step(STRANGERS):
        await unknown_thread_leads_nowhere(ctx)
        await lost_session_wakes_nobody(ctx)

    async with ctx.step(STOPPED):
        sleeper = await sleepers.fall_asleep(ctx)
        await is_started(ctx, sleeper)

    async with ctx.step(RUNNING):
        await is_left_as_it_is(ctx, sleeper)
        await is_found_by_its_thread(ctx, sleeper)

    async with ctx.step(MANY):
        await all_at_once_are_answered(ctx, sleeper)
        await one_alone_is_answered_soon(ctx, sleeper)

    async with ctx.step(IDLE):
        await is_told_that_somebody_is_back(ctx, sleeper)


async def unknown_thread_leads_nowhere(ctx: Context) -> None:
    """SV-07: for a thread that nobody knows there is no session afterwards either, and no task."""
    web = ctx.platform
    stranger = web.hermes.own_thread(f"nobody-{ctx.tag}")
    with ctx.check("SV-07") as check:
        reply = await web.hermes.resume_preview(stranger)
        check.saw(**reply.evidence())
        reply.expect("waking an unknown thread")
        expect.at_least("status for an unknown thread", reply.status, 400)
        made = [row.session_id for row in await web.tables.sessions_of_client(web.client_id)]
        expect.empty("sessions of a customer who only asked for an unknown thread", made)
        mapping = await web.tables.mapping(stranger)
        expect.equal("mapping of an unknown thread", mapping, None)
        expect.empty("tasks started for an unknown thread", await web.tasks.own())


async def lost_session_wakes_nobody(ctx: Context) -> None:
    """SV-04: a thread whose session has no row is refused, and nothing is started for it."""
    web = ctx.platform
    thread, lost = f"lost{ctx.tag}", f"{web.client_id}-lost"
    with ctx.check("SV-04") as check:
        await web.tables.put_mapping(thread, session_id=lost, container_id=f"{lost}-container")
        reply = await web.hermes.resume_preview(thread)
        check.saw(**reply.evidence())
        reply.expect("waking a session that has no row")
        status = "status for a session that has no row"
        check.one_of(status, reply.status, wanted={404}, tolerated={500})  # today's answer: contract Q2
        expect.contains("message for a session that has no row", reply.message(), "not found")
        expect.empty("tasks started for a session that has no row", await web.tasks.own())


async def is_started(ctx: Context, sleeper: Sleeper) -> None:
    """SV-03: once the wake is accepted, the container's row says `starting`, then `running`."""
    web = ctx.platform
    states: list[str] = []

    async def look() -> str:
        # The platform may write the row under the session's id (contract Q7).
        rows = [await web.tables.container(key) for key in (sleeper.container_id, sleeper.session_id)]
        told = [row.status for row in rows if row is not None]
        states.append(
            next((state for state in reversed(told) if state not in ASLEEP), told[0] if told else "gone")
        )
        return states[-1]

    with ctx.check("SV-03", essential=True) as check:
        reply = await web.hermes.resume_preview(sleeper.thread)
        check.saw(**reply.evidence())
        reply.expect("waking a stopped container", 201)
        await ctx.eventually(
            look,
            until=lambda state: state == "running",
            within=2 * web.settings.target_wake,
            what=f"row of container {sleeper.container_id} running after the wake",
            pace=DEAR,
        )
        check.saw(states=states)
        if "starting" not in states and any(state in ASLEEP for state in states):
            raise Unexpected(
                f"unexpected: row of container {sleeper.container_id} while it started: wanted 'starting', "
                f"got {' → '.join(dict.fromkeys(states))} (who wakes it meanwhile starts it once more)"
            )
        await chats.until_ready(ctx, sleeper.row, within=2 * web.settings.target_wake)


async def is_left_as_it_is(ctx: Context, sleeper: Sleeper) -> None:
    """SV-01: a running container keeps its task, and no other is started."""
    web = ctx.platform
    with ctx.check("SV-01", essential=True) as check:
        woken = await sleepers.keyed_by_session(ctx, sleeper)
        if woken is not None:
            check.degrade(sleepers.BY_SESSION)
            await sleepers.write_running(ctx, sleeper, woken)
        before, row = await web.tasks.own(), await web.tables.container(sleeper.container_id)
        reply = await web.hermes.resume_preview(sleeper.thread)
        check.saw(**reply.evidence())
        reply.expect("waking a running container", 201)
        expect.equal("state told of a running container", reply.json().get("status"), "running")
        after, now = await web.tasks.own(), await web.tables.container(sleeper.container_id)
        started = sorted({task.arn for task in after} - {task.arn for task in before})
        expect.empty("tasks started for a container that ran already", started)
        if row is not None and now is not None:
            expect.equal("task in the row of a running container", now.task_arn, row.task_arn)


async def is_found_by_its_thread(ctx: Context, sleeper: Sleeper) -> None:
    """SV-06: of two chats in one container, each thread leads to its own session."""
    web = ctx.platform
    thread = f"other{ctx.tag}"
    session_id = f"{web.client_id}-{PROJECT}-{thread}"
    with ctx.check("SV-06") as check:
        await web.tables.put_session(
            session_id,
            status="idle",
            user=sleeper.user,
            threadId=thread,
            chatThreadId=thread,
            containerId=sleeper.container_id,
            projectId=PROJECT,
        )
        await web.tables.put_mapping(thread, session_id=session_id, container_id=sleeper.container_id)
        for asked, wanted in ((thread, session_id), (sleeper.thread, sleeper.session_id)):
            reply = await web.hermes.resume_preview(asked)
            reply.expect(f"waking the thread {asked}", 201)
            check.saw(**{asked: reply.told()})
            expect.equal(f"session that the thread {asked} leads to", reply.json().get("sessionId"), wanted)


async def all_at_once_are_answered(ctx: Context, sleeper: Sleeper) -> None:
    """SA-09: five who ask at once are all answered that it runs."""
    web = ctx.platform
    with ctx.check("SA-09") as check:
        asks = (web.hermes.resume_preview(sleeper.thread) for _ in range(AT_ONCE))
        replies = await asyncio.gather(*asks)
        check.saw(statuses=[reply.status for reply in replies], took=[reply.took for reply in replies])
        for reply in replies:
            reply.expect(f"each of {AT_ONCE} wakes of a running container at once", 201)
            expect.equal("state told to each of them", reply.json().get("status"), "running")


async def one_alone_is_answered_soon(ctx: Context, sleeper: Sleeper) -> None:
    """SA-10: one who asks alone has the answer in half a second; the quickest of three shows what it can do."""
    settings = ctx.platform.settings
    with ctx.check("SA-10") as check:
        replies = [await ctx.platform.hermes.resume_preview(sleeper.thread) for _ in range(ALONE)]
        took = [reply.took for reply in replies]
        check.saw(took=took)
        for reply in replies:
            reply.expect("one wake of a running container", 201)
        expect.within("answer to one wake", min(took), settings.target_resume_running)
        if min(took) >= settings.target_resume_single:
            check.degrade(
                f"answer to one wake: wanted under {settings.target_resume_single.total_seconds():g} s, "
                f"accepted {min(took).total_seconds():.3f} s"
            )


async def is_told_that_somebody_is_back(ctx: Context, sleeper: Sleeper) -> None:
    """SV-02: an idle container that named a queue for it gets the wake message, and its row says `running`."""
    web = ctx.platform
    with ctx.check("SV-02") as check:
        ours = await web.queues.create(f"{web.client_id}-wakes")  # nobody serves it, so what comes stays there
        await web.tables.update_container(
            sleeper.container_id, status="idle", managementQueueUrl=ours.input_url
        )
        reply = await web.hermes.resume_preview(sleeper.thread)
        check.saw(**reply.evidence())
        reply.expect("waking an idle container", 201)
        expect.equal("state told of an idle container", reply.json().get("status"), "running")
        message = await web.queues.taken(ours.input_url, web.settings.response_wait)
        check.saw(message=message)
        expect.true("the wake message on an idle container's management queue", message, wanted="one")
        expect.equal("type of the wake message", _type(message or ""), "wake")
        row = await web.tables.container(sleeper.container_id)
        expect.equal("row of an idle container after the wake", row.status if row else "gone", "running")


def _type(message: str) -> object:
    try:
        told = json.loads(message)
    except ValueError:
        return f"no JSON: {message[:80]!r}"
    return told.get("type") if isinstance(told, dict) else f"no JSON object: {message[:80]!r}"
