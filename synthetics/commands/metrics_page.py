"""The page about metrics, from the metrics themselves."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Info
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from synthetics.clock import SystemClock
from synthetics.commands.markdown import table
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.states import ProbeState, StateGauges

_HEAD = """\
# Metrics

<!-- Written by `python -m synthetics.commands.docs`; change the metrics' own words instead. -->

Every process answers `/metrics`, in the format that is asked for; OpenMetrics has the run and the trace of a
value as its exemplar. Names are public: rules and boards rely on them ([how](prometheus.md)). Labels come
from the catalogue and from closed sets alone, so that the number of series is known beforehand; what the
catalogue names is there from the start, at zero. Durations are in seconds. Beside these, `process_*` and
`python_*` tell of the process itself.

## Counted by each process

Add them up over processes.

"""
_STATES = """
## Told alike by every process

They come from the database: take the largest over processes, never the sum. While it is away they are absent,
but for `synthetics_store_up`.

"""
_COLUMNS = ("metric", "kind", "labels", "what")


def metrics_page() -> str:
    """The whole page."""
    return _HEAD + table(_COLUMNS, _counted()) + _STATES + table(_COLUMNS, _states())


def _counted() -> Iterable[Sequence[str]]:
    # The library tells which labels a metric has to nobody; these are its own names for them.
    for one in vars(Metrics(CollectorRegistry())).values():
        if isinstance(one, MetricWrapperBase):
            (family,) = one.describe()
            labels = sorted(one._value) if isinstance(one, Info) else one._labelnames
            yield _row(family, labels)


def _states() -> Iterable[Sequence[str]]:
    async def nothing() -> Sequence[ProbeState]:
        return ()

    for family in StateGauges(nothing, clock=SystemClock()).collect():
        yield _row(family, getattr(family, "_labelnames", ()))


def _row(family: Metric, labels: Iterable[str]) -> Sequence[str]:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return (
        f"`{family.name}{suffix}`",
        family.type,
        ", ".join(f"`{label}`" for label in labels),
        family.documentation,
    )
