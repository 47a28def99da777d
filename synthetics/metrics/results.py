"""What runs came to, as metrics of CloudWatch: names and units, and the line of a log that carries them.

A line in the embedded metric format costs no call: CloudWatch Logs reads the metrics out of it. Format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from synthetics.model.run import TELLING, Outcome, Run

_MILLISECOND = timedelta(milliseconds=1)


class Unit(StrEnum):
    """The units of CloudWatch that are used here."""

    MILLISECONDS = "Milliseconds"
    COUNT = "Count"
    PERCENT = "Percent"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class ResultNames:
    """What the platform's own dashboards call things. `each` and `all`: names by timing.

    `dimension` is the one that tells probes apart; metrics of all probes together have none.
    """

    namespace: str
    dimension: str
    duration: str
    success: str
    success_rate: str
    cost: str
    each: Mapping[str, str]
    all: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Datum:
    """One value of one metric; `probe` is None for a metric of all probes together."""

    name: str
    unit: Unit
    value: float
    probe: str | None = None


def datums(run: Run, names: ResultNames) -> list[Datum]:
    """What a run says; none for a run that says nothing about the platform."""
    return list(_datums(run, names)) if run.outcome in TELLING else []


def _datums(run: Run, names: ResultNames) -> Iterator[Datum]:
    probe, passed = run.key.probe, run.outcome is Outcome.PASSED
    yield Datum(names.duration, Unit.MILLISECONDS, run.took / _MILLISECOND, probe)
    yield Datum(names.success, Unit.COUNT, float(passed), probe)
    yield Datum(names.success_rate, Unit.PERCENT, 100.0 * passed)
    for of in (probe, None):
        yield Datum(names.cost, Unit.NONE, run.cost.dollars, of)
    for timing in run.timings:
        if timing.stalled:
            continue
        for named, of in ((names.each, probe), (names.all, None)):
            if timing.name in named:
                yield Datum(named[timing.name], Unit.MILLISECONDS, timing.took / _MILLISECOND, of)


def embedded(run: Run, names: ResultNames) -> dict[str, object] | None:
    """A run's values as one object in the embedded metric format; None where it has none.

    A metric that a run has several values of becomes a list of them.
    """
    found = datums(run, names)
    if not found:
        return None
    values: dict[str, list[float]] = {}
    for datum in found:
        if datum.probe is not None or not any(
            other.name == datum.name and other.probe is not None for other in found
        ):
            values.setdefault(datum.name, []).append(round(datum.value, 6))
    directives = [
        {
            "Namespace": names.namespace,
            "Dimensions": [[names.dimension] if of_each else []],
            "Metrics": [
                {"Name": name, "Unit": unit.value}
                for name, unit in dict.fromkeys(
                    (datum.name, datum.unit) for datum in found if (datum.probe is not None) is of_each
                )
            ],
        }
        for of_each in (True, False)
    ]
    at = int((run.finished or run.key.tick).timestamp() * 1000)
    return {
        "_aws": {"Timestamp": at, "CloudWatchMetrics": directives},
        names.dimension: run.key.probe,
        "RunId": str(run.id),
        **{name: found[0] if len(found) == 1 else found for name, found in values.items()},
    }
