"""The pages in Debian's Chromium, served over a real socket from a database with something to show."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Browser, async_playwright

from api.server import serving
from synthetics.clock import SystemClock
from synthetics.model.log_line import LogLine
from synthetics.model.run import Outcome
from synthetics.queries import Reads
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.application import application
from tests.support.debian import path_of
from tests.support.runs import NOW, a_probe, a_run, a_timing, cover_now, publish, record, tick

#: Chromium asks nobody but us.
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
_RUNS = 60
_MOMENT = timedelta(milliseconds=12)
_LOG = (
    LogLine(_MOMENT, "debug", "request.ended", {"service": "reader", "outcome": "ok"}, took=_MOMENT, times=3),
    LogLine(2 * _MOMENT, "warning", "state.unknown", {"state": "unheard-of-" * 20}),
    LogLine(3 * _MOMENT, "error", "probe.crashed", {"exception": "Traceback:\n" + "  it broke " * 20}),
)


class MovedClock(SystemClock):
    """The machine's clock, set to the day of the tests."""

    def __init__(self) -> None:
        self._by = NOW - super().now()

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.fixture
async def shown(database: Database) -> Database:
    """A probe with a past, one that is down with its incident, and one that has not run yet."""
    await cover_now(database)
    await publish(database, a_probe(), a_probe("save_document"), a_probe("print_document"))
    for back in range(_RUNS, 0, -1):
        timings = [a_timing(4 + back % 7 / 10), a_timing(6, path="far"), a_timing(1, name="closing", path="")]
        outcome = Outcome.FAILED if back == 20 else Outcome.PASSED
        await record(database, a_run(tick(back), outcome, timings=timings, log=_LOG))
    await Court(database).keep(*outage(tick(1, name="save_document"), name="save_document"))
    return database


@pytest.fixture
async def site(shown: Database) -> AsyncIterator[str]:
    """Where it is served."""
    async with serving(application(shown, MovedClock()), host="127.0.0.1", port=0) as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=path_of("chromium", "chromium"), args=list(_QUIET)
        )
        yield running
        await running.close()


@pytest.fixture
async def places(shown: Database) -> dict[str, str]:
    """Every kind of page, by a name for it."""
    clock = MovedClock()
    reads = Reads.of(shown, clock)
    run = (await reads.history.newest("open_document", 1))[0]
    (incident,) = await reads.incidents.open_ones()
    return {
        "overview": "/",
        "probe": "/probes/open_document?span=7d",
        "run": f"/runs/{run.id}",
        "incidents": "/incidents",
        "incident": f"/incidents/{incident.id}",
        "budgets": "/slo",
        "costs": "/costs",
        "api": "/docs",
        "missing": "/nowhere",
    }


#: How long what happened may take to be seen.
SEEN_WITHIN = timedelta(seconds=10)
