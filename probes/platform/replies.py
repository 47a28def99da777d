"""Answers over HTTP, as values: what came, or why nothing did."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from synthetics.errors import PlatformError, Unavailable, Unexpected

LONGEST_BODY = 1024 * 1024
_SHORT = 300
#: What the load balancer answers where no target of it lives (contract §2.4).
_NO_TARGET = frozenset({502, 503})
_TITLE = re.compile(r"<(title|h1)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whatever it says; `status` is 0 and `failure` tells why where none came.

    `text` is cut at 1 MiB (`cut` says so). `took` runs from the request's start to its last byte read.
    `of` names the part of the platform that should have answered, where a stand-in can be told from it.
    """

    request: str
    status: int
    took: timedelta
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    cut: bool = False
    failure: str | None = None
    of: str = ""

    @property
    def away(self) -> bool:
        """Whether the part that should have answered is not there: nobody answered, or the load balancer did.

        An answer that did not come in time says nothing of that.
        """
        if self.failure is not None:
            return bool(self.of) and not self.failure.startswith("timeout")
        return bool(self.of) and self.status in _NO_TARGET and self.text.lstrip()[:1] != "{"

    @property
    def ok(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """A header's value, the name in any case."""
        return self.headers.get(name.lower())

    def expect(self, what: str, *statuses: int) -> None:
        """Raises Unexpected, telling what came instead, unless there is an answer with one of these statuses.

        Without statuses any answer will do; Unavailable where none could come.
        """
        if self.failure is None and not self.away and (not statuses or self.status in statuses):
            return
        raise self.refusal(what, " or ".join(map(str, statuses)) or "an answer")

    def refusal(self, what: str, wanted: str) -> PlatformError:
        """The error that says what came instead of what was wanted."""
        sentence = f"{what}: wanted {wanted}, got {self.told()}"
        if self.away:
            return Unavailable(f"{self.of} is away: {sentence}", **self.evidence())
        return Unexpected(f"unexpected: {sentence}", **self.evidence())

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises Unexpected naming what came instead."""
        value = self._parsed()
        if not isinstance(value, dict):
            raise self._unreadable("a JSON object", f"a JSON {_json_kind(value)}")
        return value

    def json_list(self) -> list[dict[str, object]]:
        """The body as a JSON array of objects. Raises Unexpected naming what came instead."""
        value = self._parsed()
        if not isinstance(value, list):
            raise self._unreadable("a JSON array", f"a JSON {_json_kind(value)}")
        for entry in value:
            if not isinstance(entry, dict):
                raise self._unreadable("a JSON array of objects", f"an array with a JSON {_json_kind(entry)}")
        return value

    def text_field(self, name: str) -> str:
        """A member of the JSON object that must be a text with something in it. Raises Unexpected."""
        value = self.json().get(name)
        if not isinstance(value, str) or not value:
            raise Unexpected(
                f"unexpected: {self.request}: wanted {name!r} as a text, got {_short(repr(value))}",
                **self.evidence(),
            )
        return value

    def message(self) -> str:
        """What an error says: JSON's `message`, a page's title, the start of the body, or why there is none."""
        if self.failure is not None:
            return self.failure
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError):
            return _words(self.text.strip())
        said = value.get("message") if isinstance(value, dict) else None
        return said if isinstance(said, str) else _short(self.text)

    def told(self) -> str:
        """The outcome in a few words, for reasons: `500: Failed to …`, `no answer: connection refused`."""
        if self.failure is not None:
            return f"no answer ({self.failure})"
        said = self.message()
        return f"{self.status}: {said}" if said else f"{self.status} with an empty body"

    def evidence(self) -> dict[str, object]:
        """The reply for a check's evidence, short."""
        if self.failure is not None:
            return {"request": self.request, "failure": self.failure, "took": self.took}
        return {"request": self.request, "status": self.status, "body": _short(self.text), "took": self.took}

    def __str__(self) -> str:
        return self.told()

    def _parsed(self) -> object:
        if self.failure is not None:
            raise self._unreadable("JSON", f"no answer ({self.failure})")
        if self.cut:
            raise self._unreadable("JSON", f"a body of more than {LONGEST_BODY // 1024} KiB")
        body = self.text.strip()
        if not body:
            raise self._unreadable("JSON", "an empty body")
        try:
            parsed: object = json.loads(body)
        except (ValueError, RecursionError):
            raise self._unreadable("JSON", _not_json(body)) from None
        return parsed

    def _unreadable(self, wanted: str, got: str) -> Unexpected:
        return Unexpected(f"unexpected: {self.request}: wanted {wanted}, got {got}", **self.evidence())


def _not_json(body: str) -> str:
    if body[0] == "<":
        return f"HTML: {_short(body)!r}"
    if body[0] in '{["':
        return f"a broken or half JSON: {_short(body)!r}"
    return f"a text: {_short(body)!r}"


def _words(body: str) -> str:
    """What a person would read on an HTML page first; any other text as it is."""
    title = _TITLE.search(body) if body[:1] == "<" else None
    return f"page {' '.join(title[2].split())!r}" if title else _short(body)


def _json_kind(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "boolean", int: "number", float: "number"}
    return "null" if value is None else kinds[type(value)]


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a socket said to a request sent byte for byte; `failure` where it said nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    failure: str | None = None

    @property
    def refused(self) -> bool:
        """Nobody answered, or the connection was shut without a word: an answer too."""
        return self.status == 0


@dataclass(frozen=True, slots=True)
class UpgradeAnswer:
    """How a WebSocket handshake was answered."""

    status: int
    body: str = ""
    failure: str | None = None
