"""Interrupts (contract §7.3, §12.7): the newest message wins, and what it interrupts is told and saved."""

from datetime import timedelta

from probes.cases import cases
from probes.commanding import LONG, committed, create, heard, succeeded, two_chats, unshared
from probes.container_sharing import tasks_of
from probes.dialogue import Answer, Dialogue, Sent
from probes.factories import Conversation, factory_of
from probes.platform import Context
from probes.platform.commands import Response
from probes.platform.phases import response_phases
from probes.platform.workspace import Workspace
from probes.timings import INTERRUPT
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut, Unexpected

OPEN = Step("two_chats_share_a_container", budget=timedelta(seconds=60))
CROSS = Step("one_chat_interrupts_the_other", budget=timedelta(seconds=60))
SAVED = Step("interrupted_work_is_saved", budget=timedelta(seconds=15))
BURST = Step("of_three_commands_the_last_is_done", budget=timedelta(seconds=60))

SPEC = ProbeSpec(
    name="interrupts",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=10),
    steps=(OPEN, CROSS, SAVED, BURST),
    cases=cases("INT-01", "INT-02", "INT-03", "INT-04"),
    timings=(INTERRUPT,),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start", "container-sharing"),
    price=Price.FAIR,
)
ALL = ("INT-01", "INT-02", "INT-03", "INT-04")


@probe(SPEC)
async def interrupts(ctx: Context) -> None:
    """A newer message interrupts what a container works on, whose chat it may be, and no work is lost."""
    ctx.cleanup(ctx.platform.clean_up)

    async with ctx.step(OPEN):
        one, two = await two_chats(factory_of(ctx))
        if one.container_id != two.container_id:
            reason = unshared(ctx) or "the two chats share no container (SH-01)"
            skip(ctx, reason, *ALL)
            return
        dialogue = Dialogue(ctx, one.queues)
        await dialogue.at_rest(one, two)

    async with ctx.step(CROSS):
        running = await dialogue.say(one, LONG)
        if not await runs_on(ctx, dialogue, running):
            skip(ctx, "the long command ended before it could be interrupted", *ALL)
            return
        had_work = await unsaved(ctx, one)
        interrupted = await cross_interrupt(ctx, dialogue, running, two)
        if not interrupted:
            skip(ctx, "no interrupt to look at (INT-01)", "INT-02", "INT-03", "INT-04")
            return

    async with ctx.step(SAVED):
        await work_is_saved(ctx, one, had_work)

    async with ctx.step(BURST):
        await burst(ctx, dialogue, one)


def skip(ctx: Context, reason: str, *wanted: str) -> None:
    for case in wanted:
        ctx.skip(case, reason)


async def runs_on(ctx: Context, dialogue: Dialogue, running: Sent) -> bool:
    """Let a command run for a while; False if it was answered in that time."""
    try:
        await dialogue.answer(running, within=ctx.platform.settings.interrupt_after)
    except TimedOut:
        return True
    return False


async def unsaved(ctx: Context, chat: Conversation) -> bool | None:
    """Whether the running command has changed anything yet; None where nobody can look."""
    workspace, _ = committed(ctx, chat)
    return None if workspace is None else (await workspace.status()).dirty


async def cross_interrupt(ctx: Context, dialogue: Dialogue, running: Sent, other: Conversation) -> bool:
    """INT-01 and INT-04: the running command is told interrupted, the newer one succeeds, the container stays.

    Whether there was an interrupt at all.
    """
    tasks = {task.arn for task in await tasks_of(ctx, other.container_id)}
    newer = await dialogue.say(other, create("newer.txt", ctx))
    with ctx.check("INT-01") as check:
        try:
            old = await heard(ctx, dialogue, running)
        except TimedOut as error:
            await outlives(ctx, other, tasks)
            raise Unexpected(f"{error} (nor was it interrupted)", **error.evidence) from error
        check.saw(summary=old.response.summary, interrupted=old.response.interrupted)
        told_interrupted(check, old.response)
        await stays_in_grace(ctx, old, newer)
        succeeded("the command that interrupted", (await heard(ctx, dialogue, newer)).response)
        with ctx.check("INT-04") as calm:
            left = {task.arn for task in await ctx.platform.tasks.own(client_id=other.client_id)}
            calm.saw(tasks=sorted(left))
            expect.true(
                "the container's task after the interrupt", tasks <= left, wanted=f"still {sorted(tasks)}"
            )
    return not check.failed


async def outlives(ctx: Context, chat: Conversation, tasks: set[str]) -> None:
    """INT-04: a task of the chat's container still runs."""
    with ctx.check("INT-04"):
        own = await ctx.platform.tasks.own(client_id=chat.client_id)
        left = {task.arn for task in own if task.running}
        expect.true("the container's task after the interrupt", tasks & left, wanted=f"still {sorted(tasks)}")


def told_interrupted(check: CheckNote, response: Response) -> None:
    """The response says that its command was interrupted. Raises Unexpected, naming Q9 where it is that."""
    if response.success and not response.interrupted:
        raise Unexpected(
            "unexpected: not interrupted but ordered: the running command went on to its end (success) "
            "though a newer message had come; the container takes the next message only when a command has "
            "ended (contract Q9)"
        )
    if not response.told_interrupted:
        raise Unexpected(
            "unexpected: response to the interrupted command: wanted it told interrupted, got "
            f"{response.error or response.summary!r}"
        )
    if response.success:
        raise Unexpected("unexpected: response to the interrupted command: wanted success false, got true")
    if "interrupted" not in response.summary.casefold():
        check.degrade(f"summary of the interrupted command: wanted 'interrupted', got {response.summary!r}")


async def stays_in_grace(ctx: Context, old: Answer, newer: Sent) -> None:
    """INT-04: from the newer message to the word of the interrupt.

    What is seen holds more than the grace: the container's look for messages before it, a commit and the queue
    after it. So twice the grace is tolerated.
    """
    grace = ctx.platform.settings.target_interrupt
    took = timedelta(seconds=max(0.0, old.seen.at - newer.at))
    phases = response_phases(old.response.timestamp - newer.at_wall, took)
    ctx.measure("interrupt", since=newer.at, until=old.seen, phases=phases)
    with ctx.check("INT-04") as check:
        check.saw(took=took, grace=grace)
        expect.within("time from the newer message to the word of the interrupt", took, 2 * grace)
        if took >= grace:
            check.degrade(
                f"interrupt: wanted under {grace.total_seconds():g} s, took {took.total_seconds():.1f} s"
            )


async def work_is_saved(ctx: Context, one: Conversation, had_work: bool | None) -> None:
    """INT-03: a commit says that the work was interrupted, and nothing is left uncommitted."""
    workspace, reason = committed(ctx, one)
    if workspace is None:
        ctx.skip("INT-03", reason)
        return
    with ctx.check("INT-03") as check:
        await clean(ctx, workspace)
        subjects = await workspace.log(one.branch)
        newest = subjects[0] if subjects else "no commit"
        check.saw(newest_commits=subjects[:5], work_to_save=had_work)
        if not had_work and "interrupted" not in newest.casefold():
            check.degrade("the interrupted command had changed nothing yet: there was nothing to save")
            return
        expect.contains(f"newest commit on {one.branch} after the interrupt", newest, "Interrupted")


async def clean(ctx: Context, workspace: Workspace) -> None:
    await ctx.eventually(
        workspace.status,
        until=lambda status: not status.dirty,
        within=ctx.platform.settings.target_interrupt,
        what="a clean working tree after the interrupt",
        pace=DEAR,
    )


async def burst(ctx: Context, dialogue: Dialogue, one: Conversation) -> None:
    """INT-02: of three commands in quick succession the first two are interrupted and the third succeeds."""
    with ctx.check("INT-02") as check:
        sent: list[Sent] = []
        for instruction in (LONG, LONG, create("last.txt", ctx)):
            if sent:
                await ctx.pause(ctx.platform.settings.burst_gap)
            sent.append(await dialogue.say(one, instruction))
        answers = [await heard(ctx, dialogue, command) for command in sent]
        check.saw(successes=[answer.response.success for answer in answers])
        first, second, third = (answer.response for answer in answers)
        if third.told_interrupted and (first.success or second.success):
            check.degrade("the third command was delivered before an older one (accepted, contract §4.6)")
            return
        told_interrupted(check, first)
        told_interrupted(check, second)
        succeeded("the last of three commands", third)
