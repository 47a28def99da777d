"""Error budgets against a calculation of our own, over the API, in the metrics and on the page."""

from datetime import timedelta
from random import Random

import pytest
from httpx import AsyncClient

from synthetics.queries.budgets import OBJECTIVE, WINDOWS
from synthetics.store.engine import Database
from tests.support.runs import NOW, a_run, a_timing, record, tick

TARGET = 10.0


async def test_what_is_left_and_how_fast_it_goes(client: AsyncClient, store: Database) -> None:
    draw = Random(3)
    took = {back: draw.choice([4.0, 5.0, 6.0, TARGET, 12.0]) for back in range(1, 200)}
    stalled = a_run(tick(200), timings=[a_timing(30, stalled=True)])
    await record(store, stalled, *(a_run(tick(back), timings=[a_timing(s)]) for back, s in took.items()))

    told = (await client.get("/api/v1/slo")).json()

    assert told["objective_share"] == OBJECTIVE
    assert told["span_seconds"] == timedelta(days=28).total_seconds()
    near, far = told["budgets"]
    assert (far["path"], far["budget_left_share"]) == ("far", None)
    assert near["target_seconds"] == TARGET
    for burn, window in zip(near["burns"], WINDOWS, strict=True):
        values = [s for back, s in took.items() if NOW - window < tick(back) <= NOW]
        over = sum(s >= TARGET for s in values)
        assert (burn["window_seconds"], burn["runs"], burn["over"]) == (
            window.total_seconds(), len(values), over,
        )  # fmt: skip
        assert burn["burn_rate"] == pytest.approx(over / len(values) / 0.05, abs=1e-3)
    assert near["budget_left_share"] == pytest.approx(1 - near["burns"][-1]["burn_rate"], abs=1e-3)

    labels = 'path="near",probe="open_document",timing="opening"'
    metrics = (await client.get("/metrics")).text
    assert f"synthetics_timing_target_seconds{{{labels}}} 10.0" in metrics
    assert f"synthetics_slo_budget_left_ratio{{{labels}}} -" in metrics
    assert f'synthetics_slo_burn_rate{{{labels},window="672h"}} ' in metrics


async def test_the_page_says_whether_budgets_are_overdrawn(client: AsyncClient, store: Database) -> None:
    await record(store, a_run(tick(2), timings=[a_timing(4)]))
    assert "All within budget" in (await client.get("/slo")).text
    await record(store, a_run(tick(1), timings=[a_timing(12)]))
    page = (await client.get("/slo")).text
    assert "1 of 2 overdrawn" in page
    assert "-900 %" in page


async def test_an_unknown_probe_is_named_with_the_nearest(client: AsyncClient) -> None:
    answer = await client.get("/api/v1/slo?probe=open_documents")
    assert answer.status_code == 404
    assert "did you mean 'open_document'?" in answer.json()["detail"]
