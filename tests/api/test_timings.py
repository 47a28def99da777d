"""How long things took: against a calculation of our own, in buckets without gaps."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from synthetics.model.run import Outcome
from synthetics.queries.timings import Span
from synthetics.store.engine import Database
from tests.support.runs import EVERY, NOW, a_probe, a_run, a_timing, publish, record, tick


def quantile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest ranks."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


async def opening(client: AsyncClient, **query: str) -> dict[str, Any]:
    answer = await client.get("/api/v1/timings/opening", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def assert_figures(told: dict[str, Any], values: Sequence[float]) -> None:
    assert told["count"] == len(values)
    assert told["min_seconds"] == pytest.approx(min(values), abs=1e-6)
    assert told["max_seconds"] == pytest.approx(max(values), abs=1e-6)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        assert told[f"{name}_seconds"] == pytest.approx(quantile(values, share), abs=2e-6), name


async def test_figures_agree_with_our_own_calculation(client: AsyncClient, store: Database) -> None:
    random = Random(7)
    took = {back: round(random.lognormvariate(1, 0.5), 6) for back in range(1, 73)}
    await record(store, *[a_run(tick(back), timings=[a_timing(value)]) for back, value in took.items()])

    told = await opening(client, bucket="1h")

    [series] = told["series"]
    assert (series["probe"], series["path"]) == ("open_document", "near")
    assert_figures(series["whole"], list(took.values()))
    filled = 0
    for bucket in series["buckets"]:
        start = datetime.fromisoformat(bucket["start"])
        values = [value for back, value in took.items() if start <= tick(back) < start + timedelta(hours=1)]
        filled += bool(values)
        if values:
            assert_figures(bucket["figures"], values)
        else:
            assert bucket["figures"] is None
    assert filled in (6, 7)
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in series["buckets"]]
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}
    assert (starts[0], starts[-1]) == (NOW - timedelta(days=1), NOW - timedelta(hours=1))


async def test_medians_of_phases_follow_their_declared_order(client: AsyncClient, store: Database) -> None:
    await record(
        store, *[a_run(tick(back), timings=[a_timing(took)]) for back, took in ((1, 2.0), (2, 4.0), (3, 10.0))]
    )

    [series] = (await opening(client))["series"]

    assert series["phases"] == [
        {"name": "request", "count": 3, "median_seconds": 0.4},
        {"name": "fetch", "count": 3, "median_seconds": 2.0},
        {"name": "draw", "count": 3, "median_seconds": 1.6},
    ]


async def test_paths_and_probes_are_series_of_their_own(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe(), a_probe("read_document"))
    await record(
        store,
        a_run(tick(1), timings=[a_timing(2), a_timing(8, path="far"), a_timing(1, name="closing", path="")]),
        a_run(tick(1, name="read_document"), name="read_document", timings=[a_timing(3)]),
    )

    async def found(**query: str) -> list[tuple[str, str, float]]:
        told = await opening(client, **query)
        return [(s["probe"], s["path"], s["whole"]["p50_seconds"]) for s in told["series"]]

    everything = [("open_document", "far", 8), ("open_document", "near", 2), ("read_document", "near", 3)]
    assert await found() == everything
    assert await found(probe="read-document") == everything[2:]
    assert await found(path="far") == everything[:1]


async def test_only_runs_that_speak_about_the_platform_count(client: AsyncClient, store: Database) -> None:
    for back, outcome in enumerate(Outcome, start=1):
        await record(store, a_run(tick(back), outcome, timings=[a_timing(back)]))

    [series] = (await opening(client))["series"]

    assert series["whole"]["count"] == 2


async def test_stalled_values_are_counted_as_such(client: AsyncClient, store: Database) -> None:
    await record(
        store, a_run(tick(1), timings=[a_timing(2, stalled=True)]), a_run(tick(2), timings=[a_timing(3)])
    )

    [series] = (await opening(client))["series"]

    assert (series["whole"]["count"], series["whole"]["stalled"]) == (2, 1)


async def test_the_span_is_half_open(client: AsyncClient, store: Database) -> None:
    await record(store, *[a_run(tick(back), timings=[a_timing(back)]) for back in (1, 2, 3)])

    told = await opening(client, since=tick(3).isoformat(), until=tick(1).isoformat(), bucket="1s")

    assert told["series"][0]["whole"]["count"] == 2


async def test_a_day_has_about_sixty_buckets_unless_told(client: AsyncClient, store: Database) -> None:
    told = await opening(client)

    assert (told["bucket_seconds"], told["series"]) == (1800, [])
    assert told["target_seconds"] == 10


async def test_the_newest_value_of_every_series_is_told(client: AsyncClient, store: Database) -> None:
    newest = a_run(tick(1), timings=[a_timing(5), a_timing(9, path="far")], location="east")
    await record(
        store,
        newest,
        a_run(tick(2), timings=[a_timing(6), a_timing(0.5, name="closing", path="")], location="east"),
        a_run(tick(4), timings=[a_timing(7)], location="west"),
        a_run(tick(0), Outcome.BROKEN, timings=[a_timing(99)], location="east"),
    )

    told = (await client.get("/api/v1/timings")).json()["timings"]

    assert [
        (v["timing"]["name"], v["timing"]["path"], v["location"], v["timing"]["seconds"], v["target_seconds"])
        for v in told
    ] == [
        ("opening", "near", "east", 5, 10),
        ("opening", "near", "west", 7, 10),
        ("opening", "far", "east", 9, 10),
        ("closing", "", "east", 0.5, None),
    ]
    assert told[0]["run_id"] == str(newest.id)
    assert (await client.get("/api/v1/timings?probe=open-document")).json()["timings"] == told


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"bucket": "0"}, "bucket"),
        ({"bucket": "soon"}, "bucket"),
        ({"bucket": "1s"}, "bucket"),
        ({"bucket": "-5m"}, "bucket"),
        ({"bucket": "999999999d"}, "bucket"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-03-10T10:00:00"}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"since": "2024-01-01T00:00:00Z"}, "since"),
        ({"since": "2027-01-01T00:00:00Z"}, "since"),
        ({"until": "9999-12-31T23:59:59Z"}, "until"),
        ({"since": "2026-03-10T10:00:00Z", "until": "2026-03-10T10:00:00Z"}, "since"),
        ({"colour": "red"}, "colour"),
        ({"probe": "x" * 201}, "probe"),
    ],
)
async def test_a_span_that_cannot_be_answered_is_refused(
    client: AsyncClient, query: dict[str, str], parameter: str
) -> None:
    answer = await client.get("/api/v1/timings/opening", params=query)

    assert answer.status_code == 422
    assert [wrong["parameter"] for wrong in answer.json()["errors"]] == [parameter]


async def test_an_unknown_timing_gets_the_nearest_name(client: AsyncClient, store: Database) -> None:
    answer = await client.get("/api/v1/timings/openning")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no timing 'openning'; did you mean 'opening'?"


@given(
    since=st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1)),
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=366)),
)
def test_chosen_buckets_cover_the_span_and_are_not_too_many(since: datetime, length: timedelta) -> None:
    span = Span(since.replace(tzinfo=UTC), since.replace(tzinfo=UTC) + length)

    starts = span.starts()

    assert starts[0] <= span.since < starts[0] + span.width
    assert starts[-1] < span.until <= starts[-1] + span.width
    assert len(starts) <= 62
    assert span.width >= EVERY / 30
