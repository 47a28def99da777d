"""How people write things: names that are nearly right, and durations."""

import math
import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
#: What a terminal may obey, or what turns the direction in which a line is read; and what no file can hold.
_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS = re.compile(r"[\t\r\n]+")
LONGEST_PRINTED = 600


def plain(name: str) -> str:
    """`name` as it is compared: hyphen and underscore, large and small letters are the same."""
    return name.strip().lower().replace("_", "-")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None if none is near."""
    by_plain = {plain(one): one for one in known}
    found = get_close_matches(plain(name), list(by_plain), n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near}?"
    return f"known: {', '.join(sorted(names))}" if names else "there is none"


def duration(value: object) -> timedelta:
    """A duration from a number of seconds, "90s", "15m", "1h30m" or ISO 8601 ("PT15M").

    Raises ValueError for anything else.
    """
    match value:
        case timedelta():
            return value
        case bool():
            raise ValueError("a truth value is not a duration")
        case int() | float():
            return _of_seconds(float(value))
        case str():
            return _of_text(value)
    raise ValueError(f"{value!r} is not a duration")


def printable(text: str, *, most: int | None = LONGEST_PRINTED) -> str:
    """`text` as a terminal may be given it: one line, nothing a terminal obeys, cut after `most` characters."""
    line = _COMMANDS.sub(_spelled, _BREAKS.sub(" ", text))
    return line if most is None or len(line) <= most else line[:most] + "…"


def in_words(took: timedelta) -> str:
    """`took` for people: `340 ms`, `4.21 s`, `2 min 5 s`, `1 h 30 min`."""
    seconds = took.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 60:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def counted(number: int, what: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _of_text(text: str) -> timedelta:
    compact = text.strip().replace(" ", "").lower()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return _of_seconds(float(compact))
    if compact and _PART.sub("", compact) == "":
        return _of_seconds(sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(compact)))
    iso = _ISO.fullmatch(compact.upper())
    if iso and any(iso.groupdict().values()):
        return _of_seconds(sum(float(count) * _UNITS[unit] for unit, count in iso.groupdict().items() if count))
    raise ValueError(f"{text!r} is not a duration")


def _of_seconds(seconds: float) -> timedelta:
    if not math.isfinite(seconds):
        raise ValueError("a duration is finite")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{seconds:g} seconds is too long") from None


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
