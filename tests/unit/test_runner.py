"""The runner: five outcomes, every step and case accounted for, and nothing left behind."""

import asyncio
from datetime import timedelta

from synthetics.contract import expect
from synthetics.errors import PlatformError, ProbeBroken, Unavailable, Unexpected
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, StepOutcome
from synthetics.running.runner import Interrupt
from tests.support.clock import FakeClock
from tests.support.engine import (
    ANSWER,
    ASK,
    Context,
    FakePlatform,
    NoStalls,
    a_probe,
    run_probe,
    until_cancelled,
)


async def opens(ctx: Context) -> None:
    async with ctx.step(ASK):
        await ctx.platform.make(f"door-{ctx.tag}")
        ctx.cleanup(ctx.platform.unmake, f"door-{ctx.tag}")
        asked = ctx.instant()
        await ctx.pause(timedelta(seconds=1.5))
        with ctx.check("FD-01"):
            expect.equal("doors", len(ctx.platform.things), 1)
    async with ctx.step(ANSWER):
        ctx.measure("opening", since=asked, until=ctx.instant())
        with ctx.check("FD-02"):
            expect.true("the bell", True)
        ctx.skip("FD-03", "nobody asked")


async def test_a_good_run_passes_and_leaves_nothing() -> None:
    platform = FakePlatform()

    run = await run_probe(a_probe(opens), platform)

    assert run.outcome is Outcome.PASSED
    assert run.reason is None
    assert [(step.name, step.outcome) for step in run.steps] == [("ask", "passed"), ("answer", "passed")]
    assert {check.case: check.outcome for check in run.checks} == {
        "FD-01": "passed",
        "FD-02": "passed",
        "FD-03": "skipped",
    }
    assert run.took == timedelta(seconds=1.5)
    assert run.timings[0].took == timedelta(seconds=1.5)
    assert platform.things == []


async def test_a_failed_case_fails_the_run_and_the_cases_after_it_are_still_checked() -> None:
    async def scenario(ctx: Context) -> None:
        with ctx.check("FD-01") as door:
            expect.equal("the door", "shut", "open")
        assert door.failed
        with ctx.check("FD-02"):
            expect.true("the bell", True)

    run = await run_probe(a_probe(scenario))

    assert run.outcome is Outcome.FAILED
    assert run.reason == "FD-01: unexpected: the door: wanted 'open', got 'shut'"
    found = {check.case: check for check in run.checks}
    assert found["FD-01"].outcome is CheckOutcome.FAILED
    assert found["FD-01"].evidence["wanted"] == "'open'"
    assert found["FD-02"].outcome is CheckOutcome.PASSED
    assert found["FD-03"].outcome is CheckOutcome.SKIPPED
    assert found["FD-03"].reason is not None
    assert found["FD-03"].reason.startswith("not reached: FD-01")


async def test_an_essential_case_ends_the_run() -> None:
    async def scenario(ctx: Context) -> None:
        async with ctx.step(ASK):
            with ctx.check("FD-01", essential=True):
                raise PlatformError("the door is gone", answered=410)
        raise AssertionError("not reached")

    run = await run_probe(a_probe(scenario))

    assert run.outcome is Outcome.FAILED
    assert run.reason == "FD-01: the door is gone"
    assert [step.outcome for step in run.steps] == [StepOutcome.FAILED, StepOutcome.NOT_REACHED]
    assert run.checks[0].evidence == {"answered": 410}


async def test_the_worst_finding_about_a_case_stands() -> None:
    async def scenario(ctx: Context) -> None:
        with ctx.check("FD-01") as first:
            first.one_of("status", 302, wanted={200}, tolerated={302})
        with ctx.check("FD-01") as second:
            second.saw(again=True)

    run = await run_probe(a_probe(scenario))

    assert run.outcome is Outcome.PASSED
    assert run.checks[0].outcome is CheckOutcome.DEGRADED
    assert run.checks[0].reason == "status: wanted one of [200], accepted 302"
    assert run.checks[0].evidence == {"status": 302, "again": True}


async def test_our_own_mistakes_are_broken_never_failed() -> None:
    async def bug(ctx: Context) -> None:
        raise KeyError("a name nobody set")

    async def missing_right(ctx: Context) -> None:
        raise ProbeBroken("no right to dynamodb:Query on sessions")

    async def undeclared(ctx: Context) -> None:
        with ctx.check("FD-99"):
            pass

    for scenario, reason in ((bug, "KeyError"), (missing_right, "dynamodb:Query"), (undeclared, "FD-99")):
        run = await run_probe(a_probe(scenario))
        assert run.outcome is Outcome.BROKEN
        assert run.reason is not None
        assert reason in run.reason


async def test_clients_that_cannot_be_made_break_the_run() -> None:
    platform = FakePlatform()
    platform.refuse = ProbeBroken("no credentials")

    run = await run_probe(a_probe(opens), platform)

    assert (run.outcome, run.reason) == (Outcome.BROKEN, "no credentials")
    assert all(step.outcome is StepOutcome.NOT_REACHED for step in run.steps)


async def test_a_failure_while_we_were_in_trouble_ourselves_is_not_the_platforms() -> None:
    async def fails(ctx: Context) -> None:
        raise PlatformError("no answer")

    platform = FakePlatform()
    platform.trouble = ["our credentials have expired"]

    run = await run_probe(a_probe(fails), platform)
    stalled = await run_probe(a_probe(fails), stalls=NoStalls(timedelta(seconds=3)))

    assert run.outcome is Outcome.BROKEN
    assert run.reason == "our own trouble: our credentials have expired. Seen meanwhile: no answer"
    assert stalled.outcome is Outcome.BROKEN
    assert stalled.reason is not None
    assert "our event loop stood still for 3.0 s" in stalled.reason


async def test_a_run_that_takes_too_long_fails_where_it_stood_and_is_cleaned_up() -> None:
    platform = FakePlatform()

    async def hangs(ctx: Context) -> None:
        await ctx.platform.make("door")
        ctx.cleanup(ctx.platform.unmake, "door")
        async with ctx.step(ASK):
            with ctx.check("FD-01"):
                await until_cancelled()

    run = await run_probe(a_probe(hangs, timeout=timedelta(milliseconds=50)), platform)

    assert run.outcome is Outcome.FAILED
    assert run.reason == "not finished within 0.05 s, stopped in step 'ask'"
    assert run.steps[0].outcome is StepOutcome.INTERRUPTED
    assert run.checks[0].outcome is CheckOutcome.FAILED
    assert platform.things == []


async def test_an_interrupted_run_says_nothing_about_the_platform_and_is_cleaned_up() -> None:
    platform, interrupt = FakePlatform(), Interrupt()

    async def hangs(ctx: Context) -> None:
        await ctx.platform.make("door")
        ctx.cleanup(ctx.platform.unmake, "door")
        with ctx.check("FD-01"):
            interrupt.set("this worker was told to stop")
            await until_cancelled()

    run = await run_probe(a_probe(hangs), platform, interrupt=interrupt)

    assert (run.outcome, run.reason) == (Outcome.INTERRUPTED, "this worker was told to stop")
    assert run.checks[0].outcome is CheckOutcome.SKIPPED
    assert platform.things == []


async def test_one_failing_undo_keeps_no_other_from_being_tried() -> None:
    platform = FakePlatform()

    async def leaves_two(ctx: Context) -> None:
        for name in ("door", "bell"):
            await ctx.platform.make(name)
            ctx.cleanup(ctx.platform.unmake, name)
        ctx.platform.things.remove("bell")

    run = await run_probe(a_probe(leaves_two), platform)

    assert run.outcome is Outcome.PASSED
    assert len(run.cleanup_errors) == 1
    assert "'bell'" in run.cleanup_errors[0]
    assert platform.things == []


async def test_a_cleanup_that_hangs_is_left_to_the_sweep() -> None:
    async def hangs_in_cleanup(ctx: Context) -> None:
        ctx.cleanup(until_cancelled)

    run = await run_probe(a_probe(hangs_in_cleanup, cleanup_within=timedelta(milliseconds=50)))

    assert run.outcome is Outcome.PASSED
    assert run.cleanup_errors == ("clean-up stopped after 0.05 s; the sweep goes on from the ledger",)


async def test_destructive_cases_are_skipped_on_a_shared_platform() -> None:
    async def replaces(ctx: Context) -> None:
        if ctx.allowed("FD-03"):
            raise AssertionError("not on a shared platform")

    run = await run_probe(a_probe(replaces), FakePlatform(isolated=False))

    assert run.outcome is Outcome.PASSED
    assert run.checks[2].reason == ("needs an isolated platform: checking it has the effect 'scale' on others")


async def test_secrets_never_reach_the_record() -> None:
    async def leaks(ctx: Context) -> None:
        with ctx.check("FD-01"):
            raise PlatformError(
                "refused: Authorization: Bearer abcdefghijklmnop", headers={"Authorization": "Bearer abc"}
            )

    run = await run_probe(a_probe(leaks))

    assert "abcdefghijklmnop" not in repr(run)
    assert run.checks[0].evidence == {"headers": {"Authorization": "[redacted]"}}


async def test_every_request_of_a_run_carries_one_trace_and_its_own_span() -> None:
    platform = FakePlatform()

    run = await run_probe(a_probe(opens), platform)

    first, second = platform.scopes[0].trace.headers(), platform.scopes[0].trace.headers()
    assert first["traceparent"].split("-")[1] == second["traceparent"].split("-")[1] == run.trace_id
    assert first["traceparent"] != second["traceparent"]
    assert first["X-Synthetics-Run"] == str(run.id)


async def test_runs_overlap_without_seeing_each_other() -> None:
    platform, clock = FakePlatform(), FakeClock()

    runs = await asyncio.gather(*(run_probe(a_probe(opens), platform, clock=clock) for _ in range(3)))

    assert platform.things == []
    assert {run.key.id for run in runs} == {runs[0].key.id}


async def test_a_part_that_is_away_ends_the_run_and_is_told_once() -> None:
    async def scenario(ctx: Context) -> None:
        with ctx.check("FD-01"):
            raise Unavailable("the bell is away")
        with ctx.check("FD-02"):
            raise Unexpected("never reached")

    run = await run_probe(a_probe(scenario))

    assert (run.outcome, run.reason) == (Outcome.FAILED, "FD-01: the bell is away")
    assert [check.outcome.value for check in run.checks] == ["failed", "skipped", "skipped"]
