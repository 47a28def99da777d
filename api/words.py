"""Times, durations and shares in words, for pages."""

import json
from datetime import UTC, datetime, timedelta

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def duration(took: timedelta | None) -> str:
    """`41.2 s`, `250 ms`, `3 min 20 s`, `2 h 5 min`; a dash for nothing."""
    if took is None:
        return "–"
    seconds = took.total_seconds()
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 119.95:
        return f"{seconds:.1f} s"
    return _two_units(timedelta(seconds=round(seconds)))


def declared(span: timedelta | None) -> str:
    """A declared duration without idle digits: `15 min`, `60 s`, `1.5 s`, `1 h 30 min`; a dash for nothing."""
    if span is None:
        return "–"
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    if span < 2 * _MINUTE:
        return f"{seconds:g} s"
    return " ".join(part for part in _parts(_two_units(span)) if not part.startswith("0 "))


def exact(moment: datetime | None) -> str:
    """`2026-11-20 21:36:13 UTC`; a dash for nothing."""
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(moment: datetime | None, now: datetime) -> str:
    """`just now`, `4 min ago`, `in 25 s`; `never` for nothing."""
    if moment is None:
        return "never"
    passed = now - moment
    if abs(passed) < timedelta(seconds=1):
        return "just now"
    size = _one_unit(abs(passed))
    return f"{size} ago" if passed > timedelta(0) else f"in {size}"


def plain(name: str) -> str:
    """`cold_start` as people write it: `cold start`."""
    return name.replace("_", " ")


def percent(share: float | None) -> str:
    """`99.95 %`; never rounded up to a hundred. A dash for nothing."""
    if share is None:
        return "–"
    if share >= 1:
        return "100 %"
    return f"{min(99.99, share * 100):.2f} %"


def dollars(amount: float) -> str:
    """`$1.25`; `$0.0031` where two places would hide it; `$0` for nothing."""
    if amount == 0:
        return "$0"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.2g}"


def shown(value: object) -> str:
    """Evidence as indented JSON; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _parts(text: str) -> list[str]:
    """`15 min 0 s` as `15 min` and `0 s`."""
    words = text.split()
    return [" ".join(words[place : place + 2]) for place in range(0, len(words), 2)]


def _one_unit(span: timedelta) -> str:
    if span < 2 * _MINUTE:
        return f"{span // timedelta(seconds=1)} s"
    if span < 2 * _HOUR:
        return f"{span // _MINUTE} min"
    return f"{span // _HOUR} h" if span < 2 * _DAY else f"{span // _DAY} d"


def _two_units(span: timedelta) -> str:
    if span < _HOUR:
        return f"{span // _MINUTE} min {span % _MINUTE // timedelta(seconds=1)} s"
    if span < _DAY:
        return f"{span // _HOUR} h {span % _HOUR // _MINUTE} min"
    return f"{span // _DAY} d {span % _DAY // _HOUR} h"
