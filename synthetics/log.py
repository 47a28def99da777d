"""Logs: one line for each event, `noun.past_verb`, with its data in fields and no secret in any of them."""

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from synthetics.redaction import HIDDEN, clean, hide, is_secret_name
from synthetics.run_log import collect
from synthetics.words import printable


class LogFormat(StrEnum):
    """How lines are written; `auto` is readable on a terminal and JSON everywhere else."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """What is written at all."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


#: Libraries that talk a lot; what they say below a warning is of no use to whoever runs the service.
_TALKATIVE = (
    "alembic", "apscheduler", "asyncio", "boto3", "botocore", "httpcore", "httpx", "urllib3", "websockets",
)  # fmt: skip
_UVICORN = ("uvicorn", "uvicorn.access", "uvicorn.error")
#: Made by us and never secret: they need no cleaning.
_OWN = frozenset({"event", "level", "timestamp", "logger"})


def configure(
    form: LogFormat | str = LogFormat.AUTO, level: LogLevel | str = LogLevel.INFO, stream: TextIO | None = None
) -> None:
    """Send every line, ours and the libraries', to `stream` (standard error) in one form.

    May be called again; the last call holds. Servers must be started without a logging setup of their own
    (`uvicorn.Config(log_config=None)`).
    """
    handler = _Handler(stream)
    readable = LogFormat(form) is LogFormat.CONSOLE or (
        LogFormat(form) is LogFormat.AUTO and handler.stream.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, collect],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(readable, handler),
            ],
        )
    )
    structlog.configure(
        processors=[
            *shared,
            collect,  # a run keeps also what is not written at this level
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    lowest = logging.getLevelNamesMapping()[LogLevel(level).upper()]
    _quieten(lowest)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, _Handler):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(lowest)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event with every secret hidden, by name and by look; a structlog processor."""
    for name, value in event.items():
        if name in _OWN:
            event[name] = hide(str(value))
        elif is_secret_name(name):
            event[name] = HIDDEN
        else:
            # A traceback is worth its length; everything else is cut to what a line can bear.
            event[name] = hide(value) if name == "exception" else clean(value)
    return event


def _for_a_terminal(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without anything that a terminal would obey; a traceback keeps its lines."""
    for name, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if name == "exception" else [value]
            event[name] = "\n".join(printable(line, most=None) for line in lines)
    return event


def _in_order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
    return {**first, **event}


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at that moment, so that a live display may stand in for it."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._fixed = stream

    @property
    def stream(self) -> TextIO:
        return self._fixed if self._fixed is not None else sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        """Given once, at the start."""

    _fixed: TextIO | None = None


def _rendering(readable: bool, handler: _Handler) -> list[Processor]:
    if readable:
        # Rendered as text first, so that the traceback passes the redaction too.
        console = structlog.dev.ConsoleRenderer(colors=handler.stream.isatty(), pad_event_to=24)
        return [structlog.processors.format_exc_info, redact, _for_a_terminal, console]
    return [
        structlog.processors.format_exc_info,
        redact,
        _in_order,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def _quieten(lowest: int) -> None:
    for name in _TALKATIVE:
        # Never below info, even when all is wanted: debug lines of libraries hold bodies and signed headers.
        logging.getLogger(name).setLevel(
            logging.INFO if lowest < logging.INFO else max(lowest, logging.WARNING)
        )
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(lowest, logging.WARNING))
