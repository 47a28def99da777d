"""Container sharing (contract §7.2, §12.7): who lives in one container, and works on which branch."""

from datetime import timedelta

from probes.cases import cases
from probes.commanding import committed, create, heard, holding, succeeded, two_chats, unshared
from probes.dialogue import Dialogue
from probes.factories import Conversation, Factory, Who, factory_of
from probes.platform import Context
from probes.platform.values import TaskView
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, TimedOut

OPEN = Step("two_chats_of_one_user_share", budget=timedelta(seconds=60))
WORK = Step("they_work_on_their_own_branches", budget=timedelta(seconds=60))
PROJECTS = Step("another_project_does_not", budget=timedelta(seconds=30))
USERS = Step("another_user_does_not", budget=timedelta(seconds=30))

SPEC = ProbeSpec(
    name="container-sharing",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=10),
    steps=(OPEN, WORK, PROJECTS, USERS),
    cases=cases("SH-01", "SH-02", "SH-03", "SH-04"),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)


@probe(SPEC)
async def container_sharing(ctx: Context) -> None:
    """Chats of one user on one project share a container, and nobody else is in it."""
    ctx.cleanup(ctx.platform.clean_up)
    factory = factory_of(ctx)

    async with ctx.step(OPEN):
        one, two = await two_chats(factory)
        apart = await share(ctx, one, two)

    async with ctx.step(WORK):
        if apart:
            ctx.skip("SH-04", f"the two chats share no container: {apart}")
        else:
            await own_branches(ctx, one, two)

    async with ctx.step(PROJECTS):
        if factory.several_projects:
            await another_project(ctx, factory, one)
        else:
            ctx.skip("SH-02", "chats of two projects cannot be opened here (SESSION_FACTORY)")

    async with ctx.step(USERS):
        if factory.several_users:
            await another_user(ctx, factory, one)
        else:
            ctx.skip("SH-03", "chats of two users cannot be opened here (SESSION_FACTORY)")


async def share(ctx: Context, one: Conversation, two: Conversation) -> str:
    """SH-01: the same container and the same task. Why not, where they do not share; else empty."""
    if reason := unshared(ctx):
        ctx.skip("SH-01", reason)
        return reason
    with ctx.check("SH-01") as check:
        check.saw(containers=[one.container_id, two.container_id])
        expect.equal("container of a user's second chat on a project", two.container_id, one.container_id)
        await Dialogue(ctx, one.queues).at_rest(one, two)
        tasks = await tasks_of(ctx, one.container_id)
        check.saw(tasks=[task.arn for task in tasks])
        expect.equal(f"tasks of container {one.container_id}, shared by two chats", len(tasks), 1)
    return "SH-01 failed" if check.failed else ""


async def own_branches(ctx: Context, one: Conversation, two: Conversation) -> None:
    """SH-04: each chat's work is on its own branch, and on no other.

    Both chats work once before what is judged: a branch may be made of whatever is checked out when its chat
    begins (contract §6.2), and holds what was done before then.
    """
    dialogue = Dialogue(ctx, one.queues)
    with ctx.check("SH-04") as check:
        check.saw(branches=[one.branch, two.branch])
        expect.different("branch of the second chat", two.branch, one.branch)
        for turn in ("begun", "shared"):
            for chat, name in ((one, "one"), (two, "two")):
                answer = await heard(ctx, dialogue, await dialogue.say(chat, create(f"{turn}-{name}.txt", ctx)))
                succeeded(f"command of chat {name}", answer.response)
        workspace, reason = committed(ctx, one)
        if workspace is None:
            check.degrade(f"the branches differ by their names; nobody looked into them: {reason}")
            return
        first = await holding(ctx, workspace, one.branch, "shared-one.txt")
        second = await holding(ctx, workspace, two.branch, "shared-two.txt")
        check.saw(first=first, second=second)
        keeps_to_itself("the first chat's", one.branch, first, own="shared-one.txt", foreign="shared-two.txt")
        keeps_to_itself("the second chat's", two.branch, second, own="shared-two.txt", foreign="shared-one.txt")
        if "begun-one.txt" in second:
            check.degrade(f"{two.branch} was begun with the first chat's work in it (accepted, contract §6.2)")


def keeps_to_itself(whose: str, branch: str, files: list[str], *, own: str, foreign: str) -> None:
    """The branch has its own chat's file and not the other's. Raises Unexpected."""
    expect.true(f"{own} on {whose} branch {branch}", own in files, wanted="the file")
    expect.true(
        f"the other chat's {foreign} on {whose} branch {branch}", foreign not in files, wanted="no file"
    )


async def another_project(ctx: Context, factory: Factory, one: Conversation) -> None:
    """SH-02: another project of the same user lives in another container, which tells its project."""
    with ctx.check("SH-02") as check:
        other = await factory.open(Who(project="other", thread="three"))
        await live_apart(ctx, "another project", one, other)
        if not unshared(ctx) and other.project not in other.container_id:
            check.degrade(f"container of project {other.project!r}: wanted its name in {other.container_id!r}")


async def another_user(ctx: Context, factory: Factory, one: Conversation) -> None:
    """SH-03: another user of the same project lives in another container."""
    with ctx.check("SH-03"):
        await live_apart(ctx, "another user", one, await factory.open(Who(user="colleague", thread="four")))


async def live_apart(ctx: Context, whose: str, one: Conversation, other: Conversation) -> None:
    """Two chats have different containers and different tasks. Raises Unexpected."""
    expect.different(f"container of {whose}'s chat", other.container_id, one.container_id)
    mine, others = await tasks_of(ctx, one.container_id), await tasks_of(ctx, other.container_id)
    both = {task.arn for task in mine} & {task.arn for task in others}
    expect.empty(f"tasks that serve {one.container_id} and {other.container_id}", both)


async def tasks_of(ctx: Context, container_id: str) -> list[TaskView]:
    """The tasks of a container, as its row and ECS tell; none where neither does in time."""
    web = ctx.platform

    async def look() -> list[TaskView]:
        row = await web.tables.container(container_id)
        named = row.task_arn if row else None
        own = await web.tasks.own(client_id=web.client_id, container_id=container_id)
        found = [task for task in own if container_id == task.container_id or task.arn == named]
        # A chat opened by mail may be another customer's, and a task need bear no tag: then its row names it.
        told = await web.tasks.describe(named) if named and not found else None
        return [told] if told is not None and not told.stopped else found

    try:
        return await ctx.eventually(
            look,
            until=bool,
            within=web.settings.container_ready_timeout,
            what=f"a task of container {container_id}",
            pace=DEAR,
        )
    except TimedOut as error:
        raise PlatformError(f"{error}; its container was never started", **error.evidence) from error
