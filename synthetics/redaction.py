"""The one place where secrets are hidden: by the name they go under, and by how they look."""

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum

LONGEST_TEXT = 2_000
#: What lies behind is not shown anyway, and looking for secrets in a megabyte takes seconds.
_LOOKED_AT = 5 * LONGEST_TEXT
MOST_ITEMS = 50
HIDDEN = "[redacted]"
_DEEPEST = 6
_NAMES = r"(?:authorization|cookie|password|passwd|secret|token|api[-_]?key|credential)"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
#: In texts: a member of a JSON object, or a parameter, that goes under such a name.
_SECRET_PAIR = re.compile(
    rf"""((?:["'][\w-]{{0,40}}{_NAMES}[\w-]{{0,40}}["']\s*:\s*["'])|(?:\b[\w-]{{0,40}}{_NAMES}[\w-]{{0,40}}=))[^"'\s&,;}}]+""",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bsyn_[0-9a-f]{32}_[A-Za-z0-9_-]{43}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?i:(?<=x-amz-signature=)|(?<=x-amz-security-token=))[^&\s]+"
)
#: Neither Postgres nor UTF-8 has these; a platform's JSON may have both.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def is_secret_name(name: str) -> bool:
    """Whether what goes under this name is a secret, whatever it looks like."""
    return _SECRET_NAME.search(name) is not None


def hide(text: str) -> str:
    """`text` with everything that looks like a secret hidden."""
    return _SECRET_PAIR.sub(rf"\1{HIDDEN}", _SECRET_TEXT.sub(HIDDEN, text))


def clean(value: object, *, _depth: int = 0) -> object:
    """`value` made JSON-ready: secrets hidden by name and by look, long texts and lists cut."""
    if _depth > _DEEPEST:
        return "…"
    match value:
        case Enum():
            return clean(value.value, _depth=_depth)
        case float() if not math.isfinite(value):  # JSON has no word for these
            return str(value)
        case None | bool() | int() | float():
            return value
        case str():
            return clean_text(value)
        case bytes():
            return clean_text(value.decode("utf-8", "replace"))
        case datetime():
            return value.isoformat()
        case timedelta():
            return round(value.total_seconds(), 6)
        case Mapping():
            items = list(value.items())[:MOST_ITEMS]
            return {
                clean_text(str(name)): HIDDEN if is_secret_name(str(name)) else clean(inner, _depth=_depth + 1)
                for name, inner in items
            }
        case list() | tuple() | set() | frozenset():
            inner = list(value) if isinstance(value, list | tuple) else sorted(value, key=str)
            return [clean(item, _depth=_depth + 1) for item in inner[:MOST_ITEMS]]
    if is_dataclass(value):
        return clean({f.name: getattr(value, f.name) for f in fields(value)}, _depth=_depth)
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """`text` with secrets hidden and its length bounded; what nothing can keep is spelled out."""
    shown = _UNWRITABLE.sub(_spelled, hide(text[:_LOOKED_AT]))
    return shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + f"… ({len(text)} characters)"


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
