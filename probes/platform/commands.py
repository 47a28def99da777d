"""What is said to a container over its queues, and what it answers."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4


class CommandType(StrEnum):
    """What a command asks of a container."""

    EDIT = "edit"
    BUILD = "build"
    COMMIT = "commit"
    PUSH = "push"
    PREVIEW = "preview"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One message for a container's input queue (contract §4.2)."""

    session_id: str
    thread_id: str
    instruction: str
    client_id: str
    project_id: str = ""
    user_id: str = ""
    user_email: str = "synthetics@example.com"
    type: CommandType = CommandType.EDIT
    priority: str = "normal"
    command_id: str = field(default_factory=lambda: str(uuid4()))

    @classmethod
    def interrupt(cls, of: "Command", reason: str = "newer request") -> "Command":
        """The interrupt that is sent ahead of a newer command of the same session (contract §4.3)."""
        return cls(
            session_id=of.session_id,
            thread_id=of.thread_id,
            instruction=f"INTERRUPT: {reason}",
            client_id="",
            user_email="system@webordinary.com",
            type=CommandType.INTERRUPT,
            priority="high",
        )

    def body(self, at: datetime) -> str:
        """The message as JSON; `at` is its timestamp."""
        return json.dumps(
            {
                "sessionId": self.session_id,
                "commandId": self.command_id,
                "chatThreadId": self.thread_id,
                "timestamp": int(at.timestamp() * 1000),
                "type": self.type.value,
                "instruction": self.instruction,
                "userEmail": self.user_email,
                "context": {
                    "branch": f"thread-{self.thread_id}",
                    "clientId": self.client_id,
                    "projectId": self.project_id,
                    "userId": self.user_id,
                },
                "priority": self.priority,
            }
        )


@dataclass(frozen=True, slots=True)
class Response:
    """One message of a container's output queue (contract §4.4)."""

    session_id: str
    command_id: str
    success: bool
    timestamp: datetime
    summary: str = ""
    error: str = ""
    interrupted: bool = False
    files_changed: tuple[str, ...] = ()
    preview_url: str | None = None
    git_commit: str | None = None
    branch: str | None = None

    @property
    def told_interrupted(self) -> bool:
        """By flag or by words: the platform's two halves say it differently."""
        words = f"{self.summary} {self.error}".casefold()
        return self.interrupted or (not self.success and "interrupted" in words)
