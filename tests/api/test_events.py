"""What happens is told as it happens, to everybody who listens, and to nobody for ever."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from api.live import MOST_BEHIND, MOST_LISTENERS, Live
from api.server import serving
from synthetics.clock import SystemClock
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.model.timing import ZERO
from synthetics.queries.live import Newest
from synthetics.queries.values import RunSummary
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.application import application
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_run, claim, record, tick

WITHIN = 15.0


@pytest.fixture
def timely(store: Database) -> FastAPI:
    """The app by the machine's own clock: a look a second is a second."""
    return application(store, SystemClock())


class Listener:
    """An open stream and what came over it."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def event(self) -> tuple[str, dict[str, Any]]:
        """The next event's name and data; comments are passed over."""
        name = ""
        async with asyncio.timeout(WITHIN):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    return name, json.loads(value)
        raise AssertionError("the stream ended")

    async def started(self) -> None:
        async with asyncio.timeout(WITHIN):
            async for line in self._lines:
                if line.startswith("retry: "):
                    return


async def test_runs_and_incidents_are_told_as_they_happen(timely: FastAPI, store: Database) -> None:
    await record(store, a_run(tick(5)))
    async with (
        serving(timely, host="127.0.0.1", port=0) as url,
        AsyncClient(base_url=url, trust_env=False, timeout=WITHIN) as client,
        client.stream("GET", "/api/v1/events") as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache"
        listener = Listener(stream.aiter_lines())
        await listener.started()

        await claim(store, RunKey("open_document", "default", tick(2)))
        name, run = await listener.event()
        assert (name, run["outcome"]) == ("run", None)

        await record(store, a_run(tick(1), Outcome.PASSED))
        name, run = await listener.event()
        assert (name, run["outcome"], run["probe"]) == ("run", "passed", "open_document")

        await Court(store).keep(*outage(tick(0)))
        seen = [await listener.event() for _ in range(3)]
        incidents = [data for name, data in seen if name == "incident"]
        assert [incident["rule"] for incident in incidents] == ["failing"]
    assert not timely.state.live.is_full


async def test_when_the_server_stops_listeners_do_not_hold_it_up(timely: FastAPI) -> None:
    async with AsyncClient(trust_env=False, timeout=WITHIN) as client:
        async with serving(timely, host="127.0.0.1", port=0) as url:
            request = client.build_request("GET", f"{url}/api/v1/events")
            stream = await client.send(request, stream=True)
            lines = stream.aiter_lines()
            await Listener(lines).started()
            asked = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - asked
        assert [line async for line in lines if line.startswith("data")] == []
    assert took < 3


async def test_as_many_listen_as_can_and_one_more_is_told_so(timely: FastAPI) -> None:
    async with AsyncExitStack() as listeners:
        for _ in range(MOST_LISTENERS):
            await listeners.enter_async_context(timely.state.live.listening())
        async with (
            serving(timely, host="127.0.0.1", port=0) as url,
            AsyncClient(base_url=url, trust_env=False) as client,
        ):
            refused = await client.get("/api/v1/events")

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert refused.headers["content-type"] == "application/problem+json"
    assert not timely.state.live.is_full


async def test_who_does_not_keep_up_is_let_go() -> None:
    nothing, much = Newest((), ()), Newest(tuple(many(2 * MOST_BEHIND)), ())
    answers = [nothing, much]

    async def newest() -> Newest:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    live = Live(newest, SystemClock())
    async with live.listening() as happenings, asyncio.timeout(WITHIN):
        told = [happening async for happening in happenings]
    assert 0 < len(told) < MOST_BEHIND


async def test_nobody_listens_and_nobody_looks() -> None:
    looks = 0

    async def newest() -> Newest:
        nonlocal looks
        looks += 1
        return Newest((), ())

    clock = FakeClock(NOW)
    live = Live(newest, clock)
    async with live.listening(), live.listening():
        pass
    before = looks
    await asyncio.sleep(0.01)
    assert 0 < looks == before


def many(count: int) -> Iterator[RunSummary]:
    """As many runs."""
    for number in range(count):
        yield RunSummary(
            id=uuid4(), probe="open_document", location="default", tick=tick(number), trigger=Trigger.SCHEDULE,
            attempt=0, outcome=Outcome.PASSED, reason=None, started=None, finished=None, took=None, waited=ZERO,
            worker="", confirms=None, abandoned=False,
        )  # fmt: skip
