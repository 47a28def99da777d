"""CloudWatch Logs, as far as the containers' own logs can be read there (contract §9.3)."""

import asyncio
from pathlib import Path
from typing import Any

from sandbox.aws import AwsError
from sandbox.settings import CONTAINER_NAME, SandboxSettings

TARGET = "Logs_20140328"
GROUP, PREFIX = "/ecs/webordinary/edit", "edit"
MOST_EVENTS = 10_000


class Logs:
    """Reads the containers' log files as the streams that the awslogs driver would have made of them."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._root = settings.logs_root

    def owns(self, action: str) -> bool:
        return action == "GetLogEvents"

    async def answer(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        """The newest events of a container's stream; raises AwsError."""
        if request.get("logGroupName") != GROUP:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        prefix, _, task = str(request.get("logStreamName", "")).rpartition("/")
        file = self._root / f"{task}.log"
        if prefix != f"{PREFIX}/{CONTAINER_NAME}" or not task.isalnum() or not file.is_file():
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        limit = min(int(request.get("limit", MOST_EVENTS)), MOST_EVENTS)
        return {"events": await asyncio.to_thread(_events, file, limit)}


def _events(file: Path, limit: int) -> list[dict[str, Any]]:
    written = round(file.stat().st_mtime * 1000)
    lines = file.read_text(errors="replace").splitlines()[-limit:]
    return [{"timestamp": written, "ingestionTime": written, "message": line} for line in lines]
