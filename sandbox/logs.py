"""CloudWatch Logs, as far as the containers' own logs can be read there (contract §9.3)."""

import asyncio
import contextlib
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.aws import AwsError
from sandbox.settings import CONTAINER_NAME, SandboxSettings

TARGET = "Logs_20140328"
GROUP, PREFIX = "/ecs/webordinary/edit", "edit"
MOST_EVENTS = 10_000
STAMP, STAMP_LENGTH = "%Y-%m-%d %H:%M:%S,%f", 23
Request = dict[str, Any]


class Logs:
    """Reads the containers' log files as the streams that the awslogs driver would have made of them."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._root = settings.logs_root

    def owns(self, action: str) -> bool:
        return action in ("GetLogEvents", "FilterLogEvents")

    async def answer(self, action: str, request: Request) -> dict[str, Any]:
        """The newest events of a container's stream, or those of all that match; raises AwsError."""
        if request.get("logGroupName") != GROUP:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        limit = min(int(request.get("limit", MOST_EVENTS)), MOST_EVENTS)
        if action == "FilterLogEvents":
            return {"events": await asyncio.to_thread(self._matching, request, limit), "searchedLogStreams": []}
        prefix, _, task = str(request.get("logStreamName", "")).rpartition("/")
        file = self._root / f"{task}.log"
        if prefix != f"{PREFIX}/{CONTAINER_NAME}" or not task.isalnum() or not file.is_file():
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        return {"events": await asyncio.to_thread(lambda: list(_events(file))[-limit:])}

    def _matching(self, request: Request, limit: int) -> list[dict[str, Any]]:
        """The oldest events in which every word or quoted phrase of the pattern occurs."""
        pattern = str(request.get("filterPattern", ""))
        if pattern.startswith(("{", "[", "?", "%", "-")):
            raise AwsError("InvalidParameterException", f"Invalid filter pattern: {pattern}")
        words, streams = shlex.split(pattern), set(request.get("logStreamNames", []))
        since, until = request.get("startTime", 0), request.get("endTime", float("inf"))
        found = []
        for file in self._root.glob("*.log"):
            stream = f"{PREFIX}/{CONTAINER_NAME}/{file.stem}"
            if streams and stream not in streams:
                continue
            for number, event in enumerate(_events(file)):
                if since <= event["timestamp"] < until and all(word in event["message"] for word in words):
                    found.append(event | {"logStreamName": stream, "eventId": f"{file.stem}{number:08d}"})
        return sorted(found, key=lambda event: event["timestamp"])[:limit]


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """A log's lines with their instants; a line without one belongs to the line before it."""
    at = round(file.stat().st_ctime * 1000)
    for line in file.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            at = round(datetime.strptime(line[:STAMP_LENGTH], STAMP).astimezone().timestamp() * 1000)
        yield {"timestamp": at, "ingestionTime": at, "message": line}
