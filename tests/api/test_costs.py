"""What the monitor costs, as the API tells it."""

from datetime import timedelta

import pytest
from httpx import AsyncClient

from synthetics.model.budget import CostLimits
from synthetics.model.cost import Cost
from synthetics.model.run import Outcome
from synthetics.running.budget import Budget
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_probe, a_run, publish, record, tick


def dear(dollars: float) -> Cost:
    return Cost(dollars, {"fargate": dollars})


async def test_costs_are_told_by_day_and_probe_the_dearest_first(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe("cheap"), a_probe("dear"))
    yesterday = timedelta(days=1)
    await record(
        store,
        a_run(tick(1, name="cheap"), name="cheap", cost=dear(0.25)),
        a_run(tick(2, name="cheap"), name="cheap", cost=dear(0.5)),
        a_run(tick(3, name="cheap"), Outcome.MISSED, name="cheap"),
        a_run(tick(1, name="dear"), name="dear", cost=dear(2)),
        a_run(tick(1, name="dear") - yesterday, name="dear", cost=dear(4)),
    )

    answer = await client.get("/api/v1/costs?days=3")

    page = (await client.get("/costs")).text
    assert "$2.75 today" in page
    assert "$6.75 in 30 days" in page
    assert answer.status_code == 200
    told = answer.json()
    assert told["dollars"] == pytest.approx(6.75)
    assert [day["day"] for day in told["days"]] == ["2026-03-10", "2026-03-09", "2026-03-08"]
    assert told["days"][0]["probes"] == [
        {"probe": "dear", "runs": 1, "dollars": 2.0},
        {"probe": "cheap", "runs": 2, "dollars": 0.75},
    ]
    assert (told["days"][1]["dollars"], told["days"][2]["probes"]) == (4.0, [])


async def test_a_run_tells_what_it_used_and_cost(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1), usage={"dynamodb.Query": 3, "fargate.gb_hours": 0.25}, cost=dear(0.0031))
    await record(store, run)

    told = (await client.get(f"/api/v1/runs/{run.id}")).json()

    assert told["usage"] == {"dynamodb.Query": 3, "fargate.gb_hours": 0.25}
    assert (told["cost_dollars"], told["cost_shares"]) == (0.0031, {"fargate": 0.0031})
    assert "$0.0031" in (await client.get(f"/runs/{run.id}")).text


async def test_a_budget_counts_its_day_and_its_month(store: Database) -> None:
    clock = FakeClock(NOW)
    await record(store, a_run(tick(1), cost=dear(2)), a_run(tick(1) - timedelta(days=1), cost=dear(4)))

    async def spent(**limits: float | None) -> str | None:
        return await Budget(store, clock, CostLimits(**limits)).spent()

    assert await spent() is None
    assert await spent(day=2.5, month=6.5) is None
    assert await spent(day=2) == "skipped: the day's budget of $2.00 is spent ($2.00)"
    assert await spent(day=3, month=5) == "skipped: the month's budget of $5.00 is spent ($6.00)"


async def test_a_budget_is_looked_at_again_every_minute(store: Database) -> None:
    clock = FakeClock(NOW)
    budget = Budget(store, clock, CostLimits(day=1))
    assert await budget.spent() is None
    await record(store, a_run(tick(1), cost=dear(2)))

    assert await budget.spent() is None
    clock.advance(timedelta(minutes=1))
    assert await budget.spent() is not None
