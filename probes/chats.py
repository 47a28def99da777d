"""Parts that scenarios share: opening a chat, waiting for its container, and why that did not come."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from probes.diagnosis import why_not_ready
from probes.looks import RouterLooks
from probes.platform import Context, pages
from probes.platform.dialects import FileCheck, RoutingDialect
from probes.platform.phases import Instants, start_phases
from probes.platform.values import Activation, Reply, SessionRow, TaskView
from probes.platform.workspace import Place, Workspace
from synthetics.contract.waiting import DEAR, Sighting
from synthetics.errors import ProbeBroken, TimedOut, Unexpected
from synthetics.model.timing import Phase

#: The seeds' user and project; the client is always this run's own.
USER, PROJECT, THREAD = "visitor", "site", "first"
#: How late ECS' own telling may be (contract Q30).
_ECS_LAG = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Chat:
    """A session that was asked for, and its row."""

    asked: Activation
    row: SessionRow

    @property
    def session_id(self) -> str:
        return self.asked.session_id

    @property
    def branch(self) -> str:
        """The chat's branch (contract §6.2): as its row tells, or composed of its thread's id."""
        return self.row.edit_branch or f"thread-{self.row.need('thread_id')}"

    @property
    def thread(self) -> str:
        """The thread's id as commands carry it: a container makes the branch `thread-{id}` of it."""
        return self.branch.removeprefix("thread-")


@contextmanager
def essential(ctx: Context, *cases: str) -> Iterator[None]:
    """Check these cases, as far as they may be checked here; a failure ends the run in any case."""
    with ExitStack() as stack:
        for case in cases:
            if ctx.allowed(case):
                stack.enter_context(ctx.check(case, essential=True))
        yield


async def open_chat(
    ctx: Context,
    instruction: str,
    *,
    thread: str = THREAD,
    user: str = USER,
    project: str = PROJECT,
    client: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Chat:
    """A session asked for by this run's client, once its row can be seen; it can be reached by its preview.

    `client` is the suffix of a further client of this run. Raises PlatformError.
    """
    web = ctx.platform
    asked = await web.hermes.activate(
        instruction,
        user=f"{user}-{ctx.tag}",
        project=project,
        thread=f"{thread}-{ctx.tag}",
        client=client,
        metadata=metadata,
    )
    ctx.fact("session_looked_up", asked.looked_up)
    row = await ctx.eventually(
        lambda: web.tables.session(asked.session_id),
        until=lambda row: row is not None,
        within=web.settings.target_warm_start,
        what=f"row of session {asked.session_id}",
        pace=DEAR,
    )
    assert row is not None
    if not web.guard.owns("session", asked.session_id):
        raise Unexpected(
            f"unexpected: session that activate answered with: wanted one of {asked.client_id}, got {row} of "
            f"{row.client_id or 'another user'}, which is not this run's; it was left alone",
            **asked.reply.evidence(),
        )
    if row.container_id:
        await web.note_container(row.container_id)
    if web.settings.routing_dialect is RoutingDialect.LAMBDA:
        await map_thread(ctx, Chat(asked, row), project=project)
    return Chat(asked, row)


def answered_late(chat: Chat) -> str | None:
    """What to say of a session that was found by its row, because activate timed out; None if it answered."""
    asked = chat.asked
    return f"activate was not answered in time: {asked.reply.told()}" if asked.looked_up else None


async def container_of(ctx: Context, chat: Chat, *, project: str = PROJECT) -> str:
    """The id of the chat's container, as its row or its task tells it; else composed as the platform does.

    A row may come to name its container only after it was made, so this waits for it.
    """
    try:
        told = await ctx.eventually(
            lambda: _told_container(ctx, chat),
            until=lambda told: told is not None,
            within=ctx.platform.settings.target_warm_start,
            what=f"container of session {chat.session_id}",
            pace=DEAR,
        )
    except TimedOut:
        told = None
    return told or await _composed_container(ctx, chat, project)


async def _told_container(ctx: Context, chat: Chat) -> str | None:
    """The container's id as the session's row has it, or the tag or CONTAINER_ID of the session's task."""
    web = ctx.platform
    if chat.row.container_id:
        return chat.row.container_id
    row = await web.tables.session(chat.session_id)
    if row is not None and row.container_id:
        return row.container_id
    tasks = await web.tasks.own(session_id=chat.session_id)
    return next((task.container_id for task in tasks if task.container_id), None)


async def _composed_container(ctx: Context, chat: Chat, project: str) -> str:
    """Composed of the stored user (contract Q8) if a container has that id, else of its letters and digits."""
    web = ctx.platform
    user, thread = chat.row.user_id or chat.asked.user_id, chat.row.thread_id or ""
    client = chat.asked.client_id
    stored = web.container_id(project=project, user=user, thread=thread, client=client, verbatim=True)
    if web.queues.can_name(stored) and await web.tables.has_container(stored):
        return stored
    return web.container_id(project=project, user=user, thread=thread, client=client)


def workspace_of(ctx: Context, chat: Chat) -> Workspace | None:
    """The chat's workspace; None where FILE_CHECK names no way in that this monitor has."""
    web = ctx.platform
    if web.workspaces.refusal is not None:
        return None
    return web.workspaces.at(
        Place(
            chat.asked.client_id,
            chat.asked.user_id,
            PROJECT,
            session_id=chat.session_id,
            branch=chat.branch,
        )
    )


def window(ctx: Context, chat: Chat) -> tuple[Workspace | None, str]:
    """The chat's workspace, or why unsaved and unpushed work in it cannot be seen from here."""
    web = ctx.platform
    if web.workspaces.refusal is not None:
        return None, web.workspaces.refusal
    if web.settings.file_check is FileCheck.GIT_REMOTE:
        return None, "FILE_CHECK: git-remote shows only what was pushed, and a container pushes when it sleeps"
    return workspace_of(ctx, chat), ""


def stranger(ctx: Context) -> SessionRow:
    """A session that nobody ever made, to hold the readiness signal against."""
    session_id = f"{ctx.platform.client_id}-never-made"
    return SessionRow(session_id, "unknown", {}, client_id=ctx.platform.client_id, thread_id=f"never-{ctx.tag}")


async def fresh_row(ctx: Context, chat: Chat) -> SessionRow:
    """The session's row as it is now. Raises Unexpected if it is gone."""
    row = await ctx.platform.tables.session(chat.session_id)
    if row is None:
        raise Unexpected(f"unexpected: row of session {chat.session_id}: wanted one, got none")
    return row


async def preview_of(ctx: Context, chat: Chat) -> str:
    """The preview's address from the session's row, where it is written when the session becomes active."""
    row = await ctx.eventually(
        lambda: fresh_row(ctx, chat),
        until=lambda row: row.preview_url,
        within=ctx.platform.settings.container_ready_timeout,
        what=f"previewUrl in the row of session {chat.session_id}",
        pace=DEAR,
    )
    return row.need("preview_url")


async def unmap_threads(ctx: Context) -> None:
    """Delete the mappings this run has written: while they exist, the container stays awake (contract Q16)."""
    for thread in ctx.platform.guard.belongings.named("thread"):
        await ctx.platform.tables.delete_mapping(thread)


async def map_thread(ctx: Context, chat: Chat, *, project: str = PROJECT) -> None:
    """Write the mapping that activate does not (contract Q26); while it exists, the container stays awake."""
    web, row = ctx.platform, chat.row
    thread = row.need("thread_id")
    if await web.tables.mapping(thread) is not None:
        return
    if not web.settings.isolated:
        raise ProbeBroken(
            "ROUTING_DIALECT=lambda needs a thread mapping, which activate does not write (contract Q26), "
            "and writing one needs ENVIRONMENT=isolated"
        )
    # Nobody waits here for the row to name its container: the time until the chat is ready runs already.
    container_id = await _told_container(ctx, chat) or await _composed_container(ctx, chat, project)
    await web.tables.put_mapping(
        thread, session_id=row.session_id, container_id=container_id, client_id=chat.asked.client_id
    )


async def until_ready(ctx: Context, session: SessionRow, *, within: timedelta | None = None) -> Sighting[Reply]:
    """The first 2xx of the session's container. Raises TimedOut, with the likely cause.

    Waits twice as long as promised, so that a slow start is measured and not only missed.
    """
    web = ctx.platform
    look: Callable[[], Awaitable[Reply]] = partial(web.alb.ready, session)
    if web.settings.routing_dialect is RoutingDialect.LAMBDA:
        look = RouterLooks(ctx, session.container_id, look).look
    try:
        return await ctx.sighting(
            look,
            until=web.alb.means_ready,
            within=within or 2 * web.settings.container_ready_timeout,
            what=f"container of session {session.session_id} ready",
        )
    except TimedOut as error:
        cause, evidence = await why_not_ready(ctx, session)
        raise TimedOut(f"{error}; {cause}", **{**error.evidence, **evidence}) from error


async def site_seen(ctx: Context, url: str) -> Sighting[Reply]:
    """The first page of the site at this address. Raises TimedOut, saying what was shown in its place."""
    web = ctx.platform
    last = None

    async def look() -> Reply:
        nonlocal last
        last = await web.alb.preview(url)
        return last

    try:
        return await ctx.sighting(
            look,
            until=pages.is_the_site,
            within=web.settings.container_ready_timeout,
            what=f"preview {url} answering 200 with a page of the site",
        )
    except TimedOut as error:
        shown = pages.not_the_site(last) if last is not None and last.status == 200 else None
        if shown is None:
            raise
        raise TimedOut(f"{error}; that is {shown}", **error.evidence) from error


async def start_of(ctx: Context, session: SessionRow, instants: Instants, *, until: float) -> tuple[Phase, ...]:
    """The phases of a start, from what was seen and from the timestamps of the task that was started.

    Keeps which version of the platform it was, and how far AWS's clock had to be moved to fit.
    """
    task = await _told_task(ctx, session)
    if task is not None:
        ctx.version("task_definition", task.task_definition or "not told")
        ctx.version("image", task.image_digest or "not told")
    split = start_phases(instants, task, until=until)
    if split.clock_skew:
        ctx.fact("clock_skew_seconds", f"{split.clock_skew.total_seconds():.3f}")
    return split.phases


async def _told_task(ctx: Context, session: SessionRow) -> TaskView | None:
    """The task that was started; ECS may tell of its start seconds later (contract Q30)."""
    try:
        return await ctx.eventually(
            lambda: started_task(ctx, session),
            until=lambda task: task is not None,
            within=_ECS_LAG,
            what="a started task",
            pace=DEAR,
        )
    except TimedOut:
        return None


async def ended_task(ctx: Context, session: SessionRow) -> TaskView | None:
    """The task that went to sleep, once ECS tells of its end, or as far as it tells within its lag."""
    try:
        return await ctx.eventually(
            lambda: started_task(ctx, session, stopped=True),
            until=lambda task: task is not None and task.stopped,
            within=_ECS_LAG,
            what="a stopped task",
            pace=DEAR,
        )
    except TimedOut:
        return await started_task(ctx, session, stopped=True)


async def started_task(ctx: Context, session: SessionRow, *, stopped: bool = False) -> TaskView | None:
    """The newest task of the session's client that ECS has started."""
    client = session.client_id or ctx.platform.client_id
    tasks = await ctx.platform.tasks.own(client_id=client, stopped=stopped)
    return next((task for task in tasks if task.started_at is not None), None)


def accepted(asked: Activation, row: SessionRow) -> float:
    """When the session row came to be, on the worker's clock: its own time, if it lies within the request."""
    if row.created_at is None:
        return asked.answered
    told = asked.sent + (row.created_at - asked.sent_at).total_seconds()
    return min(max(told, asked.sent), asked.answered)
