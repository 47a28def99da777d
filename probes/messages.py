"""Messages (contract §4, §7.3, §12.7): every command is answered, once, in order, and to its own chat."""

from datetime import timedelta
from functools import partial

from probes.cases import cases
from probes.commanding import (
    committed,
    create,
    heard,
    holding,
    in_time,
    measure_response,
    names_file,
    succeeded,
    two_chats,
    unshared,
)
from probes.container_sharing import keeps_to_itself
from probes.dialogue import Answer, Dialogue
from probes.factories import Conversation, factory_of
from probes.platform import Context
from probes.platform.commands import Command, CommandType, Response
from probes.platform.values import QueueSet
from probes.timings import RESPONSE
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut, Unexpected

OPEN = Step("chats_are_opened", budget=timedelta(seconds=60))
ONE = Step("a_command_is_answered", budget=timedelta(seconds=30))
TYPES = Step("every_type_is_accepted", budget=timedelta(seconds=90))
ORDER = Step("commands_are_done_in_order", budget=timedelta(seconds=90))
CHATS = Step("two_chats_get_their_own_answers", budget=timedelta(seconds=60))
UNSERVED = Step("a_command_waits_for_a_container", budget=timedelta(seconds=15))

SPEC = ProbeSpec(
    name="messages",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=12),
    steps=(OPEN, ONE, TYPES, ORDER, CHATS, UNSERVED),
    cases=cases("MP-01", "MP-02", "MP-03", "MP-04", "MP-05", "MP-06", "MP-07"),
    timings=(RESPONSE,),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start", "container-sharing"),
    price=Price.FAIR,
)
TYPED = (CommandType.EDIT, CommandType.BUILD, CommandType.COMMIT, CommandType.PUSH, CommandType.PREVIEW)
TOGETHER = ("MP-02", "MP-03", "MP-04")


@probe(SPEC)
async def messages(ctx: Context) -> None:
    """Someone who writes to a chat is answered, once, in order, and hears nothing that is meant for others."""
    ctx.cleanup(ctx.platform.clean_up)

    async with ctx.step(OPEN):
        one, two = await two_chats(factory_of(ctx))
        shared = one.container_id == two.container_id
        dialogue = Dialogue(ctx, one.queues)
        at_rest = (one, two) if shared else (one,)
        with ctx.check("MP-05", essential=True):
            await dialogue.at_rest(*at_rest)
        unserved, sent_at = await leave_unserved(ctx, one), ctx.instant()

    async with ctx.step(ONE):
        await answered_and_done(ctx, dialogue, one)

    async with ctx.step(TYPES):
        await every_type(ctx, dialogue, two if shared else one)

    async with ctx.step(ORDER):
        await in_order(ctx, dialogue, one)

    async with ctx.step(CHATS):
        if shared:
            await two_at_work(ctx, dialogue, one, two)
        else:
            for case in TOGETHER:
                ctx.skip(case, unshared(ctx) or "the two chats share no container (SH-01)")

    async with ctx.step(UNSERVED):
        await waits_unserved(ctx, unserved, sent_at)


async def answered_and_done(ctx: Context, dialogue: Dialogue, one: Conversation) -> None:
    """MP-05: one command, one response in time, and no message left on any queue."""
    file = "first.txt"
    sent = await dialogue.say(one, create(file, ctx))
    try:
        answer = await heard(ctx, dialogue, sent)
    except TimedOut as error:
        stray = next((it for it in dialogue.unasked if names_file(it, file)), None)
        with ctx.check("MP-02" if stray else "MP-05", essential=True):
            if stray is None:
                raise
            raise Unexpected(
                f"unexpected: response to command {sent.command.command_id}: wanted its own id, got "
                f"{stray.command_id} on a response that speaks of {file}"
            ) from error
    with ctx.check("MP-05", essential=True):
        measure_response(ctx, answer)
        succeeded("a command", answer.response)
        in_time(ctx, answer)
    with ctx.check("MP-05"):
        await nothing_is_left(ctx, dialogue, one.queues, answer)


async def nothing_is_left(ctx: Context, dialogue: Dialogue, queues: QueueSet, answer: Answer) -> None:
    """Input, output and dead letters are empty; no second response came. Raises Unexpected."""
    own = answer.sent.command.command_id
    again = [response for response in await dialogue.left_unread() if response.command_id == own]
    expect.equal("further responses to a command that was answered", len(again), 0)
    for name, url in (
        ("input", queues.input_url),
        ("output", queues.output_url),
        ("dead-letter", queues.dlq_url),
    ):
        await ctx.eventually(
            partial(ctx.platform.queues.depth, url),
            until=lambda depth: depth.total == 0,
            within=timedelta(seconds=10),
            what=f"{name} queue of {queues.container_id} empty after a command was answered",
            pace=DEAR,
        )


async def every_type(ctx: Context, dialogue: Dialogue, chat: Conversation) -> None:
    """MP-06: a command of every type is taken and carried out."""
    with ctx.check("MP-06") as check:
        refused: list[str] = []
        for type in TYPED:
            answer = await heard(ctx, dialogue, await dialogue.say(chat, create(f"{type}.txt", ctx), type=type))
            if not answer.response.success:
                refused.append(f"{type}: {answer.response.error or answer.response.summary}")
        check.saw(types=[type.value for type in TYPED])
        expect.empty("types of command that were refused", refused)


async def in_order(ctx: Context, dialogue: Dialogue, one: Conversation) -> None:
    """MP-01: commands sent one after the other are all done, and in that order."""
    count = ctx.platform.settings.command_count
    files = [f"file{number}.txt" for number in range(1, count + 1)]
    with ctx.check("MP-01") as check:
        for file in files:
            answer = await heard(ctx, dialogue, await dialogue.say(one, create(file, ctx)))
            measure_response(ctx, answer)
            succeeded(f"command for {file}", answer.response)
            speaks_of(check, answer.response, file)
            await ctx.pause(ctx.platform.settings.command_pause)
        workspace, reason = committed(ctx, one)
        if workspace is None:
            check.degrade(f"all were answered in order; nobody looked for their files: {reason}")
            return
        listed = [file for file in await holding(ctx, workspace, one.branch, *files) if file in files]
        expect.equal(f"files of the commands on {one.branch}", sorted(listed), sorted(files))
        subjects = (await workspace.log(one.branch))[::-1]
        # Only a platform whose commits name the files tells in which order they were made.
        named = {file: next((n for n, it in enumerate(subjects) if file in it), None) for file in files}
        told = [file for file in files if named[file] is not None]
        made = sorted(told, key=lambda file: named[file] or 0)
        check.saw(order_of_commits=made)
        expect.equal("order of the commits", made, told)


def speaks_of(check: CheckNote, response: Response, file: str) -> None:
    """The summary names the file; where it is silent, the list of files does. Raises Unexpected."""
    if not response.summary and names_file(response, file):
        check.degrade(f"summary of the command for {file}: wanted its name, got none (listed in filesChanged)")
        return
    expect.contains(f"summary of the command for {file}", response.summary, file)


async def two_at_work(ctx: Context, dialogue: Dialogue, one: Conversation, two: Conversation) -> None:
    """MP-02, MP-03 and MP-04: one after the other, at once, and what is on their branches afterwards."""
    chats = ((one, "session1.txt", "session2.txt"), (two, "session2.txt", "session1.txt"))
    answers: list[Answer] = []
    with ctx.check("MP-02") as check:
        for chat, own, _ in chats:
            answers.append(await heard(ctx, dialogue, await dialogue.say(chat, create(own, ctx))))
        for (chat, own, foreign), answer in zip(chats, answers, strict=True):
            response = answer.response
            expect.equal(f"session of the response about {own}", response.session_id, chat.session_id)
            succeeded(f"command for {own}", response)
            speaks_of(check, response, own)
            expect.true(
                f"response about {own}", not names_file(response, foreign), wanted=f"no word of {foreign}"
            )
            odd = [name for name in response.files_changed if not name.endswith(own)]
            expect.empty(f"files changed by the command for {own}, besides it", odd)
    with ctx.check("MP-03") as check:
        sent = [await dialogue.say(chat, create(f"at-once-{own}", ctx)) for chat, own, _ in chats]
        both = [await heard(ctx, dialogue, command) for command in sent]
        check.saw(interrupted=[answer.response.told_interrupted for answer in both])
        for answer in both:
            # A command longer than the container's look for messages may be interrupted (contract §7.3).
            if not answer.response.told_interrupted:
                succeeded("one of two commands at once", answer.response)
        done = sum(answer.response.success for answer in both)
        expect.at_least("commands of two at once that were carried out", done, 1)
    workspace, reason = committed(ctx, one)
    if workspace is None or len(answers) < len(chats):
        ctx.skip("MP-04", reason or "a command was not answered (MP-02)")
        return
    with ctx.check("MP-04") as check:
        for chat, own, foreign in chats:
            files = await holding(ctx, workspace, chat.branch, own)
            check.saw(**{chat.branch: files})
            keeps_to_itself("its chat's", chat.branch, files, own=own, foreign=foreign)


async def leave_unserved(ctx: Context, one: Conversation) -> tuple[QueueSet, Command]:
    """A command on the queues of a container that nobody starts."""
    web = ctx.platform
    queues = await web.queues.create(f"{web.client_id}-nobody")
    command = Command(
        session_id=f"{web.client_id}-nobody",
        thread_id=f"nobody-{ctx.tag}",
        instruction=create("nobody.txt", ctx),
        client_id=web.client_id,
        project_id=one.project,
        user_id=one.user_id,
    )
    await web.queues.send(queues.input_url, command)
    return queues, command


async def waits_unserved(ctx: Context, left: tuple[QueueSet, Command], sent_at: float) -> None:
    """MP-07: nobody answers, and the command is still on its queue."""
    web, (queues, command) = ctx.platform, left
    with ctx.check("MP-07") as check:
        waited = timedelta(seconds=ctx.instant() - sent_at)
        await ctx.pause(max(timedelta(0), web.settings.response_wait - waited))
        came = await web.queues.depth(queues.output_url)
        expect.equal("responses to a command that no container can take", came.total, 0)
        depth = await web.queues.depth(queues.input_url)
        check.saw(waiting=depth.visible, taken=depth.in_flight, command=command.command_id)
        expect.equal("messages on the queue that no container serves", depth.total, 1)
