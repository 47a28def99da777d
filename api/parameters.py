"""Query parameters with their limits; what they refuse is answered 422 with a sentence."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from synthetics.model.incident import Rule
from synthetics.model.run import Outcome
from synthetics.queries import Reads
from synthetics.queries.history import Cursor
from synthetics.queries.timings import MOST_BUCKETS, Span

MOST_RUNS = 200
_LONGEST_SPAN = timedelta(days=366)
#: What the page of a probe can show at once.
SPANS: Final = {"24h": timedelta(days=1)} | {f"{days}d": timedelta(days=days) for days in (7, 30, 90)}
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
#: PostgreSQL has no text with a NUL in it.
_NO_NUL = r"^[^\x00]*$"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})([smhd]?)")


def _reads(request: Request) -> Reads:
    reads = request.app.state.reads
    assert isinstance(reads, Reads)
    return reads


def _cursor(text: Any) -> Any:
    return Cursor.parse(text) if isinstance(text, str) else text


def _duration(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    found = _DURATION.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise ValueError(f"wanted a duration such as 90, 90s, 5m, 1h or 1d, got {text[:40]!r}")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


FromReads = Annotated[Reads, Depends(_reads)]

ProbeName = Annotated[
    str,
    Path(
        max_length=200,
        description="The probe's name; hyphens and underscores are the same.",
        examples=["document_is_searchable"],
    ),
]

TimingName = Annotated[
    str,
    Path(
        max_length=200,
        description="The timing's name; hyphens and underscores are the same.",
        examples=["time_to_find"],
    ),
]

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["5m"]}),
]

CursorText = Annotated[
    Cursor,
    BeforeValidator(_cursor),
    WithJsonSchema({"type": "string", "examples": ["AAYxk7…"]}),
]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class RunsQuery(_Parameters):
    """Which runs of a probe, and how many at a time."""

    limit: int = Field(50, ge=1, le=MOST_RUNS, description="How many runs a page has at most.")
    cursor: CursorText | None = Field(None, description="From the `next` of the page before.")
    outcome: list[Outcome] = Field([], max_length=len(Outcome), description="Only these; may be repeated.")
    location: str | None = Field(None, max_length=40, pattern=_NO_NUL, description="Only from this location.")


class ListQuery(_Parameters):
    """How many at a time."""

    limit: int = Field(50, ge=1, le=MOST_RUNS, description="How many a page has at most.")
    cursor: CursorText | None = Field(None, description="From the `next` of the page before.")


class IncidentsQuery(_Parameters):
    """Which incidents, and how many at a time."""

    limit: int = Field(50, ge=1, le=MOST_RUNS, description="How many incidents a page has at most.")
    cursor: CursorText | None = Field(None, description="From the `next` of the page before.")
    open: bool | None = Field(None, description="Only those that are open, or only those that are not.")
    probe: str | None = Field(None, max_length=200, description="Only of this probe.")
    rule: Rule | None = Field(None, description="Only of this rule.")


class PageQuery(BaseModel):
    """Where the list on a page begins; whatever else a link carries is not ours to judge."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    cursor: CursorText | None = None


class ProbePageQuery(PageQuery):
    """And over which span timings are shown."""

    span: Literal["24h", "7d", "30d", "90d"] = "24h"


class TimingsQuery(_Parameters):
    """Which timings."""

    probe: str | None = Field(None, max_length=200, description="Only of this probe.")


class RegressionsQuery(_Parameters):
    """Which timings."""

    probe: str | None = Field(None, max_length=200, description="Only of this probe.")
    slower: bool = Field(False, description="Only what is slower than usual now.")


class CostsQuery(_Parameters):
    """How far back."""

    days: int = Field(30, ge=1, le=366, description="How many days, today the last of them.")


class SpanQuery(_Parameters):
    """Which span of a timing, and how finely."""

    since: AwareDatetime | None = Field(
        None,
        ge=_EARLIEST,
        le=_LATEST,
        description="The begin; a day before `until` if unset.",
        examples=["2026-11-19T14:00:00Z"],
    )
    until: AwareDatetime | None = Field(
        None,
        ge=_EARLIEST,
        le=_LATEST,
        description="The end, exclusive; now if unset.",
        examples=["2026-11-20T14:00:00Z"],
    )
    bucket: Duration | None = Field(
        None,
        le=_LONGEST_SPAN,
        description="How wide a slice is (`300`, `5m`, `1h`, `1d`); chosen for about 60 if unset.",
    )
    probe: str | None = Field(None, max_length=200, description="Only of this probe.")
    path: str | None = Field(None, max_length=200, pattern=_NO_NUL, description="Only this variant.")


def _span(request: Request, asked: Annotated[SpanQuery, Query()]) -> "AskedSpan":
    now: datetime = request.app.state.clock.now()
    until = (asked.until or now).astimezone(UTC)
    since = (asked.since or until - timedelta(days=1)).astimezone(UTC)
    if since >= until:
        raise _refused("since", "wanted earlier than until, which is now if it is unset")
    if until - since > _LONGEST_SPAN:
        raise _refused("since", f"wanted at most {_LONGEST_SPAN.days} days before until")
    if asked.bucket and (until - since) / asked.bucket > MOST_BUCKETS:
        raise _refused("bucket", f"wanted at most {MOST_BUCKETS} in the span; make it wider")
    return AskedSpan(Span(since, until, asked.bucket), asked.probe, asked.path)


@dataclass(frozen=True, slots=True)
class AskedSpan:
    """A span that can be answered, and of what."""

    span: Span
    probe: str | None
    path: str | None


FromSpan = Annotated[AskedSpan, Depends(_span)]


def _refused(parameter: str, sentence: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("query", parameter), "msg": sentence}])
