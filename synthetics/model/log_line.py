"""One line of what was logged while a run went on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LogLine:
    """`offset` counts from the run's start; `fields` are JSON-ready and free of secrets.

    `times`: how often the same was said here or a few lines further on. `took`: of a request, and of several
    the longest.
    """

    offset: timedelta
    level: str
    event: str
    fields: Mapping[str, object] = field(default_factory=dict)
    took: timedelta | None = None
    times: int = 1
