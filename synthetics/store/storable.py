"""Values that Postgres can keep: what a platform answers may hold things that no text or JSON column takes."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta

_REFUSED = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable_text(value: str) -> str:
    """`value` with NUL and lone surrogates, which Postgres refuses, replaced."""
    return _REFUSED.sub(_REPLACEMENT, value)


def optional_text(value: str | None) -> str | None:
    """The same for a column that may be empty."""
    return None if value is None else storable_text(value)


def storable(value: object) -> object:
    """`value` as JSON that Postgres keeps: no NUL, no lone surrogate, no NaN, no infinity."""
    match value:
        case str():
            return storable_text(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {storable_text(str(name)): storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
        case _:
            return storable_text(str(value))


def seconds(value: timedelta | None) -> float | None:
    """A duration as the tables keep it."""
    return None if value is None else value.total_seconds()
