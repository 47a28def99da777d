"""A chat as those who talk in it know it, however it was opened."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from probes.platform import Context
from probes.platform.values import QueueSet, SessionRow
from probes.platform.workspace import Place, Workspace
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, TimedOut, Unexpected


@dataclass(frozen=True, slots=True)
class Who:
    """Who opens a chat: names that become this run's own by its tag."""

    user: str = "visitor"
    project: str = "site"
    thread: str = "first"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat that is open: its ids, the queues of its container, and how long opening it took."""

    session_id: str
    client_id: str
    project: str
    user_id: str
    thread: str
    container_id: str
    queues: QueueSet
    row: SessionRow
    took: timedelta

    @property
    def branch(self) -> str:
        """The chat's branch (contract §6.2)."""
        return self.row.edit_branch or f"thread-{self.thread}"

    def workspace(self, ctx: Context) -> Workspace | None:
        """The chat's workspace; None where FILE_CHECK names no way in that this monitor has."""
        workspaces = ctx.platform.workspaces
        if workspaces.refusal is not None:
            return None
        place = Place(
            self.client_id, self.user_id, self.project, session_id=self.session_id, branch=self.branch
        )
        return workspaces.at(place)


class Factory(Protocol):
    """One way of opening chats, and what it can tell apart."""

    several_users: bool
    several_projects: bool

    async def open(self, who: Who, instruction: str = "Add a page about us") -> Conversation:
        """A chat whose rows and queues are there; its container may still be starting.

        Raises PlatformError where the platform does not let it come to be, ProbeBroken where this way cannot
        open such a chat at all.
        """

    async def close(self, conversation: Conversation) -> None:
        """Let the chat go, so that its container counts it no more. Raises PlatformError."""


async def known_queues(ctx: Context, container_id: str) -> QueueSet:
    """The container's queue set, once it is there. Raises Unexpected naming the queues that are missing."""
    web = ctx.platform
    named = web.queues.names(container_id)
    names = (named.input, named.output, named.dlq)
    missing = [*names]

    async def look() -> QueueSet | None:
        # A container that ends takes its queues along: what was there once is not what is missing.
        urls = {name: await web.queues.url(name) for name in names}
        absent = [name for name, url in urls.items() if url is None]
        missing[:] = absent if len(absent) < len(missing) else missing
        there = [url for url in urls.values() if url is not None]
        return QueueSet(container_id, *there) if len(there) == len(names) else None

    try:
        found = await ctx.eventually(
            look,
            until=lambda queues: queues is not None,
            within=web.settings.target_warm_start,
            what=f"queues of container {container_id}",
            pace=DEAR,
        )
    except TimedOut as error:
        others = await _queues_in_their_place(ctx, container_id)
        likely = "a platform whose activate makes none is watched with SESSION_FACTORY=direct"
        if others or len(missing) < len(names):
            likely = f"there are {', '.join(others)}" if others else "the others were there"
        raise Unexpected(
            f"unexpected: queues of container {container_id}: wanted input, output and dlq, "
            f"missing {', '.join(missing)}; {likely}",
            missing=missing,
            there=others,
        ) from error
    assert found is not None
    return found


async def _queues_in_their_place(ctx: Context, container_id: str) -> list[str]:
    """The queues that bear this run's tag, with or without the container's own name."""
    queues = ctx.platform.queues
    return sorted({*await queues.bearing(ctx.tag), *await queues.bearing(container_id)})


async def closed_over(ctx: Context, conversation: Conversation) -> None:
    """Delete what a multi-session platform leaves to whoever closes a chat (rows of generation B)."""
    web = ctx.platform
    row = await web.tables.session(conversation.session_id)
    if row is not None and row.generation_b:
        await web.tables.delete_session_rows(conversation.session_id)
        await uncount(ctx, conversation)


async def uncount(ctx: Context, conversation: Conversation) -> None:
    """Take the chat off its container's count; a row that is gone counts nothing."""
    tables = ctx.platform.tables
    try:
        await tables.count_session(conversation.container_id, -1)
    except PlatformError:
        if await tables.has_container(conversation.container_id):
            raise
