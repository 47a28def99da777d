"""Auto-sleep (contract §5.6, §12.6): a quiet container saves its work, leaves, and comes back by a message."""

from datetime import datetime, timedelta
from itertools import pairwise

from probes import chats
from probes.cases import cases
from probes.chats import Chat, essential
from probes.commanding import create, heard, in_time, measure_response, succeeded
from probes.dialogue import Dialogue
from probes.factories import conversation_in
from probes.platform import Context
from probes.platform.phases import Instants, fitting, stop_phases
from probes.platform.values import ContainerRow
from probes.timings import RESPONSE, SHUTDOWN, wake
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut
from synthetics.model.timing import ZERO, Phase

OPEN = Step("a_chat_is_opened", budget=timedelta(seconds=60))
TALK = Step("a_command_is_answered", budget=timedelta(seconds=30))
STAY = Step("it_stays_while_threads_are_mapped", budget=timedelta(seconds=30), sleeps=2)
SLEEP = Step("it_goes_to_sleep", budget=timedelta(seconds=30), sleeps=1)
WAKE = Step("a_message_wakes_it", budget=timedelta(seconds=60))
CLEAN = Step("it_sleeps_again_with_nothing_to_save", budget=timedelta(seconds=60), sleeps=1)

SPEC = ProbeSpec(
    name="auto-sleep",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=1),
    timeout=timedelta(minutes=12),
    sleeps=4,
    steps=(OPEN, TALK, STAY, SLEEP, WAKE, CLEAN),
    cases=cases("AS-01", "AS-03", "AS-04", "AS-05", "AS-06", "AS-08", "AS-09"),
    timings=(RESPONSE, SHUTDOWN, wake("message")),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)

UNSAVED = "unsaved.txt"
#: ECS' word for the stop of a task whose container ended of its own accord.
BY_ITSELF = ("EssentialContainerExited",)
#: The legal ways of a container's state (contract §3.3); waking is another container's life.
LEGAL = {
    ("starting", "running"), ("running", "idle"), ("idle", "running"), ("running", "stopping"),
    ("idle", "stopping"), ("stopping", "stopped"), ("running", "stopped"), ("idle", "stopped"),
}  # fmt: skip


@probe(SPEC)
async def auto_sleep(ctx: Context) -> None:
    """Someone who leaves a chat alone finds all their work in it when they write again."""
    ctx.cleanup(ctx.platform.clean_up)
    ctx.fact("session_factory", "http")

    async with ctx.step(OPEN):
        chat = await chats.open_chat(ctx, "Add a page about us")
        container_id = await chats.container_of(ctx, chat)
        if ctx.allowed("AS-04"):
            await chats.map_thread(ctx, chat)  # before it is up, so that it does not go to sleep while we look
        await chats.until_ready(ctx, chat.row)
        with essential(ctx, "AS-01"):
            await registers_running(ctx, container_id)

    async with ctx.step(TALK):
        await command_is_answered(ctx, chat, container_id)

    if ctx.allowed("AS-04"):
        async with ctx.step(STAY):
            await stays_while_mapped(ctx, chat, container_id)

    async with ctx.step(SLEEP):
        unsaved = await leave_work_unsaved(ctx, chat)
        await goes_to_sleep(ctx, chat, container_id)

    async with ctx.step(WAKE):
        woken = await message_wakes(ctx)
        if unsaved:
            await work_is_saved(ctx, woken)

    async with ctx.step(CLEAN):
        if ctx.allowed("AS-08"):
            await clean_tree_is_left_alone(ctx, woken)


async def registers_running(ctx: Context, container_id: str) -> None:
    """AS-01: a container that answers has written into its row that it runs."""
    web = ctx.platform
    await ctx.eventually(
        lambda: web.tables.container(container_id),
        until=lambda row: row is not None and row.status == "running",
        within=web.settings.target_health_check,
        what=f"row of container {container_id} running",
        pace=DEAR,
    )


async def command_is_answered(ctx: Context, chat: Chat, container_id: str) -> None:
    """Measure how long a command takes until its response is here, where the container has queues."""
    queues = await ctx.platform.queues.find(container_id)
    if queues is None:
        ctx.fact("commands", "not sent: the container has no queues")
        return
    conversation = conversation_in(chat, queues)
    dialogue = Dialogue(ctx, queues)
    await dialogue.at_rest(conversation)
    answer = await heard(ctx, dialogue, await dialogue.say(conversation, create("notes.txt", ctx)))
    if answer.response.told_interrupted:
        # The platform sends activate's instruction in its own time, and whatever is newer interrupts.
        answer = await heard(ctx, dialogue, await dialogue.say(conversation, create("notes.txt", ctx)))
    measure_response(ctx, answer)
    succeeded("response to a command", answer.response)
    in_time(ctx, answer)


async def stays_while_mapped(ctx: Context, chat: Chat, container_id: str) -> None:
    """AS-04 and AS-03: with a thread mapped the container outlives the idle limit, and notes its activity."""
    web = ctx.platform
    await web.tables.put_mapping(
        chat.row.need("thread_id"), session_id=chat.session_id, container_id=container_id
    )
    until = ctx.instant() + (1.2 * web.settings.idle_timeout).total_seconds()
    seen: list[ContainerRow] = []
    states: list[str] = []

    async def look() -> ContainerRow | None:
        row = await web.tables.container(container_id)
        if row is not None:
            seen.append(row)
        states.append(row.status if row else "no row")
        return row

    with ctx.check("AS-04") as check:
        await ctx.eventually(
            look,
            until=lambda row: ctx.instant() >= until or row is None or row.status in ("stopping", "stopped"),
            within=2 * web.settings.idle_timeout + web.settings.scale_down_timeout,
            what="the idle limit to pass",
            pace=DEAR,
        )
        check.saw(idle_limit=web.settings.idle_timeout, states=states)
        expect.one_of("state of a mapped container after the idle limit", states[-1], ("running", "idle"))
        expect.at_least("its tasks after the idle limit", len(await web.tasks.own()), 1)
    if check.failed:
        ctx.skip("AS-03", "the container did not stay awake, so there was no activity to note")
        return
    await notes_its_activity(ctx, chat, container_id, seen)


async def notes_its_activity(ctx: Context, chat: Chat, container_id: str, seen: list[ContainerRow]) -> None:
    """AS-03: while somebody looks at the preview, the row's time of activity moves, and not too often.

    `seen` is the row as it was read until now. The mapping is still there, so nothing goes to sleep meanwhile.
    """
    web = ctx.platform
    every = web.settings.activity_write

    async def used() -> list[datetime]:
        await web.alb.preview(preview)
        row = await web.tables.container(container_id)
        if row is not None:
            seen.append(row)
        return _writes(seen)

    with ctx.check("AS-03") as check:
        preview = await chats.preview_of(ctx, chat)
        try:
            await ctx.eventually(
                used,
                until=lambda writes: len(writes) >= 2,
                within=2.5 * every + web.settings.target_warm_start,
                what=f"two writes of activity in the row of container {container_id}",
                pace=DEAR,
            )
        except TimedOut:  # how rarely a container writes is its own affair
            check.skip(f"too few writes of activity to compare: {len(_writes(seen))} since the chat was opened")
            return
        finally:
            check.saw(activity_writes=_writes(seen))
        apart = min(later - earlier for earlier, later in pairwise(_writes(seen)))
        least = 0.9 * every.total_seconds()
        expect.at_least("seconds between two writes of activity", apart.total_seconds(), least)


def _writes(seen: list[ContainerRow]) -> list[datetime]:
    """The times of activity that were written while we looked.

    The oldest was there before, and may be of another hand: Hermes notes activity too.
    """
    return sorted({row.last_activity for row in seen if row.last_activity is not None})[1:]


async def leave_work_unsaved(ctx: Context, chat: Chat) -> bool:
    """Put a file into the workspace that nobody commits, where that can be done.

    The threads are still mapped: a container that may go to sleep could do so just before the file is there.
    """
    if not ctx.allowed("AS-06"):
        return False
    workspace = chats.workspace_of(ctx, chat)
    if workspace is None or not workspace.writable:
        ctx.skip("AS-06", "the workspace cannot be written from here (FILE_CHECK)")
        return False
    await workspace.write(UNSAVED, f"left by {ctx.tag}\n")
    return True


async def goes_to_sleep(ctx: Context, chat: Chat, container_id: str) -> None:
    """AS-05 and AS-09: with no thread mapped, the container passes through its states and ends well."""
    web = ctx.platform
    await chats.unmap_threads(ctx)
    quiet = ctx.instant()
    states: list[str] = []

    async def look() -> bool:
        row = await web.tables.container(container_id)
        states.append(row.status if row else "stopped")
        return row is None or row.status == "stopped"

    with essential(ctx, "AS-05"):
        await ctx.eventually(
            look,
            until=bool,
            within=web.settings.sleep_patience,
            what=f"container {container_id} stopped after the idle limit",
            pace=DEAR,
        )
        gone = await ctx.sighting(
            web.tasks.own,
            until=lambda tasks: not tasks,
            within=web.settings.scale_down_timeout,
            what=f"tasks of container {container_id} gone",
            pace=DEAR,
        )
        task = await chats.ended_task(ctx, chat.row)
        whole = timedelta(seconds=gone.at - quiet)
        ending = fitting(stop_phases(task), whole) if task else ()
        idle = whole - sum((phase.took for phase in ending), ZERO)
        ctx.measure("shutdown", since=quiet, until=gone, phases=(Phase("idle", idle), *ending))
        # What was stopped from outside (by a cleanup or by its service, contract §5.6) may end with any code.
        if task is not None and task.exit_code is not None and task.stop_code in (None, *BY_ITSELF):
            expect.equal("exit code of a container that went to sleep", task.exit_code, 0)
    if ctx.allowed("AS-09"):
        with ctx.check("AS-09") as check:
            unknown = sorted(set(states) - ContainerRow.STATES)
            known = [state for state in states if state in ContainerRow.STATES]
            way = [state for n, state in enumerate(known) if n == 0 or state != known[n - 1]]
            check.saw(states=way, unknown=unknown)
            if unknown:
                check.degrade(f"states of container {container_id} that the contract does not know: {unknown}")
            wrong = [f"{one} → {other}" for one, other in pairwise(way) if (one, other) not in LEGAL]
            expect.empty("changes of state that the contract does not know", wrong)


async def message_wakes(ctx: Context) -> Chat:
    """Measure the wake by a message: the same user writes to the same thread, and the container answers."""
    chat = await chats.open_chat(ctx, "Add a page about them")
    ready = await chats.until_ready(ctx, chat.row)
    asked = chat.asked
    instants = Instants(asked.sent, asked.sent_at, chats.accepted(asked, chat.row), healthy=ready.at)
    spent = await chats.start_of(ctx, chat.row, instants, until=ready.at)
    ctx.measure("wake", since=asked.sent, until=ready, path="message", phases=spent)
    return chat


async def work_is_saved(ctx: Context, chat: Chat) -> None:
    """AS-06: what was not committed when the container went to sleep is there, committed as an auto-save."""
    workspace = chats.workspace_of(ctx, chat)
    assert workspace is not None
    with ctx.check("AS-06") as check:
        kept = await workspace.exists(UNSAVED)
        subjects = await workspace.log()
        check.saw(kept=kept, newest_commits=subjects[:5])
        expect.true(f"{UNSAVED}, left uncommitted before the sleep", kept, wanted="the file")
        saved = any("Auto-save: Container sleeping" in subject for subject in subjects)
        expect.true("a commit by auto-save before the sleep", saved, wanted="'Auto-save: Container sleeping …'")


async def clean_tree_is_left_alone(ctx: Context, chat: Chat) -> None:
    """AS-08: a container with nothing to save goes to sleep without a commit of its own."""
    web = ctx.platform
    workspace = chats.workspace_of(ctx, chat)
    if workspace is None or not workspace.outlives_container:
        ctx.skip("AS-08", "the workspace cannot be seen while its container sleeps (FILE_CHECK)")
        return
    with ctx.check("AS-08") as check:
        await ctx.eventually(
            workspace.status,
            until=lambda status: not status.dirty,
            within=web.settings.target_response,
            what="a clean working tree before the sleep",
            pace=DEAR,
        )
        await chats.unmap_threads(ctx)
        container_id = await chats.container_of(ctx, chat)
        # Its tasks too: the row under this id may say `stopped` from before the wake (contract Q7).
        await ctx.eventually(
            web.tasks.own,
            until=lambda tasks: not tasks,
            within=web.settings.sleep_patience,
            what="this run's tasks after the idle limit to be gone",
            pace=DEAR,
        )
        await ctx.eventually(
            lambda: web.tables.container(container_id),
            until=lambda row: row is None or row.status == "stopped",
            within=web.settings.scale_down_timeout,
            what=f"container {container_id} stopped after its tasks had gone",
            pace=DEAR,
        )
        subjects = await workspace.log()
        check.saw(newest_commits=subjects[:5])
        expect.at_most(
            "commits by auto-save, of which only the first had something to save",
            sum("Auto-save: Container sleeping" in subject for subject in subjects),
            1,
        )
