"""What a container is started with."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Launch:
    """One container: `name` is the task's id; instants are epoch seconds, durations real seconds."""

    name: str
    address: str
    serve_at: float
    preview_after: float
    environment: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        """A variable of the container's environment."""
        return self.environment.get(name, default)

    @property
    def task_arn(self) -> str:
        return self.get("TASK_ARN", "unknown")

    @property
    def client(self) -> str:
        return self.get("CLIENT_ID") or self.get("DEFAULT_CLIENT_ID", "default")

    @property
    def user(self) -> str:
        """Whose workspace this is; a task launched for nobody has one of its own."""
        return self.get("USER_ID") or self.get("DEFAULT_USER_ID", f"task-{self.name[:12]}")

    @property
    def project(self) -> str:
        return self.get("PROJECT_ID", "default")

    @property
    def thread(self) -> str:
        return self.get("THREAD_ID")

    @property
    def session(self) -> str:
        return self.get("SESSION_ID")

    @property
    def container_id(self) -> str:
        """The id of its row; empty for a task that nobody launched for anyone (a bare service task)."""
        composed = f"{self.client}-{self.thread}-{self.user}" if self.thread else ""
        return self.get("CONTAINER_ID") or composed
