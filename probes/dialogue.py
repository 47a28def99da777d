"""Commands to one container, and its answers, whichever of its chats they belong to (contract §4, §7.3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.factories import Conversation
from probes.platform import Context
from probes.platform.commands import Command, CommandType, Response
from probes.platform.values import QueueSet
from synthetics.contract.waiting import BLOCKING, DEAR, Sighting
from synthetics.errors import PlatformError, Unexpected


@dataclass(frozen=True, slots=True)
class Sent:
    """A command on its way: `at` is the monotonic instant before it was sent, `at_wall` the wall clock then."""

    command: Command
    at: float
    at_wall: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command was answered, and when that was seen."""

    sent: Sent
    response: Response
    seen: Sighting[Response | None]

    @property
    def took(self) -> timedelta:
        """From sending the command to having its response."""
        return timedelta(seconds=self.seen.at - self.sent.at)


class Dialogue:
    """Everything that is said to one container; one reader of its answers, who drops none (contract §4.6)."""

    def __init__(self, ctx: Context, queues: QueueSet) -> None:
        self._ctx = ctx
        self._queues = queues
        self._responses = ctx.platform.queues.responses(queues.output_url)

    async def at_rest(self, *conversations: Conversation) -> None:
        """Wait until these chats are open and the container has nothing left to do.

        The platform sends a new chat's first instruction in its own time, and whatever is newer interrupts it.
        Raises TimedOut, which says what is not at rest.
        """
        web = self._ctx.platform

        async def busy() -> list[str]:
            rows = {one.session_id: await web.tables.session(one.session_id) for one in conversations}
            found = [
                f"session {session_id} {row.status if row else 'without a row'}"
                for session_id, row in rows.items()
                if row is None or row.status not in ("active", "idle")
            ]
            depth = await web.queues.depth(self._queues.input_url)
            if depth.total:
                found.append(f"{depth.visible} waiting and {depth.in_flight} taken messages on its input queue")
            return found

        await self._ctx.eventually(
            busy,
            until=lambda found: not found,
            within=web.settings.container_ready_timeout + web.settings.target_response,
            what=f"container {self._queues.container_id} at rest",
            pace=DEAR,
        )

    async def say(self, to: Conversation, instruction: str, *, type: CommandType = CommandType.EDIT) -> Sent:
        """Send a command of this chat. Raises PlatformError."""
        command = Command(
            session_id=to.session_id,
            thread_id=to.thread,
            instruction=instruction,
            client_id=to.client_id,
            project_id=to.project,
            user_id=to.user_id,
            type=type,
        )
        sent = Sent(command, self._ctx.instant(), self._ctx.now())
        await self._ctx.platform.queues.send(self._queues.input_url, command)
        return sent

    async def answer(
        self, sent: Sent, *, within: timedelta | None = None, of_any_session: bool = False
    ) -> Answer:
        """The response to a command. Raises TimedOut, Unexpected if it bears another session."""
        command_id = sent.command.command_id
        seen = await self._ctx.sighting(
            lambda: self._responses.look(command_id),
            until=lambda response: response is not None,
            within=within or self._ctx.platform.settings.target_response,
            what=f"response to command {command_id} ({sent.command.instruction!r})",
            pace=BLOCKING,
        )
        response = seen.value
        assert response is not None
        if response.session_id != sent.command.session_id and not of_any_session:
            raise Unexpected(
                f"unexpected: response to command {command_id}: wanted session {sent.command.session_id}, "
                f"got {response.session_id}"
            )
        return Answer(sent, response, seen)

    async def ask(self, to: Conversation, instruction: str) -> Answer:
        """Send a command and wait for its response. Raises PlatformError."""
        return await self.answer(await self.say(to, instruction))

    async def whereabouts(self, sent: Sent) -> str:
        """What the queues tell of a command that was not answered, in words."""
        queues = self._ctx.platform.queues
        try:
            depth = await queues.depth(self._queues.input_url)
            dead = await queues.depth(self._queues.dlq_url)
        except PlatformError as error:
            return f"and its queues could not be asked: {error}"
        if dead.total:
            return "a message lies in the container's dead-letter queue"
        if depth.visible:
            return "a message still lies on the input queue: the container takes none"
        if depth.in_flight:
            return "its message was taken and is not done: the container works on it, or has lost it"
        if self._responses.unreadable:
            return f"what came cannot be read: {'; '.join(self._responses.unreadable)}"
        return "its message was taken and deleted: it was lost, or its response was"

    async def left_unread(self) -> tuple[Response, ...]:
        """What came and was not waited for, once the output queue was read again if it holds anything."""
        if (await self._ctx.platform.queues.depth(self._queues.output_url)).visible:
            await self._responses.look("")
        return self.unasked

    @property
    def unasked(self) -> tuple[Response, ...]:
        """What came and was not waited for: answers to first instructions and interrupts, or ones too many."""
        return self._responses.others
