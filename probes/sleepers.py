"""Chats whose container sleeps, made by writing their rows (contract §12.6, Q26), and put to sleep again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.chats import PROJECT
from probes.platform import Context
from probes.platform.values import ContainerRow, SessionRow, TaskView
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut, Unexpected

#: Why a platform that is otherwise well wakes containers again that run (contract Q7).
BY_SESSION = (
    "the woken container's row is keyed by the session's id, and its own goes on saying that it is stopped, so "
    "that every further wake starts one more task (contract Q7)"
)
_LONG_IDLE = timedelta(minutes=21)


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A chat of this run's client; its session, its mapping and its container's row exist."""

    session_id: str
    thread: str
    container_id: str
    user: str
    row: SessionRow


async def fall_asleep(ctx: Context) -> Sleeper:
    """A chat that looks as if its container had gone to sleep: rows only, no task ever ran."""
    web = ctx.platform
    user, thread = web.hermes.user(f"sleeper-{ctx.tag}"), f"sleep{ctx.tag}"
    container_id = web.container_id(project=PROJECT, user=user, thread=thread)
    session_id = f"{web.client_id}-{PROJECT}-{thread}"
    await _write_rows(ctx, session_id=session_id, thread=thread, container_id=container_id, user=user)
    row = await web.tables.session(session_id)
    if row is None:
        raise Unexpected(f"unexpected: row of session {session_id}, just written: wanted it, got none")
    return Sleeper(session_id, thread, container_id, user, row)


async def put_to_sleep(ctx: Context, sleeper: Sleeper) -> None:
    """Stop the chat's own tasks, and let its rows say what auto-sleep would have left."""
    web = ctx.platform
    long_ago = _milliseconds(ctx.now() - _LONG_IDLE)
    await web.tables.update_container(sleeper.container_id, lastActivity=long_ago, status="stopping")
    for task in await web.tasks.own():
        await _stop(ctx, task)
    await _settled(ctx, sleeper)
    for late in await web.tasks.own():  # one that ECS told of only now (contract Q30)
        await _stop(ctx, late)
    # A wake may have written its row under the session's id (contract Q7): it would go on saying `running`.
    await web.tables.delete_container(sleeper.session_id)
    await _write_rows(
        ctx,
        session_id=sleeper.session_id,
        thread=sleeper.thread,
        container_id=sleeper.container_id,
        user=sleeper.user,
    )


async def _stop(ctx: Context, task: TaskView) -> None:
    web = ctx.platform
    await web.tasks.stop(task, "Synthetic monitoring: the chat goes to sleep")
    await ctx.eventually(
        lambda: web.tasks.describe(task.arn),
        until=lambda found: found is None or found.stopped,
        within=web.settings.task_stop_wait,
        what=f"{task} stopped",
        pace=DEAR,
    )


async def _settled(ctx: Context, sleeper: Sleeper) -> None:
    """Let the platform's own reaction to a stopped task pass by, so that it does not undo what we write."""

    async def woken() -> ContainerRow | None:
        by_session = await ctx.platform.tables.container(sleeper.session_id)  # contract Q7
        return by_session or await ctx.platform.tables.container(sleeper.container_id)

    try:
        await ctx.eventually(
            woken,
            until=lambda row: row is None or row.status == "stopped",
            within=ctx.platform.settings.target_queue_cleanup,
            what=f"row of container {sleeper.container_id} stopped",
            pace=DEAR,
        )
    except TimedOut:
        ctx.fact("stopped_task_handled", "no: the platform left the container row as it was")


async def _write_rows(ctx: Context, *, session_id: str, thread: str, container_id: str, user: str) -> None:
    web, now = ctx.platform, ctx.now()
    await web.tables.put_container(
        container_id,
        status="stopped",
        projectId=PROJECT,
        userId=user,
        sessionCount=1,
        lastActivity=_milliseconds(now - _LONG_IDLE),
        stoppedAt=_milliseconds(now),
    )
    await web.tables.put_session(
        session_id,
        status="idle",
        user=user,
        threadId=thread,
        chatThreadId=thread,
        containerId=container_id,
        projectId=PROJECT,
    )
    await web.tables.put_mapping(
        thread, session_id=session_id, container_id=container_id, projectId=PROJECT, userId=user
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def until_running(ctx: Context, sleeper: Sleeper) -> None:
    """Wait until the container's row says `running`. Raises TimedOut with what it says instead.

    The platform may write the row under the session's id (contract Q7): that is accepted, and kept as a fact.
    """
    web = ctx.platform

    async def rows() -> tuple[ContainerRow | None, ContainerRow | None]:
        return await web.tables.container(sleeper.container_id), await web.tables.container(sleeper.session_id)

    try:
        own, _ = await ctx.eventually(
            rows,
            until=lambda found: any(row is not None and row.status == "running" for row in found),
            within=web.settings.target_wake,
            what=f"row of container {sleeper.container_id} running",
            pace=DEAR,
        )
    except TimedOut as error:
        tasks = await web.tasks.own()
        row, _ = await rows()
        said = row.status if row else "gone"
        states = sorted(task.last_status for task in tasks) or ["no task"]
        raise TimedOut(
            f"unexpected: row of container {sleeper.container_id}: wanted running, still {said} "
            f"(its tasks: {', '.join(states)})",
            **error.evidence,
        ) from error
    if own is None or own.status != "running":
        ctx.fact("woken_row_key", "sessionId (contract Q7)")


async def keyed_by_session(ctx: Context, sleeper: Sleeper) -> ContainerRow | None:
    """The row of the woken container if it is keyed by the session's id and its own says otherwise (Q7)."""
    own = await ctx.platform.tables.container(sleeper.container_id)
    if own is not None and own.status in ("running", "idle"):
        return None
    other = await ctx.platform.tables.container(sleeper.session_id)
    return other if other is not None and other.status in ("running", "idle") else None


async def write_running(ctx: Context, sleeper: Sleeper, woken: ContainerRow) -> None:
    """Let the container's own row say what the one under the session's id says: that it runs, and where."""
    told = {"taskArn": woken.task_arn, "containerIp": woken.container_ip}
    known = {name: value for name, value in told.items() if value}
    await ctx.platform.tables.update_container(sleeper.container_id, status="running", **known)


@dataclass(frozen=True, slots=True)
class Before:
    """This run's tasks when something was asked for, and that instant."""

    tasks: frozenset[str]
    asked: float


async def before(ctx: Context, *, since: float) -> Before:
    """The tasks there are now; whatever was started until `since` is among them."""
    await _lists_tell(ctx, since)
    return Before(frozenset(task.arn for task in await ctx.platform.tasks.own()), ctx.instant())


async def started(ctx: Context, then: Before) -> list[str]:
    """The tasks that came since, once ECS tells of all of them: its lists lag (contract Q30)."""
    await _lists_tell(ctx, then.asked)
    return sorted({task.arn for task in await ctx.platform.tasks.own()} - then.tasks)


async def _lists_tell(ctx: Context, since: float) -> None:
    left = ctx.platform.settings.index_lag - timedelta(seconds=ctx.instant() - since)
    if left > timedelta(0):
        await ctx.pause(left)
