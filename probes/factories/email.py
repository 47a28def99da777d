"""Chats opened by mail: the intake makes a session of it, which is then found by its thread or its client."""

from datetime import timedelta

from probes.factories.conversation import Conversation, Who, closed_over, known_queues
from probes.platform import Context
from probes.platform.dialects import RoutingDialect
from probes.platform.mail import Letter
from probes.platform.values import SessionRow
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, ProbeBroken, TimedOut


class Email:
    """Opens chats by a mail on the mail queue (contract §7.1, column `email`).

    The intakes make the customer or the user of the sender's address (contract §8.2), so all chats of a run
    are of one user here; an intake of the first generation knows no projects either.
    """

    several_users = False

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.several_projects = ctx.platform.settings.routing_dialect is RoutingDialect.LAMBDA

    async def open(self, who: Who, instruction: str = "Add a page about us") -> Conversation:
        """A chat that the intake made of a mail. Raises PlatformError, ProbeBroken for another user."""
        ctx, web = self._ctx, self._ctx.platform
        if who.user != Who().user:
            raise ProbeBroken("SESSION_FACTORY=email opens chats of one user only")
        letter = web.mail.letter(instruction, project=who.project)
        began = ctx.instant()
        row = await self.session_of(letter)
        took = timedelta(seconds=ctx.instant() - began)
        container_id = row.need("container_id")
        await web.note_container(container_id)
        return Conversation(
            session_id=row.session_id,
            client_id=row.client_id or web.mail.client_id,
            project=who.project,
            user_id=row.user_id or who.user,
            thread=(row.edit_branch or row.need("thread_id")).removeprefix("thread-"),
            container_id=container_id,
            queues=await known_queues(ctx, container_id),
            row=row,
            took=took,
        )

    async def session_of(self, letter: Letter) -> SessionRow:
        """Send the letter; the row of the session that comes of it. Raises TimedOut if none does."""
        ctx, web = self._ctx, self._ctx.platform
        known = web.guard.belongings.named("session")
        await web.mail.send(letter)

        async def look() -> SessionRow | None:
            mapping = await web.tables.mapping(letter.thread)
            if mapping is not None and mapping.session_id:
                web.guard.belongings.adopt("session", mapping.session_id)
                return await web.tables.session(mapping.session_id)
            of_client = await web.tables.sessions_of_client(web.mail.client_id)
            return next((row for row in of_client if row.session_id not in known), None)

        try:
            row = await ctx.eventually(
                look,
                until=lambda row: row is not None,
                within=web.settings.target_mail_to_preview,
                what=f"a session for the mail {letter.message_id}",
                pace=DEAR,
            )
        except TimedOut as error:
            raise TimedOut(f"{error}; {await self._whereabouts()}", **error.evidence) from error
        assert row is not None
        web.mail.heard(letter)
        return row

    async def _whereabouts(self) -> str:
        """What the mail queue tells of mails that nothing came of, in words."""
        web = self._ctx.platform
        try:
            depth = await web.queues.depth(await web.mail.queue_url())
        except PlatformError as error:
            return f"and the mail queue could not be asked: {error}"
        if depth.visible:
            return f"{depth.visible} mails wait on the mail queue: nobody reads it, or not fast enough"
        if depth.in_flight:
            return f"{depth.in_flight} mails are being read, or failed and wait to be delivered again"
        return "the mail queue is empty: the mail was read, and nothing came of it"

    async def close(self, conversation: Conversation) -> None:
        """No mail closes a chat: the session is deactivated. Raises PlatformError."""
        await self._ctx.platform.hermes.deactivate(conversation.session_id)
        if self._ctx.platform.settings.isolated:
            await closed_over(self._ctx, conversation)
