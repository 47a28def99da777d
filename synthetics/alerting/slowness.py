"""Has a timing become slower: what the newest values do to their series, and what is to be said of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.alerting.rules import Finding, Reading
from synthetics.regression.change import Change, Figures, Value, change_of
from synthetics.regression.detector import MOST, Detector, Kind
from synthetics.regression.resolution import State, Watch
from synthetics.store import series
from synthetics.store.series import Known, SeriesKey
from synthetics.words import counted, in_words

#: So many runs after it was over a regression is steady.
_STEADY = 18
#: As many values are looked through for the onset and what changed with it.
EXPLAINED = 400
_STATE = TypeAdapter(State)

Counts = Callable[[datetime], bool]


async def judge(connection: AsyncConnection, key: SeriesKey, counts: Counts, *, told: bool) -> Finding:
    """Judge the values of a series that are newer than those judged before, and keep what is known of it then.

    `counts`: whether the values of a tick do, or fall into maintenance. `told`: there is an open incident, so
    that what changed need not be found out again.
    """
    before = await series.known(connection, key)
    watch = _restored(before)
    after = (before.tick, before.run_id) if before and watch else None
    watch = watch or Watch()
    if before and before.relevel_at:
        watch.detector.relevel(before.relevel_at.timestamp())
    values = await series.values(connection, key, after=after, limit=MOST)
    if not values:
        return Finding(Reading.UNCLEAR)
    calm_runs = before.calm_runs if before else 0
    for value in values:
        if counts(value.tick):
            watch.update(value.tick.timestamp(), value.seconds, value.resolution)
            calm_runs = 0 if watch.detector.slower else calm_runs + 1
    newest, detector = values[-1], watch.detector
    known = Known(
        state=_STATE.dump_python(watch.state(), mode="json"),
        tick=newest.tick,
        run_id=newest.run_id,
        level_seconds=detector.level,
        slower=tuple(sorted(detector.slower)),
        calm_runs=calm_runs,
    )
    await series.keep(connection, key, known)
    if not detector.slower:
        return _over(detector, calm_runs, newest)
    if told:
        return Finding(Reading.BAD, "is still slower", run_id=newest.run_id)
    since = datetime.fromtimestamp(detector.began, UTC)
    recent = await series.values(connection, key, since=since, until=newest.tick, limit=EXPLAINED)
    return finding(detector.slower, [value for value in recent if counts(value.tick)])


def finding(kinds: frozenset[Kind], values: Sequence[Value]) -> Finding:
    """What is said of a series that is slower in these ways, by its values, oldest first."""
    change = change_of(values, kinds)
    if change is None:
        return Finding(Reading.BAD, "became slower", run_id=values[-1].run_id if values else None)
    cause = _after(change)
    said = [f"{_what(change, kinds)} since {_moments(change)}", _where(change), cause]
    odds = "by chance in less than 1 of 2,000 runs"
    return Finding(
        Reading.BAD,
        "; ".join([", ".join(part for part in said if part), counted(change.runs, "run"), odds]),
        since=change.since,
        run_id=values[-1].run_id,
        evidence={
            "ways": sorted(kinds),
            "before": _seconds(change.before),
            "after": _seconds(change.after),
            "first": change.first.isoformat(),
            "last": change.last.isoformat(),
            "runs": change.runs,
            "phases": {name: round(share, 3) for name, share in change.shares.items()},
            "versions": {name: list(pair) for name, pair in change.versions.items()},
            **({"cause": cause} if cause else {}),
        },
    )


def _restored(known: Known | None) -> Watch | None:
    """The watch that goes on; None where there is none yet, or that of another method or version."""
    if known is None:
        return None
    try:
        return Watch.restored(_STATE.validate_python(known.state))
    except ValueError:  # pydantic's too: what cannot be read is judged anew from the stored timings
        return None


def _over(detector: Detector, calm_runs: int, newest: Value) -> Finding:
    if detector.level is None:
        return Finding(Reading.GOOD, "learns what is usual anew", run_id=newest.run_id)
    usual = in_words(timedelta(seconds=detector.level))
    reading = Reading.STEADY if calm_runs >= _STEADY else Reading.GOOD
    return Finding(
        reading, f"is as usual again, {usual} in the middle", since=newest.tick, run_id=newest.run_id
    )


def _what(change: Change, kinds: frozenset[Kind]) -> str:
    before, after = change.before, change.after
    if Kind.LEVEL in kinds:
        return f"became slower: {_from_to(before.p50, after.p50)} (p50)"
    if Kind.SHARE in kinds:
        return f"is slow more often: {_from_to(before.p90, after.p90)} (p90)"
    return f"varies more: {_range(before)} became {_range(after)} (p10 to p90)"


def _moments(change: Change) -> str:
    """The onset and where it may lie, to the minute; with the day where they are not all of one."""
    moments = (change.since, change.first, change.last)
    days = {moment.date() for moment in moments}
    form = "%H:%M" if len(days) == 1 else "%Y-%m-%d %H:%M"
    since, first, last = (moment.astimezone(UTC).strftime(form) for moment in moments)
    day = f" on {change.since:%Y-%m-%d}" if len(days) == 1 else ""
    return f"{since} UTC{day}" if first == last else f"{since} UTC{day} ({first}–{last})"


def _where(change: Change) -> str:
    """The phases that carry a tenth of the change and more."""
    shares = sorted(change.shares.items(), key=lambda item: -item[1])
    return " and ".join(
        f"{share:.0%} of it in {name.replace('_', ' ')}" for name, share in shares if share >= 0.1
    )


def _after(change: Change) -> str:
    changed = [f"{name} {old} → {new}" for name, (old, new) in change.versions.items()]
    return f"first seen after a change of {', '.join(changed)}" if changed else ""


def _from_to(before: float, after: float) -> str:
    return f"{in_words(timedelta(seconds=before))} → {in_words(timedelta(seconds=after))}"


def _range(figures: Figures) -> str:
    return f"{in_words(timedelta(seconds=figures.p10))} to {in_words(timedelta(seconds=figures.p90))}"


def _seconds(figures: Figures) -> dict[str, float]:
    return {"p10": round(figures.p10, 3), "p50": round(figures.p50, 3), "p90": round(figures.p90, 3)}
