"""Opening and closing a chat in the way that SESSION_FACTORY names (contract §7.1), and never in another."""

from probes.factories.conversation import Conversation, Factory, Who
from probes.factories.direct import Direct
from probes.factories.email import Email
from probes.factories.http import Http, conversation_in
from probes.platform import Context
from probes.platform.dialects import SessionFactory

__all__ = ["Conversation", "Factory", "Who", "conversation_in", "factory_of"]


def factory_of(ctx: Context) -> Factory:
    """The deployment's way of opening chats; which it was is kept with the run."""
    wanted = ctx.platform.settings.session_factory
    ctx.fact("session_factory", wanted.value)
    match wanted:
        case SessionFactory.HTTP:
            return Http(ctx)
        case SessionFactory.DIRECT:
            return Direct(ctx)
        case SessionFactory.EMAIL:
            return Email(ctx)
