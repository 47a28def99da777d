"""A container's life (contract §7.2, §12.7): started by a chat, counted, left, ended, and come back to."""

from datetime import timedelta

from probes import chats
from probes.cases import cases
from probes.commanding import open_awake, unshared
from probes.container_sharing import tasks_of
from probes.dialogue import Dialogue
from probes.factories import Conversation, Factory, factory_of
from probes.platform import Context
from probes.platform.dialects import SessionFactory
from probes.platform.guard import sanitised
from probes.platform.values import ContainerRow, TaskView
from probes.restarts import stop_container
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR, Pace
from synthetics.errors import PlatformError, TimedOut, Unexpected

OPEN = Step("a_chat_starts_a_container", budget=timedelta(seconds=90))
SHARE = Step("a_second_chat_uses_it", budget=timedelta(seconds=60))
LEAVE = Step("it_lives_until_nobody_uses_it", budget=timedelta(seconds=60), sleeps=1)
BACK = Step("whoever_comes_back_finds_their_work", budget=timedelta(seconds=90))
ENDED = Step("an_ended_container_comes_back_under_its_id", budget=timedelta(minutes=3))
STALE = Step("a_row_that_outlived_its_task_is_put_right", budget=timedelta(minutes=3))

SPEC = ProbeSpec(
    name="container-lifecycle",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=1),
    timeout=timedelta(minutes=15),
    sleeps=1,
    steps=(OPEN, SHARE, LEAVE, BACK, ENDED, STALE),
    cases=cases(*(f"CL-{n:02}" for n in range(1, 8))),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start", "container-sharing"),
    price=Price.FAIR,
)

UNSAVED = "left-unsaved.txt"
ALIVE = ("starting", "running", "idle")
#: Between two tries to open a chat whose queues' names SQS does not give away again yet.
_AGAIN = Pace(timedelta(seconds=5))


@probe(SPEC)
async def container_lifecycle(ctx: Context) -> None:
    """A container is there as long as anyone uses it, then saves its work, goes, and comes back when asked."""
    ctx.cleanup(ctx.platform.clean_up)
    factory = factory_of(ctx)

    async with ctx.step(OPEN):
        one = await open_awake(ctx, factory, "one")
        first = await tasks_of(ctx, one.container_id)
        await counts(ctx, one.container_id, 1, "a chat had opened")
        tells_whose_it_is(ctx, one, first[0])

    async with ctx.step(SHARE):
        used_by = [one, *await second_chat(ctx, factory, one, first)]
        await Dialogue(ctx, one.queues).at_rest(*used_by)
        branch = await leave_work_unsaved(ctx, one)

    async with ctx.step(LEAVE):
        slept = await lives_while_used(ctx, factory, used_by)

    async with ctx.step(BACK):
        again = await comes_back(ctx, factory, one, first, slept=slept)
        if branch:
            await work_was_saved(ctx, again, branch, slept=slept)

    async with ctx.step(ENDED):
        if of_the_platform(ctx, "CL-02") and ctx.allowed("CL-02"):
            again = await ended_comes_back(ctx, factory, again)

    async with ctx.step(STALE):
        if of_the_platform(ctx, "CL-06") and ctx.allowed("CL-06"):
            await stale_row_is_put_right(ctx, factory, again)


def of_the_platform(ctx: Context, case: str) -> bool:
    """Whether the platform does what this case looks at; where we do, it proves nothing, and is skipped."""
    by_hand = ctx.platform.settings.session_factory is SessionFactory.DIRECT
    if by_hand:
        ctx.skip(case, "SESSION_FACTORY=direct: the monitor counts chats and starts tasks itself")
    return not by_hand


# -- used ------------------------------------------------------------------------------------------------


async def counts(ctx: Context, container_id: str, wanted: int, after: str) -> None:
    """CL-01: the container's row counts its chats; one that has ended counts none."""
    if not of_the_platform(ctx, "CL-01"):
        return

    async def told() -> int:
        row = await ctx.platform.tables.container(container_id)
        return row.session_count if row is not None else 0

    with ctx.check("CL-01"):
        await ctx.eventually(
            told,
            until=lambda count: count == wanted,
            within=ctx.platform.settings.container_ready_timeout,
            what=f"sessionCount of container {container_id} {wanted} after {after}",
            pace=DEAR,
        )


def tells_whose_it_is(ctx: Context, chat: Conversation, task: TaskView) -> None:
    """CL-07: five tags; tasks that were launched without a container manager carry none (contract §5.3)."""
    if not of_the_platform(ctx, "CL-07"):
        return
    with ctx.check("CL-07") as check:
        check.saw(tags=dict(task.tags))
        if not task.tags:
            check.degrade(f"{task} carries no tags, as those launched over HTTP (contract §5.3)")
            return
        wanted = {
            "ContainerId": {chat.container_id},
            "ClientId": {chat.client_id},
            "ProjectId": {chat.project},
            "UserId": {chat.user_id, sanitised(chat.user_id)},
            "ManagedBy": {"Hermes"},
        }
        wrong = [
            f"{name} {task.tags.get(name)!r} (wanted {' or '.join(sorted(values))})"
            for name, values in wanted.items()
            if task.tags.get(name) not in values
        ]
        expect.empty(f"tags of {task} that do not tell whose it is", wrong)


async def second_chat(
    ctx: Context, factory: Factory, one: Conversation, first: list[TaskView]
) -> list[Conversation]:
    """CL-03 and CL-01: a further chat of the user uses the container that is up, and is counted on it."""
    if reason := unshared(ctx):
        with ctx.check("CL-03") as check:
            check.degrade(f"no second chat in the container: {reason}")
        return []
    two = await open_awake(ctx, factory, "two")
    with ctx.check("CL-03", essential=True) as check:
        expect.equal("container of a user's second chat", two.container_id, one.container_id)
        tasks = await tasks_of(ctx, two.container_id)
        check.saw(tasks=[task.id for task in tasks])
        expect.equal("tasks of the container", {it.arn for it in tasks}, {it.arn for it in first})
    await counts(ctx, one.container_id, 2, "a second chat had opened")
    return [two]


async def leave_work_unsaved(ctx: Context, chat: Conversation) -> str:
    """Leave a file uncommitted in a workspace where nothing is at work; on which branch, or empty."""
    workspace = chat.workspace(ctx)
    if workspace is None or not workspace.writable:
        ctx.skip(
            "CL-05",
            "the workspace cannot be written from here (FILE_CHECK), or not while others use the platform",
        )
        return ""
    await workspace.write(UNSAVED, f"left by {ctx.tag}\n")
    return (await workspace.status()).branch


# -- left ------------------------------------------------------------------------------------------------


async def lives_while_used(ctx: Context, factory: Factory, used_by: list[Conversation]) -> bool:
    """Close one chat after the other: CL-03, it lives for the last; CL-04, then it goes. Whether it went."""
    container_id = used_by[0].container_id
    for left, chat in zip(range(len(used_by) - 1, -1, -1), used_by, strict=True):
        await factory.close(chat)
        if left:
            await stays(ctx, container_id)
        else:
            await chats.unmap_threads(ctx)
        await counts(ctx, container_id, left, "a chat had closed" if left else "the last chat had closed")
    with ctx.check("CL-04") as check:
        await goes(ctx, check, container_id)
    return not check.failed


async def stays(ctx: Context, container_id: str) -> None:
    """CL-03: a container that somebody uses is not told to end when another chat in it closes."""
    web = ctx.platform
    # Long enough for a stop that follows the close, too short for falling asleep.
    until = ctx.instant() + min(2.0, web.settings.idle_timeout.total_seconds() / 4)

    async def look() -> tuple[str, list[str]]:
        row = await web.tables.container(container_id)
        tasks = [str(task) for task in await web.tasks.own() if not task.leaving]
        return row.status if row is not None else "no row", tasks

    with ctx.check("CL-03") as check:
        status, tasks = await ctx.eventually(
            look,
            until=lambda seen: ctx.instant() >= until or seen[0] not in ALIVE or not seen[1],
            within=web.settings.scale_down_timeout,
            what=f"container {container_id} after one of two chats in it had closed",
            pace=DEAR,
        )
        check.saw(status=status, tasks=tasks)
        what = f"container {container_id} after one of the two chats in it had closed"
        expect.one_of(f"state of {what}", status, ALIVE)
        expect.at_least(f"tasks of {what}", len(tasks), 1)


async def goes(ctx: Context, check: CheckNote, container_id: str) -> None:
    """CL-04: with no chat left, its row comes to say stopped and its task ends. Raises TimedOut."""
    web = ctx.platform
    states: list[str] = []

    async def left() -> list[str]:
        row = await web.tables.container(container_id)
        states.append(row.status if row is not None else "stopped")
        tasks = [str(task) for task in await web.tasks.own()]
        return tasks if states[-1] == "stopped" else [f"row {states[-1]}", *tasks]

    await ctx.eventually(
        left,
        until=lambda found: not found,
        within=web.settings.sleep_patience,
        what=f"container {container_id}, used by nobody, stopped and its task gone",
        pace=DEAR,
    )
    check.saw(states=[state for n, state in enumerate(states) if n == 0 or state != states[n - 1]])
    unknown = sorted(set(states) - ContainerRow.STATES)
    if unknown:
        check.degrade(f"states of container {container_id} that the contract does not know: {unknown}")


# -- come back to ----------------------------------------------------------------------------------------


async def open_again(ctx: Context, factory: Factory, thread: str) -> Conversation:
    """A chat of the same user and project. Raises PlatformError.

    SQS gives a deleted queue's name away again only after a minute (contract §4.6): so long it is tried again.
    """

    async def tried() -> Conversation | str:
        try:
            return await open_awake(ctx, factory, thread)
        except PlatformError as error:
            if "QueueDeletedRecently" not in str(error) and "after deleting a queue" not in str(error):
                raise
            return str(error)

    settings = ctx.platform.settings
    found = await ctx.eventually(
        tried,
        until=lambda chat: isinstance(chat, Conversation),
        within=2 * settings.container_ready_timeout + settings.queue_deletion_lag,
        what="a chat in a container that had ended",
        pace=_AGAIN,
    )
    assert isinstance(found, Conversation)
    return found


async def comes_back(
    ctx: Context, factory: Factory, one: Conversation, first: list[TaskView], *, slept: bool
) -> Conversation:
    """CL-03: who writes again after the container had gone gets it back under its id, in a new task."""
    again = await open_again(ctx, factory, "one")
    if not slept:
        ctx.skip("CL-03", "the container had not gone to sleep, so that nobody had to wake it (CL-04)")
        return again
    with ctx.check("CL-03") as check:
        await in_a_new_task(ctx, check, again, one.container_id, first)
        if ctx.platform.settings.session_factory is SessionFactory.DIRECT:
            check.degrade("SESSION_FACTORY=direct: the monitor started the container again itself")
    return again


async def in_a_new_task(
    ctx: Context, check: CheckNote, chat: Conversation, container_id: str, old: list[TaskView]
) -> list[TaskView]:
    """The chat's container has the known id, and one of its tasks is none of the old. Raises PlatformError."""
    expect.equal("container of the chat that came back", chat.container_id, container_id)
    tasks = await tasks_of(ctx, chat.container_id)
    check.saw(before=[task.id for task in old], now=[task.id for task in tasks])
    fresh = {task.arn for task in tasks} - {task.arn for task in old}
    expect.at_least(f"new tasks of container {container_id}", len(fresh), 1)
    return tasks


async def work_was_saved(ctx: Context, again: Conversation, branch: str, *, slept: bool) -> None:
    """CL-05: what nobody had committed is there after the sleep, in a commit of the platform's own."""
    if not slept:
        ctx.skip("CL-05", "the container did not go to sleep (CL-04)")
        return
    await chats.until_ready(ctx, again.row)
    workspace = again.workspace(ctx)
    assert workspace is not None
    with ctx.check("CL-05") as check:
        subjects = await workspace.log(branch)
        check.saw(branch=branch, newest_commits=subjects[:5])
        kept = UNSAVED in await workspace.files(branch)
        expect.true(f"{UNSAVED}, left unsaved on {branch}, after the sleep", kept, wanted="the file")
        # A container that is told to end saves under another name than one that falls asleep (contract §6.3).
        saved = any(subject.startswith("Auto-save") for subject in subjects)
        expect.true(f"history of {branch} {subjects[:5]}", saved, wanted="a commit 'Auto-save: …'")


async def ended_comes_back(ctx: Context, factory: Factory, again: Conversation) -> Conversation:
    """CL-02: a container whose task was ended from outside comes back under its own id, in a new task."""
    old = await tasks_of(ctx, again.container_id)
    await stop_container(ctx, again.container_id)
    await reaction(ctx, again.container_id)
    anew = await open_again(ctx, factory, "three")
    with ctx.check("CL-02") as check:
        tasks = await in_a_new_task(ctx, check, anew, again.container_id, old)
        await runs(ctx, anew.container_id, tasks)
    return anew


async def stale_row_is_put_right(ctx: Context, factory: Factory, chat: Conversation) -> None:
    """CL-06: a row that says running while its task is dead is not believed: a new task starts."""
    web = ctx.platform
    old = await tasks_of(ctx, chat.container_id)
    await stop_container(ctx, chat.container_id)
    await reaction(ctx, chat.container_id)
    await web.tables.put_container(
        chat.container_id,
        status="running",
        taskArn=old[0].arn,
        projectId=chat.project,
        userId=chat.user_id,
        sessionCount=0,
    )
    anew = await open_again(ctx, factory, "four")
    with ctx.check("CL-06") as check:
        try:
            tasks = await in_a_new_task(ctx, check, anew, chat.container_id, old)
        except PlatformError as error:
            raise Unexpected(
                f"{error}; its row said running, of a task that had ended: the row was believed, ECS not asked",
                **error.evidence,
            ) from error
        await runs(ctx, anew.container_id, tasks)


async def reaction(ctx: Context, container_id: str) -> None:
    """Let the platform's own reaction to a stopped task pass by; that it has none is merely noted."""
    try:
        await ctx.eventually(
            lambda: ctx.platform.tables.container(container_id),
            until=lambda row: row is None or row.status == "stopped",
            within=ctx.platform.settings.target_queue_cleanup,
            what=f"row of container {container_id} stopped",
            pace=DEAR,
        )
    except TimedOut:
        ctx.fact("stopped_task_handled", "no: the platform left the container row as it was")


async def runs(ctx: Context, container_id: str, tasks: list[TaskView]) -> None:
    """The container's row says running, and names one of these tasks, if any. Raises TimedOut."""
    arns = {task.arn for task in tasks}

    def well(row: ContainerRow | None) -> bool:
        return row is not None and row.status == "running" and row.task_arn in (*arns, "unknown", None)

    await ctx.eventually(
        lambda: ctx.platform.tables.container(container_id),
        until=well,
        within=2 * ctx.platform.settings.container_ready_timeout,
        what=f"row of container {container_id} running, in its new task",
        pace=DEAR,
    )
