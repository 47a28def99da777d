"""A container that crashes, and what must be as it was when it is back (FR-01, FR-04, CH-03)."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from probes import chats
from probes.chats import Chat
from probes.crowds import FILE
from probes.platform import Context
from probes.platform.phases import Instants, start_phases
from probes.platform.values import ContainerRow, Reply, SessionRow, TaskView
from probes.platform.workspace import Workspace
from synthetics.contract import expect
from synthetics.contract.waiting import DEAR, Sighting
from synthetics.errors import TimedOut, Unexpected
from synthetics.model.timing import Phase

REASON = "Synthetic monitoring: the container crashes"
#: What a site of the platform always has, and what this chat asked for.
FILES = ("package.json", FILE)
#: How long the first of two who wake a crashed container waits before they hang up.
HASTY = timedelta(milliseconds=100)
NO_CRASH = "no container was there to crash, see FR-01"
UNMARKED = "no task bears its id or its session's, and others' tasks are not stopped"
NOT_BACK = "the container did not come back in time, see FR-01"
#: States of a container's row in which resume-preview would start nothing, or somebody starts already.
_BUSY = frozenset({"running", "idle", "stopping", "starting"})
#: What belongs to a task, or to what it is doing, and not to the session or the container.
_OF_THE_TASK = frozenset(
    {
        "status",
        "task_arn",
        "container_ip",
        "last_activity",
        "last_started",
        "stopped_at",
        "ttl",
        "lapsed",
        "session_count",
    }
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the tables say of a chat."""

    session: SessionRow
    container: ContainerRow | None


@dataclass(frozen=True, slots=True)
class Crash:
    """A chat whose container was stopped from outside: what was there before, and when it happened.

    `sent` and `ended` are monotonic instants: before the first task was stopped, and when ECS told its end.
    """

    chat: Chat
    container_id: str
    before: Rows
    workspace: Workspace | None
    files: tuple[str, ...]
    tasks: frozenset[str]
    sent: float
    sent_at: datetime
    ended: float


async def crashes(ctx: Context, chat: Chat) -> Crash | None:
    """The chat's container is up, has its work saved, and is stopped from outside; None if it was not."""
    web = ctx.platform
    crash, reason = None, NO_CRASH
    with ctx.check("FR-01") as check:
        await chats.until_ready(ctx, chat.row)
        await chats.map_thread(ctx, chat)  # so that it stays awake, and can be woken by its thread
        container_id = await chats.container_of(ctx, chat)
        await ctx.eventually(
            lambda: chats.fresh_row(ctx, chat),
            until=lambda row: row.status != "initializing",
            within=web.settings.container_ready_timeout,
            what=f"session {chat.session_id} active",
            pace=DEAR,
        )
        workspace, refusal = chats.window(ctx, chat)
        files = await _files(ctx, workspace)
        if FILE not in files:
            check.degrade(f"a lost workspace, cloned anew, would not be seen: {refusal or f'no {FILE}'}")
        tasks = await _tasks(ctx, chat, container_id)
        check.saw(container=container_id, tasks=[task.arn for task in tasks], files=list(files))
        if tasks:
            crash = await _stopped(ctx, chat, container_id, tasks, workspace, files)
        else:
            check.degrade(f"container {container_id} was not stopped: {UNMARKED}")
            reason = UNMARKED
    if crash is None:
        ctx.skip("FR-04", reason)
        ctx.skip("CH-03", reason)
    return crash


async def _stopped(
    ctx: Context,
    chat: Chat,
    container_id: str,
    tasks: Sequence[TaskView],
    workspace: Workspace | None,
    files: tuple[str, ...],
) -> Crash:
    """Stop the container's tasks, and wait until ECS tells that they have ended."""
    web = ctx.platform
    before = await _rows(ctx, chat, container_id)
    sent, sent_at = ctx.instant(), ctx.now()
    for task in tasks:
        await web.tasks.stop(task, REASON)
    ended = await ctx.sighting(
        lambda: asyncio.gather(*(web.tasks.describe(task.arn) for task in tasks)),
        until=lambda views: all(map(_ended, views)),
        within=web.settings.task_stop_wait,
        what=f"tasks of container {container_id} stopped",
        pace=DEAR,
    )
    arns = frozenset(task.arn for task in tasks)
    return Crash(chat, container_id, before, workspace, files, arns, sent, sent_at, ended.at)


def _ended(task: TaskView | None) -> bool:
    return task is None or task.stopped or task.execution_stopped_at is not None


async def _files(ctx: Context, workspace: Workspace | None) -> tuple[str, ...]:
    """Which of the files are there, once the one that was asked for is, or has had its time."""
    if workspace is None:
        return ()
    try:
        await ctx.eventually(
            lambda: workspace.exists(FILE),
            until=bool,
            within=ctx.platform.settings.target_response,
            what=f"{FILE} in the workspace",
            pace=DEAR,
        )
    except TimedOut:
        ctx.fact("edit_applied", f"no: {FILE} did not come")
    return tuple([name for name in FILES if await workspace.exists(name)])


async def _rows(ctx: Context, chat: Chat, container_id: str) -> Rows:
    return Rows(await chats.fresh_row(ctx, chat), await ctx.platform.tables.container(container_id))


async def _tasks(ctx: Context, chat: Chat, container_id: str) -> list[TaskView]:
    """The tasks of the chat's container that nobody has told to stop."""
    tasks = await ctx.platform.tasks.own(container_id=container_id, session_id=chat.session_id)
    return [task for task in tasks if not task.leaving]


async def comes_back(ctx: Context, crash: Crash) -> None:
    """FR-01 and FR-04: within two minutes it answers again, as a new task, with its files and its rows.

    ECS starts tasks of a service again, and a platform may start others; where neither happens, the chat is
    woken once (contract Q33).
    """
    web = ctx.platform
    with ctx.check("FR-01") as check:
        path = "itself" if await _restarts_itself(ctx, crash) else "wake"
        if not await _row_is_kept(ctx, crash):
            check.degrade("the session's row is gone: the multi-session platform deletes it on release")
            ctx.skip("FR-04", "the multi-session platform deleted the session's row with its container")
            ctx.skip("CH-03", "there is no session to wake")
            return
        woken = ctx.instant(), ctx.now()
        if path == "wake":
            await _woken(ctx, crash)
        else:
            ctx.skip("CH-03", "the platform restarted the container by itself, so nobody asked twice")
        ready = await chats.until_ready(ctx, crash.chat.row, within=2 * web.settings.target_restart)
        phases = await _phases(ctx, crash, path, woken, ready)
        timing = ctx.measure("restart", since=crash.sent, until=ready, path=path, phases=phases)
        check.saw(path=path, took=timing.took)
        expect.within(f"recovery of a crashed container (by {path})", timing.took, web.settings.target_restart)
    if check.failed:
        ctx.skip("FR-04", NOT_BACK)
        ctx.skip("CH-03", NOT_BACK)
        return
    await _as_it_was(ctx, crash)
    if path == "wake":
        await _only_one(ctx, crash)


async def _row_is_kept(ctx: Context, crash: Crash) -> bool:
    """Whether the session still has its row. Raises Unexpected where it should, and does not."""
    if await ctx.platform.tables.session(crash.chat.session_id) is not None:
        return True
    if crash.before.session.generation_b:
        return False
    raise Unexpected(
        f"unexpected: row of session {crash.chat.session_id} after its container crashed: wanted it "
        "(rows outlive containers, contract §6.3), got none"
    )


async def _restarts_itself(ctx: Context, crash: Crash) -> bool:
    """Whether a new task came without our asking, in the time it is given for that.

    Longer, if the container's row does not say yet that it stopped: to wake it would start nothing then.
    """
    settings = ctx.platform.settings
    due = crash.ended + settings.restart_wait.total_seconds()

    async def look() -> tuple[list[TaskView], str]:
        tasks = await _tasks(ctx, crash.chat, crash.container_id)
        row = await ctx.platform.tables.container(crash.container_id)
        return tasks, row.status if row is not None else "gone"

    try:
        tasks, _ = await ctx.eventually(
            look,
            until=lambda seen: seen[0] or (ctx.instant() >= due and seen[1] not in _BUSY),
            within=max(settings.target_restart / 2, settings.restart_wait),
            what=f"container {crash.container_id} restarted, or its row saying that it stopped",
            pace=DEAR,
        )
    except TimedOut as error:
        ctx.fact("crash_noticed", f"no: {error}")
        return False
    return bool(tasks)


async def _woken(ctx: Context, crash: Crash) -> None:
    """Two requests to wake it: the first is given up at once, as by a caller whose patience ended."""
    hermes, thread = ctx.platform.hermes, crash.chat.row.need("thread_id")
    try:
        async with asyncio.timeout(HASTY.total_seconds()):
            first = (await hermes.resume_preview(thread)).told()
    except TimeoutError:
        first = f"given up after {HASTY.total_seconds():g} s"
    ctx.fact("first_wake", first)
    reply = await hermes.resume_preview(thread)
    reply.expect("waking a crashed container", 201)


async def _phases(
    ctx: Context, crash: Crash, path: str, woken: tuple[float, datetime], ready: Sighting[Reply]
) -> tuple[Phase, ...]:
    """How the restart was spent: until the end, until somebody woke it, and then as any start."""
    try:
        tasks = await ctx.eventually(
            lambda: _tasks(ctx, crash.chat, crash.container_id),
            until=lambda tasks: any(task.started_at for task in tasks),
            within=ctx.platform.settings.index_lag,
            what="the task in its place, started",
            pace=DEAR,
        )
    except TimedOut:
        tasks = []
    task = next((task for task in tasks if task.started_at), None)
    if path == "itself":  # nobody asked for it: all until there is a task is waiting for one
        return _split(ctx, Instants(crash.sent, crash.sent_at, crash.sent, ready.at), task, ready)
    sent, sent_at = woken
    started = _split(ctx, Instants(sent, sent_at, healthy=ready.at), task, ready)
    end = Phase("end", timedelta(seconds=crash.ended - crash.sent))
    return (end, Phase("wait", timedelta(seconds=sent - crash.ended)), *started)


def _split(
    ctx: Context, instants: Instants, task: TaskView | None, ready: Sighting[Reply]
) -> tuple[Phase, ...]:
    split = start_phases(instants, task, until=ready.at)
    if split.clock_skew:
        ctx.fact("clock_skew_seconds", f"{split.clock_skew.total_seconds():.3f}")
    return split.phases


async def _as_it_was(ctx: Context, crash: Crash) -> None:
    """The rest of FR-01, and FR-04: a new task, the files, and rows that say what they said."""
    with ctx.check("FR-01") as check:
        tasks = await _tasks(ctx, crash.chat, crash.container_id)
        arns = [task.arn for task in tasks]
        expect.true(f"tasks after the restart {arns}", set(arns) - crash.tasks, wanted="a new one")
        if crash.workspace is not None:
            lost = [name for name in crash.files if not await crash.workspace.exists(name)]
            expect.empty("files of before the crash that are no longer in the workspace", lost)
    with ctx.check("FR-04") as check:
        changed = await _changed(ctx, crash)
        check.saw(changed=changed)
        expect.empty("attributes of rows that say something else than before the crash", changed)
        container = (await _rows(ctx, crash.chat, crash.container_id)).container
        known = crash.before.container
        if container is not None and known is not None and container.created_at != known.created_at:
            check.degrade("the container's row was made anew: its createdAt is later than before the crash")


async def _changed(ctx: Context, crash: Crash) -> list[str]:
    """What the rows say differently than before, once those who write them have had their time.

    Whoever brings the session back writes to its row after its container answers: until the row is in use
    again, it says nothing of that yet.
    """

    async def look() -> tuple[list[str], bool]:
        now, before = await _rows(ctx, crash.chat, crash.container_id), crash.before
        found = differences("session", before.session, now.session)
        if before.container is not None:
            found += differences("container", before.container, now.container, tolerated={"created_at"})
        return found, now.session is not None and now.session.terminal

    try:
        changed, _ = await ctx.eventually(
            look,
            until=lambda seen: seen == ([], False),
            within=ctx.platform.settings.index_lag,
            what="rows as before",
            pace=DEAR,
        )
    except TimedOut:
        changed, _ = await look()
    return changed


def differences(
    row: str,
    before: SessionRow | ContainerRow,
    now: SessionRow | ContainerRow | None,
    tolerated: Collection[str] = (),
) -> list[str]:
    """A phrase for each attribute, but the task's own, that was set before and says something else now."""
    if now is None:
        return [f"{row} row: gone"]
    told = []
    for attribute in (each.name for each in fields(before) if each.name not in {*_OF_THE_TASK, *tolerated}):
        old, new = getattr(before, attribute), getattr(now, attribute)
        if old and old != new:
            told.append(f"{row} {attribute}: {old} → {new}")
    return told


async def _only_one(ctx: Context, crash: Crash) -> None:
    """CH-03: a wake that was given up and asked for again has started one task, not two."""
    with ctx.check("CH-03") as check:
        living = await _tasks(ctx, crash.chat, crash.container_id)
        tasks = [task for task in living if task.arn not in crash.tasks]
        check.saw(tasks=[str(task) for task in tasks])
        expect.at_most("living tasks of a container that was asked to wake, and asked again", len(tasks), 1)
