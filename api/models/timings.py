"""Timings: the newest values, and figures over a span."""

from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field

from api.models.base import Answer, Moment, optional_seconds, seconds
from api.models.runs import TimingOut
from synthetics.model.run import Outcome
from synthetics.queries.values import Bucket, Figures, LatestTiming, PhaseMedian, Series, TimingHistory


class LatestTimingOut(Answer):
    """The newest value of one series, and the run it comes from."""

    probe: str
    location: str
    tick: Moment
    run_id: UUID
    outcome: Outcome = Field(description="Of the run.")
    target_seconds: float | None = Field(description="What it should stay under.")
    timing: TimingOut

    @classmethod
    def of(cls, latest: LatestTiming) -> Self:
        return cls(
            probe=latest.probe,
            location=latest.location,
            tick=latest.at,
            run_id=latest.run_id,
            outcome=latest.outcome,
            target_seconds=optional_seconds(latest.target),
            timing=TimingOut.of(latest.timing),
        )


class LatestTimingsOut(Answer):
    """The newest value of every series."""

    timings: list[LatestTimingOut]


class FiguresOut(Answer):
    """Count and quantiles of the values in a span."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "count": 12,
                    "stalled": 0,
                    "min_seconds": 26.9,
                    "p50_seconds": 28.4,
                    "p90_seconds": 30.1,
                    "p95_seconds": 30.6,
                    "p99_seconds": 31.9,
                    "max_seconds": 32.2,
                }
            ]
        }
    )

    count: int
    stalled: int = Field(description="How many were taken while our own event loop stood still.")
    min_seconds: float
    p50_seconds: float
    p90_seconds: float
    p95_seconds: float
    p99_seconds: float
    max_seconds: float

    @classmethod
    def of(cls, figures: Figures) -> Self:
        return cls(
            count=figures.count,
            stalled=figures.stalled,
            min_seconds=seconds(figures.shortest),
            p50_seconds=seconds(figures.p50),
            p90_seconds=seconds(figures.p90),
            p95_seconds=seconds(figures.p95),
            p99_seconds=seconds(figures.p99),
            max_seconds=seconds(figures.longest),
        )


class BucketOut(Answer):
    """One slice of the span."""

    start: Moment
    figures: FiguresOut | None = Field(description="Null where nothing was measured.")

    @classmethod
    def of(cls, bucket: Bucket) -> Self:
        return cls(start=bucket.start, figures=FiguresOut.of(bucket.figures) if bucket.figures else None)


class PhaseMedianOut(Answer):
    """The median of one phase over the span. Medians of phases need not add up to the timing's median."""

    name: str
    count: int = Field(description="How many values have this phase.")
    median_seconds: float

    @classmethod
    def of(cls, phase: PhaseMedian) -> Self:
        return cls(name=phase.name, count=phase.count, median_seconds=seconds(phase.median))


class SeriesOut(Answer):
    """One path of the timing, as one probe measured it."""

    probe: str
    path: str
    whole: FiguresOut = Field(description="Over the whole span.")
    phases: list[PhaseMedianOut] = Field(description="In the order in which they follow each other.")
    buckets: list[BucketOut] = Field(description="Oldest first, without gaps.")

    @classmethod
    def of(cls, series: Series) -> Self:
        return cls(
            probe=series.probe,
            path=series.path,
            whole=FiguresOut.of(series.whole),
            phases=[PhaseMedianOut.of(phase) for phase in series.phases],
            buckets=[BucketOut.of(bucket) for bucket in series.buckets],
        )


class TimingHistoryOut(Answer):
    """A timing over a span."""

    name: str
    help: str
    target_seconds: float | None
    since: Moment = Field(description="The begin of the first bucket.")
    until: Moment
    bucket_seconds: float
    series: list[SeriesOut] = Field(description="Those with a value in the span.")

    @classmethod
    def of(cls, history: TimingHistory) -> Self:
        return cls(
            name=history.name,
            help=history.help,
            target_seconds=optional_seconds(history.target),
            since=history.since,
            until=history.until,
            bucket_seconds=seconds(history.bucket),
            series=[SeriesOut.of(series) for series in history.series],
        )
