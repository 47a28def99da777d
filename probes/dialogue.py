"""Commands to one container, and its answers, whichever of its chats they belong to (contract §4, §7.3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.factories import Conversation
from probes.platform import Context
from probes.platform.commands import Command, CommandType, Response
from probes.platform.values import QueueSet
from synthetics.contract.waiting import BLOCKING, DEAR, Sighting
from synthetics.errors import Unexpected


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
        Raises TimedOut.
        """
        web = self._ctx.platform

        async def rests() -> bool:
            depth = await web.queues.depth(self._queues.input_url)
            if depth.total:
                return False
            rows = [await web.tables.session(one.session_id) for one in conversations]
            return all(row is not None and row.status in ("active", "idle") for row in rows)

        await self._ctx.eventually(
            rests,
            until=bool,
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

    async def answer(self, sent: Sent, *, within: timedelta | None = None) -> Answer:
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
        if response.session_id != sent.command.session_id:
            raise Unexpected(
                f"unexpected: response to command {command_id}: wanted session {sent.command.session_id}, "
                f"got {response.session_id}"
            )
        return Answer(sent, response, seen)

    async def ask(self, to: Conversation, instruction: str) -> Answer:
        """Send a command and wait for its response. Raises PlatformError."""
        return await self.answer(await self.say(to, instruction))

    @property
    def unasked(self) -> tuple[Response, ...]:
        """What came and was not waited for: answers to first instructions and interrupts, or ones too many."""
        return self._responses.others
