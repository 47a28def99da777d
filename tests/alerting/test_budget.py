"""Money that is spent is one incident, told under the probe that spent the most of it."""

from datetime import timedelta

import pytest

from synthetics.alerting.tending import Tender
from synthetics.contract.probe import Price
from synthetics.model.budget import CostLimits
from synthetics.model.cost import Cost
from synthetics.model.incident import Rule
from synthetics.store.engine import Database
from tests.support.alerting import Court
from tests.support.runs import NOW, a_probe, a_run, cover_now, publish, tick

DAY = timedelta(days=1)


@pytest.fixture
async def court(database: Database) -> Court:
    await cover_now(database)
    await publish(database, a_probe("cheap"), a_probe("load", price=Price.DEAR, every=timedelta(hours=2)))
    return Court(database)


async def look(court: Court, limits: CostLimits, after: timedelta = timedelta(0)) -> None:
    tender = Tender(court.database, court.judge, limits=limits)
    await tender.look(now=NOW + after, since=NOW - 3 * DAY)


async def run(court: Court, name: str, dollars: float, ago: timedelta = timedelta(minutes=5)) -> None:
    at = tick(0, name=name) - ago
    await court.keep(a_run(at, name=name, cost=Cost(dollars, {"fargate": dollars})))


async def test_a_spent_day_is_told_once_and_is_over_with_the_day(court: Court) -> None:
    await run(court, "cheap", 1.0)
    await run(court, "load", 3.0)
    limits = CostLimits(day=5.0, month=50.0)
    await look(court, limits)
    assert [one for one in await court.incidents() if one.rule is Rule.BUDGET] == []

    await run(court, "load", 2.5, timedelta(minutes=1))
    await look(court, limits)
    await look(court, limits)
    (incident,) = await court.incidents()
    assert (incident.rule, incident.subject, incident.severity) == (Rule.BUDGET, "day", "ticket")
    assert incident.summary == (
        "load (day) is the dearest under a day's budget that is spent: $6.50 of $5.00, $5.50 of it here; "
        "dear probes wait until 2026-03-11 00:00 UTC"
    )
    assert incident.evidence["by_probe"] == {"load": 5.5, "cheap": 1.0}
    (notice,) = await court.notices()
    assert notice["payload"]["runbook"] == "https://docs.test/budget"

    await run(court, "cheap", 0.1, -timedelta(hours=12, minutes=1))
    await look(court, limits, timedelta(hours=12, minutes=5))
    closed = next(one for one in await court.incidents() if one.rule is Rule.BUDGET)
    assert not closed.is_open


async def test_a_month_is_counted_for_itself(court: Court) -> None:
    await run(court, "load", 30.0, 2 * DAY)
    await look(court, CostLimits(day=40.0, month=25.0))
    subjects = [one.subject for one in await court.incidents() if one.rule is Rule.BUDGET]
    assert subjects == ["month"]


async def test_it_is_over_when_more_may_be_spent_or_nothing_is_limited_any_more(court: Court) -> None:
    for limits in (CostLimits(day=7.0), CostLimits()):
        await run(court, "load", 6.0, timedelta(minutes=5 if limits.day else 6))
        await look(court, CostLimits(day=5.0))
        assert any(one.is_open for one in await court.incidents() if one.rule is Rule.BUDGET)
        await look(court, limits)
        assert not any(one.is_open for one in await court.incidents() if one.rule is Rule.BUDGET)
        await look(court, CostLimits(), timedelta(hours=20))


async def stale(court: Court) -> list[str]:
    return [one.probe for one in await court.incidents() if one.rule is Rule.STALE and one.is_open]


async def test_without_a_limit_a_silent_probe_is_stale(court: Court) -> None:
    await run(court, "load", 6.0, timedelta(hours=11))
    await look(court, CostLimits())
    assert await stale(court) == ["load"]


async def test_probes_that_wait_for_money_are_not_stale_and_may_be_some_time_after(court: Court) -> None:
    await run(court, "load", 6.0, timedelta(hours=11))
    limits = CostLimits(day=5.0)
    for after in (timedelta(0), timedelta(hours=11), timedelta(hours=12, minutes=5)):
        await run(court, "cheap", 0.1, -after - timedelta(minutes=1))
        await look(court, limits, after)
        assert "load" not in await stale(court)
    assert not any(one.is_open for one in await court.incidents() if one.rule is Rule.BUDGET)

    await look(court, limits, timedelta(hours=17))
    assert "load" in await stale(court)
