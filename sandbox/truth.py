"""The truth log: what really happened on the sandbox and when, as JSON lines."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `at` is the wall clock in epoch seconds."""

    at: float
    event: str
    fields: dict[str, Scalar]


class Truth:
    """Appends to one truth log; any number of processes may write to the same file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: str, *, at: float | None = None, **fields: Scalar) -> float:
        """Append one event and return its instant: now, or `at` if the thing happened a moment before."""
        instant = time.time() if at is None else at
        line = json.dumps({"at": instant, "event": event, **fields}, separators=(",", ":"))
        os.write(self._file, line.encode() + b"\n")  # one write per line: lines of two processes never mix
        return instant

    def close(self) -> None:
        os.close(self._file)


def load(path: Path, *, since: float = 0.0) -> list[Event]:
    """Every event from `since` on, in the order of their instants; a half-written last line is left out."""
    if not path.exists():
        return []
    events = [_event(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return sorted((event for event in events if event.at >= since), key=lambda event: event.at)


class Tail:
    """What is new in a truth log, from its present end on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size if path.exists() else 0

    def more(self) -> list[Event]:
        """The events written since the last call; a half-written last line is left for the next."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return [_event(line) for line in whole.decode().splitlines()]


def find(events: Iterable[Event], event: str, **fields: Scalar) -> Iterator[Event]:
    """The events of this name whose fields have these values."""
    for candidate in events:
        if candidate.event == event and all(
            candidate.fields.get(key) == value for key, value in fields.items()
        ):
            yield candidate


def _event(line: str) -> Event:
    data = json.loads(line)
    return Event(data.pop("at"), data.pop("event"), data)
