"""Why something did not come: the likely cause, drawn from what the platform itself tells."""

from probes.platform import Context
from probes.platform.values import SessionRow, TaskView
from synthetics.errors import PlatformError, ProbeBroken

_LONGEST_LINE = 200


async def why_not_ready(ctx: Context, session: SessionRow) -> tuple[str, dict[str, object]]:
    """The likely cause of a container that never answered, from rows, ECS and its log; and that evidence."""
    web = ctx.platform
    try:
        row = await web.tables.session(session.session_id)
        tasks = await _tasks_of(ctx, row or session)
    except PlatformError as error:
        return f"and neither rows nor tasks could be read: {error}", {}
    state = row.status if row else "no row"
    evidence: dict[str, object] = {"session_status": state, "tasks": [_told(task) for task in tasks]}
    newest = next(iter(tasks), None)
    if newest is None:
        return f"no task was ever started for it (session {state})", evidence
    evidence["log"] = log = await last_words(ctx, newest)
    if newest.stopped:
        why = newest.stopped_reason or newest.stop_code or "no reason given"
        return _with_log(f"its task stopped: {why}", log), evidence
    if newest.running and await _keyed_by_session(ctx, session):
        return (
            "its task runs, but the container's row is keyed by the session's id (contract Q7), where the "
            "router does not look for it"
        ), evidence
    if newest.running:
        evidence["container_status"] = told = await _state_told(ctx, newest)
        silent = (
            "its health never answered" if told != "starting" else "its container's row still says starting"
        )
        return _with_log(f"its task runs, but {silent}", log), evidence
    return f"its task is still {newest.last_status}", evidence


async def _keyed_by_session(ctx: Context, session: SessionRow) -> bool:
    """Whether the row that a wake wrote is another than the one that the session names."""
    if session.container_id in (None, session.session_id):
        return False
    try:
        woken = await ctx.platform.tables.container(session.session_id)
    except PlatformError:
        return False
    return woken is not None


async def _tasks_of(ctx: Context, session: SessionRow) -> list[TaskView]:
    """The tasks of the session's container; where its row names none, those of its client. Newest first."""
    tasks = ctx.platform.tasks
    if session.container_id is None:
        return await tasks.own(stopped=True)
    return await tasks.own(container_id=session.container_id, session_id=session.session_id, stopped=True)


async def _state_told(ctx: Context, task: TaskView) -> str | None:
    """What the row of the task's container says; None if there is none to be read."""
    try:
        row = await ctx.platform.tables.container(task.container_id) if task.container_id else None
    except PlatformError:  # it is only evidence
        return None
    return row.status if row else None


async def last_words(ctx: Context, task: TaskView) -> list[str]:
    """The end of a task's log; that it cannot be read is only told, since nothing leans on it."""
    try:
        return await ctx.platform.logs.tail(task)
    except (PlatformError, ProbeBroken) as error:
        return [f"(the log could not be read: {error})"]


def _with_log(cause: str, log: list[str]) -> str:
    return f"{cause}; its log ends with {log[-1][:_LONGEST_LINE]!r}" if log else cause


def _told(task: TaskView) -> dict[str, object]:
    return {
        "task": task.id,
        "status": task.last_status,
        "created": task.created_at,
        "pull": [task.pull_started_at, task.pull_stopped_at],
        "started": task.started_at,
        "stopped_reason": task.stopped_reason,
    }
