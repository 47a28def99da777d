"""Parts of the scenarios that talk to containers: two chats in one, and what is said of their answers."""

from contextlib import suppress
from datetime import timedelta

from probes.dialogue import Answer, Dialogue, Sent
from probes.factories import Conversation, Factory, Who
from probes.platform import Context
from probes.platform.aws import AwsError
from probes.platform.commands import Response
from probes.platform.dialects import ContainerIdForm, FileCheck
from probes.platform.phases import response_phases
from probes.platform.queues import ABSENT
from probes.platform.workspace import Workspace
from synthetics.contract import expect
from synthetics.errors import TimedOut, Unexpected

#: Long for any editor, and recognised as long by a stand-in (contract §7.4).
LONG = "Please refactor all components of the site, and take time over it"


def unshared(ctx: Context) -> str:
    """Why two chats of one user and project have two containers on this deployment; empty if they share one."""
    form = ctx.platform.settings.container_id_form
    if form is ContainerIdForm.CLIENT_PROJECT_USER:
        return ""
    return f"CONTAINER_ID_FORM={form.value} gives every chat a container of its own"


async def two_chats(factory: Factory) -> tuple[Conversation, Conversation]:
    """Two chats of one user on one project. Raises PlatformError."""
    return await factory.open(Who(thread="one")), await factory.open(Who(thread="two"))


async def open_awake(ctx: Context, factory: Factory, thread: str) -> Conversation:
    """A chat whose thread is mapped where that may be done, so that its container stays awake while we look."""
    chat = await factory.open(Who(thread=thread))
    mapped = chat.row.thread_id or chat.thread
    if ctx.platform.settings.isolated and await ctx.platform.tables.mapping(mapped) is None:
        await ctx.platform.tables.put_mapping(
            mapped, session_id=chat.session_id, container_id=chat.container_id
        )
    return chat


def create(file: str, ctx: Context) -> str:
    """The short instruction to make a file."""
    return f'Create {file} with content "written by {ctx.tag}"'


def succeeded(what: str, response: Response) -> None:
    """The command was carried out to its end. Raises Unexpected saying how it ended instead."""
    if response.told_interrupted:
        raise Unexpected(f"unexpected: {what}: wanted success, got interrupted, though nothing followed it")
    if not response.success:
        raise Unexpected(f"unexpected: {what}: wanted success, got {response.error or response.summary!r}")


def names_file(response: Response, file: str) -> bool:
    """Whether a response speaks of this file."""
    return file in response.summary or any(name.endswith(file) for name in response.files_changed)


def measure_response(ctx: Context, answer: Answer) -> None:
    """Keep how long a command took that was carried out to its end."""
    if answer.response.success:
        spent = response_phases(answer.response.timestamp - answer.sent.at_wall, answer.took)
        ctx.measure("response", since=answer.sent.at, until=answer.seen, phases=spent)


async def heard(ctx: Context, dialogue: Dialogue, sent: Sent) -> Answer:
    """The response to a command, waited for twice as long as promised: a late one is measured, not missed.

    Raises TimedOut with what its queues tell of the command; queues that went away end the wait.
    """
    limit = ctx.platform.settings.target_response
    try:
        return await dialogue.answer(sent, within=2 * limit, of_any_session=True)
    except AwsError as error:
        if error.code not in ABSENT:
            raise
        raise TimedOut(
            f"unexpected: response to command {sent.command.command_id} ({sent.command.instruction!r}): "
            "wanted one, but the container's queues went away: it has ended",
            **error.evidence,
        ) from error
    except TimedOut as error:
        cause = await dialogue.whereabouts(sent)
        raise TimedOut(f"{error}; {cause}", **error.evidence) from error


def in_time(ctx: Context, answer: Answer) -> None:
    """The response came within the promised time."""
    limit = ctx.platform.settings.target_response
    expect.within(f"time until the response to {answer.sent.command.instruction!r}", answer.took, limit)


def committed(ctx: Context, chat: Conversation) -> tuple[Workspace | None, str]:
    """The chat's workspace where commits can be seen as soon as they are made; else None, and why."""
    web = ctx.platform
    if web.settings.file_check is FileCheck.GIT_REMOTE:
        return None, "FILE_CHECK=git-remote shows only what was pushed, and commands may commit without pushing"
    return chat.workspace(ctx), web.workspaces.refusal or ""


async def holding(ctx: Context, workspace: Workspace, branch: str, *files: str) -> list[str]:
    """The files of a branch, once these are among them, or as they are when it has had time enough."""
    seen: list[str] = []

    async def look() -> bool:
        seen[:] = await workspace.files(branch)
        return all(file in seen for file in files)

    with suppress(TimedOut):
        await ctx.eventually(
            look, until=bool, within=timedelta(seconds=5), what=f"{', '.join(files)} on {branch}"
        )
    return seen
