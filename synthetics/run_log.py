"""The log of one run: every line about it, and every request it made, in a bounded number of lines."""

import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from synthetics.clock import Clock
from synthetics.model.log_line import LogLine
from synthetics.redaction import HIDDEN, LONGEST_TEXT, clean, clean_text, hide, is_secret_name

#: So many lines are kept from the beginning, and as many from the end.
MOST = 200
#: What only the search for a cause needs: kept of runs that did not pass.
DEBUG = "debug"
#: What one of so many lines before it said is counted there: polls take turns.
_NEAR = 4
#: Of a traceback the end is looked at and, of that, as much as of any text is kept: the error is there.
_TRACEBACK_LOOKED_AT = 5 * LONGEST_TEXT
#: No part of what is said, or known from the run itself.
_LEFT_OUT = frozenset({"event", "level", "timestamp", "logger", "probe", "run_id", "exc_info"})


class RunLog:
    """Collects the lines of one run; may be written to from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        self._lines: list[LogLine] = []
        self._left_out = 0
        #: Of the lines that were left out: more than debug only if there was nothing else to leave out.
        self._worst_left_out = DEBUG

    def add(
        self, level: str, event: str, fields: Mapping[str, object], *, took: timedelta | None = None
    ) -> None:
        """Keep a line, with its secrets hidden; what was said just before is counted instead of repeated."""
        offset = timedelta(seconds=self._clock.monotonic() - self._began)
        line = LogLine(
            offset, level, clean_text(event), {name: _clean(name, fields[name]) for name in fields}, took
        )
        with self._lock:
            if self._counted(line):
                return
            self._lines.append(line)
            if len(self._lines) > 2 * MOST:
                self._leave_one_out()

    def lines(self, *, debug: bool) -> tuple[LogLine, ...]:
        """What was kept, oldest first; with `debug` also what only the search for a cause needs."""
        with self._lock:
            lines, left_out, level = list(self._lines), self._left_out, self._worst_left_out
        if left_out:
            lines.insert(MOST, LogLine(lines[MOST].offset, level, "lines.left_out", {"count": left_out}))
        return tuple(line for line in lines if debug or line.level != DEBUG)

    def _leave_one_out(self) -> None:
        """The oldest debug line behind the beginning; where there is none, the oldest line."""
        behind = range(MOST, len(self._lines) - 1)
        victim = next((place for place in behind if self._lines[place].level == DEBUG), MOST)
        if self._lines[victim].level != DEBUG:
            self._worst_left_out = self._lines[victim].level
        del self._lines[victim]
        self._left_out += 1

    def _counted(self, line: LogLine) -> bool:
        same = (line.level, line.event, line.fields)
        for position in range(len(self._lines) - 1, max(len(self._lines) - 1 - _NEAR, -1), -1):
            before = self._lines[position]
            if (before.level, before.event, before.fields) == same:
                longest = max((took for took in (before.took, line.took) if took is not None), default=None)
                self._lines[position] = replace(before, took=longest, times=before.times + 1)
                return True
        return False


_CURRENT: ContextVar[RunLog | None] = ContextVar("run_log", default=None)


@contextmanager
def collecting(run_log: RunLog) -> Iterator[None]:
    """Until it ends, what is logged from here, and by tasks that are begun here, is a part of this log."""
    mark = _CURRENT.set(run_log)
    try:
        yield
    finally:
        _CURRENT.reset(mark)


def collect(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the event to the log of the run that goes on here, if one does; a structlog processor."""
    run_log = _CURRENT.get()
    if run_log is not None:
        told = structlog.processors.format_exc_info(None, "", dict(event)) if event.get("exc_info") else event
        fields = {name: value for name, value in told.items() if _is_said(name)}
        run_log.add(str(event.get("level", "")), str(event.get("event", "")), fields)
    return event


def _is_said(name: str) -> bool:
    return name not in _LEFT_OUT and not name.startswith("_")


def _clean(name: str, value: object) -> object:
    if is_secret_name(name):
        return HIDDEN
    if name == "exception":
        # Hidden before it is cut: of a secret that is cut in two nobody would know the rest.
        return clean_text(hide(str(value)[-_TRACEBACK_LOOKED_AT:])[-LONGEST_TEXT:])
    return clean(value)
