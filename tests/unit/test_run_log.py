"""The log of a run: everything about it, nothing of others, no secret, and never more than so many lines."""

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from synthetics import log
from synthetics.contract import expect
from synthetics.errors import Unexpected
from synthetics.model.run import Outcome
from synthetics.redaction import LONGEST_TEXT
from synthetics.run_log import DEBUG, MOST, RunLog, collecting
from tests.support.clock import FakeClock
from tests.support.engine import ASK, Context, FakePlatform, a_probe, run_probe
from tests.support.logs import logs_restored

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def written() -> Iterator[io.StringIO]:
    """What is written to the log of the service, at `info`."""
    stream = io.StringIO()
    with logs_restored():
        log.configure("json", "info", stream)
        yield stream


def events(run_log: RunLog, *, debug: bool = True) -> list[str]:
    return [line.event for line in run_log.lines(debug=debug)]


async def test_it_has_the_lines_of_its_own_tasks_and_of_no_other_run(written: io.StringIO) -> None:
    clock = FakeClock()
    mine, theirs = RunLog(clock), RunLog(clock)
    logger = structlog.get_logger()

    async def scenario(run_log: RunLog, name: str) -> None:
        with collecting(run_log):
            logger.debug(f"{name}.began")
            await asyncio.create_task(said(name))
            await asyncio.to_thread(logging.getLogger("botocore").warning, "%s retries", name)

    async def said(name: str) -> None:
        await asyncio.sleep(0)
        logger.warning(f"{name}.wondered", what=[1, 2])

    await asyncio.gather(scenario(mine, "mine"), scenario(theirs, "theirs"))
    logger.warning("nobody.listened")

    assert events(mine) == ["mine.began", "mine.wondered", "mine retries"]
    assert events(mine, debug=False) == ["mine.wondered", "mine retries"]
    assert mine.lines(debug=True)[1].fields == {"what": [1, 2]}
    assert "mine.began" not in written.getvalue()
    assert "mine.wondered" in written.getvalue()


def test_it_has_no_secret_and_of_a_traceback_the_end() -> None:
    run_log = RunLog(FakeClock())
    with collecting(run_log):
        structlog.get_logger().error("it.leaked", token=SECRET, said=f"Bearer {SECRET}")
        try:
            raise ValueError("x" * 5_000 + f" Bearer {SECRET}")
        except ValueError:
            structlog.get_logger().exception("it.broke")

    leaked, broke = run_log.lines(debug=True)
    assert leaked.fields == {"token": "[redacted]", "said": "[redacted]"}
    assert list(broke.fields) == ["exception"]
    traceback = str(broke.fields["exception"])
    assert len(traceback) == LONGEST_TEXT
    assert traceback.endswith("x [redacted]")


def test_what_is_said_again_is_counted() -> None:
    clock = FakeClock()
    run_log = RunLog(clock)
    for turn in range(50):
        for operation in ("DescribeTasks", "GetItem"):
            run_log.add(DEBUG, "request.ended", {"operation": operation}, took=timedelta(milliseconds=turn))
        clock.advance(timedelta(seconds=1))

    assert [(line.fields["operation"], line.times, line.took) for line in run_log.lines(debug=True)] == [
        ("DescribeTasks", 50, timedelta(milliseconds=49)),
        ("GetItem", 50, timedelta(milliseconds=49)),
    ]


@given(st.lists(st.integers(0, 9), max_size=3_000))
def test_every_line_is_there_counted_or_told_as_left_out(said: list[int]) -> None:
    clock = FakeClock()
    run_log = RunLog(clock)
    for number in said:
        run_log.add("info", "said", {"number": number})
        clock.advance(timedelta(seconds=1))

    lines = run_log.lines(debug=True)
    left_out = sum(int(str(line.fields["count"])) for line in lines if line.event == "lines.left_out")
    assert len(lines) <= 2 * MOST + 1
    assert [line.offset for line in lines] == sorted(line.offset for line in lines)
    if not left_out:
        assert sum(line.times for line in lines) == len(said)
    else:
        assert len(said) > 2 * MOST


def test_beginning_and_end_are_kept() -> None:
    run_log = RunLog(FakeClock())
    for number in range(1_000):
        run_log.add("info", "said", {"number": number})

    kept = [line.fields.get("number", line.fields) for line in run_log.lines(debug=True)]
    assert kept == [*range(200), {"count": 600}, *range(800, 1_000)]


def test_what_is_more_than_debug_is_not_crowded_out_by_requests() -> None:
    run_log = RunLog(FakeClock())
    for number in range(1_000):
        run_log.add(DEBUG, "request.ended", {"number": number})
        if number % 100 == 50:
            run_log.add("warning", "state.unknown", {"number": number})

    assert [line.fields for line in run_log.lines(debug=False)] == [
        {"number": at} for at in range(50, 1_000, 100)
    ]
    assert len(run_log.lines(debug=True)) == 2 * MOST + 1


def test_threads_do_not_get_into_each_others_way() -> None:
    run_log = RunLog(FakeClock())

    def ask(service: str) -> None:
        for _ in range(200):
            run_log.add(DEBUG, "request.ended", {"service": service})

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("sqs", "ecs", "alb")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(line.times for line in run_log.lines(debug=True)) == 600


async def test_a_run_that_failed_keeps_its_requests_and_one_that_passed_does_not() -> None:
    async def scenario(ctx: Context) -> None:
        async with ctx.step(ASK):
            await ctx.platform.make("door")
            structlog.get_logger().warning("state.unknown", state="AJAR")
            ctx.platform.scopes[0].requests.count("ecs", "DescribeTasks", "ok", timedelta(milliseconds=12))
            if ctx.platform.trouble == ["fail"]:
                raise Unexpected("the door: wanted open, got ajar")

    passed = await run_probe(a_probe(scenario))
    assert passed.outcome is Outcome.PASSED
    assert [(line.level, line.event, line.fields) for line in passed.log] == [
        ("warning", "state.unknown", {"state": "AJAR"})
    ]

    async def refused(ctx: Context) -> None:
        with ctx.check("FD-01"):
            expect.equal("the door", "shut", "open")
        await scenario(ctx)

    failed = await run_probe(a_probe(refused), FakePlatform())
    assert failed.outcome is Outcome.FAILED
    assert [line.event for line in failed.log] == [
        "step.started", "state.unknown", "request.ended", "step.ended"
    ]  # fmt: skip
    assert failed.log[2].took == timedelta(milliseconds=12)
    assert failed.log[2].fields == {"service": "ecs", "operation": "DescribeTasks", "outcome": "ok"}
