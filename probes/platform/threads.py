"""The id of a chat thread, as the platform's intake makes it of a message's own ids (contract §8.3)."""

import hashlib
from base64 import urlsafe_b64encode

_LENGTH = 8


def chat_thread(source_id: str) -> str:
    """The thread of a mail's id (its first reference, the mail it answers, or its own), of SMS or of a chat."""
    return hashed(source_id.strip().removeprefix("<").removesuffix(">"))


def hashed(text: str) -> str:
    """The text's hash as threads are named by it, whatever brackets it has."""
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:_LENGTH]


def sms_source(one: str, other: str) -> str:
    """What stands for a conversation between two numbers, whichever of them writes."""
    return "sms:" + ":".join(sorted((one, other)))
