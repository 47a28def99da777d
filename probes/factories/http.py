"""Chats through Hermes' own API: activate with the fields of a multi-session chat, and deactivate."""

from probes import chats
from probes.factories.conversation import Conversation, Who, closed_over, known_queues
from probes.platform import Context
from probes.platform.values import QueueSet


class Http:
    """Opens chats by activate (contract §7.1, column `http`)."""

    several_users = True
    several_projects = True

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def open(self, who: Who, instruction: str = "Add a page about us") -> Conversation:
        """A chat that activate made. Raises PlatformError."""
        ctx = self._ctx
        chat = await chats.open_chat(ctx, instruction, thread=who.thread, user=who.user, project=who.project)
        container_id = await chats.container_of(ctx, chat, project=who.project)
        await ctx.platform.note_container(container_id)
        return conversation_in(chat, await known_queues(ctx, container_id), project=who.project)

    async def close(self, conversation: Conversation) -> None:
        """Deactivate the session. Raises PlatformError."""
        await self._ctx.platform.hermes.deactivate(conversation.session_id)
        if self._ctx.platform.settings.isolated:
            await closed_over(self._ctx, conversation)


def conversation_in(chat: chats.Chat, queues: QueueSet, *, project: str = chats.PROJECT) -> Conversation:
    """The chat that activate made, as one who talks to its container through these queues."""
    return Conversation(
        session_id=chat.session_id,
        client_id=chat.asked.client_id,
        project=project,
        user_id=chat.asked.user_id,
        thread=chat.thread,
        container_id=queues.container_id,
        queues=queues,
        row=chat.row,
        took=chat.asked.took,
    )
