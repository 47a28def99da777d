"""How ids are composed (contract §1.4): sessions, threads, branches, containers."""

import base64
import hashlib
import random
import re
import string
import uuid

from sandbox.settings import SandboxSettings

BASE36 = string.digits + string.ascii_lowercase
LONGEST_CONTAINER_ID = 61
"""A queue's name has at most 80 characters, and `webordinary-output-` takes 19 of them."""


def new_session_id() -> str:
    return str(uuid.uuid4())


def new_chat_thread() -> str:
    """A chat thread nobody named: the 8 hex digits behind `thread-` in ids and branches."""
    return uuid.uuid4().hex[:8]


def branch_of(chat_thread: str) -> str:
    """The git branch, and the threadId of a session's row."""
    return f"thread-{chat_thread}"


def thread_hash(source_id: str) -> str:
    """The chat thread of a message id (contract §8.3)."""
    stripped = source_id.removeprefix("<").removesuffix(">")
    digest = hashlib.sha256(stripped.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:8]


def lonely_thread(epoch_ms: int) -> str:
    """The chat thread of a message that tells nothing of one (contract §8.3)."""
    digits, left = "", epoch_ms
    while left:
        left, digit = divmod(left, 36)
        digits = BASE36[digit] + digits
    return digits + "".join(random.choices(BASE36, k=4))


def user_part(user: str) -> str:
    """A user as a queue's name can carry it: the local part, letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", user.partition("@")[0])


def container_id(
    settings: SandboxSettings, *, client: str, project: str, user: str, thread: str, session: str
) -> str:
    """The container that a session of this client, project and user lives in."""
    match settings.container_id_form:
        case "session-id":
            composed = session
        case "client-thread-user":
            composed = f"{client}-{thread}-{user_part(user)}"
        case _:
            composed = f"{client}-{project}-{user_part(user)}"
    return queue_safe(composed)


def queue_safe(name: str) -> str:
    """The name itself if a queue can carry it; otherwise a short one that stays different."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "", name)
    if safe == name and len(safe) <= LONGEST_CONTAINER_ID:
        return safe
    return f"{safe[: LONGEST_CONTAINER_ID - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
