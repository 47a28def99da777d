"""The benchmarks' own arithmetic: what is true of a start, and when a goal counts as missed."""

import asyncio
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.detection import of_shard
from benchmarks.fidelity import GOAL, Results, Sample, p99
from benchmarks.findings import Detection, Kept
from benchmarks.matrix import first_sentence, page
from benchmarks.starts import API, COLD, LOOK, start_of
from benchmarks.suite import run_together
from probes.cases import CASES
from sandbox.faults import FaultSpec
from sandbox.truth import Event
from synthetics.contract.probe import Probe
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.run import Outcome, Run, RunKey
from synthetics.model.timing import UNACCOUNTED
from tests.support.runs import a_probe

CLIENT = "syn-1"


def start(task: str, at: float) -> list[Event]:
    """A task's way up, asked for at `at`, by the second."""
    told = {
        "task.created": 1.0, "task.connected": 2.0, "task.pull_started": 2.5, "task.pull_stopped": 6.0,
        "task.started": 8.0, "container.serving": 10.0, "container.registered": 10.25, "preview.serving": 11.0,
    }  # fmt: skip
    return [Event(at + after, name, {"task": task, "client": CLIENT}) for name, after in told.items()]


def asked(name: str, at: float) -> Event:
    return Event(at, name, {"client": CLIENT})


def test_a_cold_start_is_told_from_its_request_to_its_preview() -> None:
    events = [asked("activate.received", 100.0), asked("row.written", 100.5), *start("one", 100.0)]

    truth = start_of(CLIENT, COLD, events)

    assert truth.whole == 11.0
    assert truth.phases == {
        "request": 0.5, "schedule": 0.5, "network": 1.0, UNACCOUNTED: 0.5,
        "pull": 3.5, "start": 2.0, "health": 2.0, "preview": 1.0,
    }  # fmt: skip
    assert sum(truth.phases.values()) == truth.whole


def test_behind_the_router_a_container_is_reached_once_its_row_says_so() -> None:
    truth = start_of(CLIENT, API, [asked("resume.received", 100.0), *start("one", 100.0)])

    assert truth.whole == 10.25
    assert truth.phases["health"] == 2.25


def test_a_wake_by_a_look_begins_after_the_task_before_it_was_gone() -> None:
    gone = Event(150.0, "task.stopped", {"task": "one", "client": CLIENT})
    early, late = asked("router.woke", 105.0), asked("router.woke", 200.0)

    truth = start_of(CLIENT, LOOK, [*start("one", 100.0), early, gone, late, *start("two", 200.0)])

    assert truth.whole == 11.0
    assert (truth.phases["health"], truth.phases["preview"]) == (0.0, 3.0)


def test_a_start_that_the_log_does_not_hold_is_no_start() -> None:
    with pytest.raises(LookupError, match="syn-1 had 1 starts"):
        start_of(CLIENT, LOOK, start("one", 100.0))
    with pytest.raises(LookupError, match=r"no activate\.received"):
        start_of(CLIENT, COLD, start("one", 100.0))


def test_a_goal_is_missed_by_one_in_fifty_but_not_by_one_in_two_hundred() -> None:
    late, good = Sample(1.0 + GOAL * 2, 1.0), Sample(1.0, 1.0)

    assert p99([late, *[good] * 49]) > GOAL
    assert p99([late, *[good] * 199]) == 0.0


def test_ours_may_be_too_short_as_well_as_too_long() -> None:
    results = Results()
    results.add("wake", "health", 1.0, 1.0 + 2 * GOAL)

    assert results.missed() == ["wake health: p99 is 100.0 ms, goal 50.0 ms"]


def test_phases_that_do_not_add_up_miss_a_goal_and_so_does_a_run_that_failed() -> None:
    results = Results(worst_sum=0.002, failures=["cold 1: failed"])

    assert results.missed() == ["cold 1: failed", "phases add up to 2.0 ms beside the whole, goal 1.0 ms"]


def a_finding(*failed: str, outcome: Outcome = Outcome.FAILED, probe: str = "cold-start") -> Run:
    """A run in which these cases failed."""
    checks = tuple(Check(case, CheckOutcome.FAILED, f"{case} did not hold") for case in failed)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return Run(RunKey(probe, "here", moment), outcome, moment, "a reason", checks=checks)


FAULT = FaultSpec("a-fault", ("CS-06",), "Something is slow.", touches=("SR", "CS-01"))


def test_a_fault_is_caught_by_the_case_it_breaks_and_may_fail_those_it_touches() -> None:
    detection = Detection("a-fault")

    detection.add(FAULT, a_finding("CS-01", "CS-06", "SR-09"))

    assert detection.caught == {"CS-06": "CS-06 did not hold"}
    assert set(detection.also) == {"CS-01", "SR-09"}
    assert detection.holds


@pytest.mark.parametrize(
    "run",
    [
        a_finding("CS-06", "AS-01"),
        a_finding("CS-01"),
        a_finding(outcome=Outcome.PASSED),
        a_finding("CS-06", outcome=Outcome.BROKEN),
    ],
    ids=["another case failed", "only one it touches", "nothing failed", "we were broken"],
)
def test_what_a_fault_does_not_explain_or_nobody_caught_is_a_miss(run: Run) -> None:
    detection = Detection("a-fault")

    detection.add(FAULT, run)

    assert not detection.holds


def test_an_answer_that_is_tolerated_is_caught_where_the_fault_does_no_more_than_that() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    checks = (Check("CS-06", CheckOutcome.DEGRADED, "it says not when"),)
    run = Run(RunKey("cold-start", "here", moment), Outcome.PASSED, moment, None, checks=checks)
    mild, harsh = Detection("mild"), Detection("a-fault")

    mild.add(FaultSpec("mild", ("CS-06",), "Something is tolerated.", degrades=True), run)
    harsh.add(FAULT, run)
    clean = mild.clean
    mild.add_afterwards(run)

    assert mild.caught == {"CS-06": "(degraded) it says not when"}
    assert harsh.caught == {}
    assert (clean, mild.clean) == (True, False), "a case that stays degraded is not clean"


def test_what_was_found_is_kept_and_told_by_fault_and_by_case(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    kept.keep(Detection("a-fault", {"CS-06": "ready: wanted 1, got 2; its task runs"}, {"SR-09": "slow"}, 1))
    specs = {"a-fault": FAULT, "another": FaultSpec("another", ("CS-02",), "Nobody looked.")}
    shown = {case: CASES[case] for case in ("CS-02", "CS-06", "SR-09")}

    told = page(
        kept.found(specs), specs=specs, cases=shown, watched=dict.fromkeys(shown, "p"), machine="1 core"
    )

    assert "1 faults of 2 were tried; 1 were caught" in told
    assert "Not tried: `another`." in told
    assert "| CS-06 | ready: wanted 1, got 2 | 0.0 | 1 | yes | SR-09 |" in told
    assert "never seen to fail: CS-02." in told
    assert "that they lean on: SR-09." in told


def test_a_reason_ends_where_its_likely_cause_begins() -> None:
    assert first_sentence("wanted under 4 s, got 5.5 s; its task runs") == "wanted under 4 s, got 5.5 s"
    assert first_sentence("Hermes is away. Ask again…") == "Hermes is away"


def test_shards_share_the_faults_among_them() -> None:
    names = ["a", "b", "c", "d", "e"]

    assert [of_shard(names, f"{n}/2") for n in (1, 2)] == [["a", "c", "e"], ["b", "d"]]
    for wrong in ("0/2", "3/2", "half", "1"):
        with pytest.raises(ArgumentTypeError, match="wanted k/n"):
            of_shard(names, wrong)


def test_what_lasts_or_is_left_is_a_miss_though_it_was_caught() -> None:
    for troubles in ({"lasting": ["still failing"]}, {"leftovers": ["a row"]}):
        assert not Detection("a-fault", caught={"CS-06": "slow"}, **troubles).holds


async def test_probes_that_must_be_alone_run_one_after_the_other_and_the_rest_side_by_side() -> None:
    under_way: set[str] = set()
    beside: dict[str, set[str]] = {}

    async def run(probe: Probe) -> Run:
        under_way.add(probe.name)
        await asyncio.sleep(0)
        beside[probe.name] = under_way - {probe.name}
        await asyncio.sleep(0)
        under_way.discard(probe.name)
        return a_finding(outcome=Outcome.PASSED, probe=probe.name)

    alone = [a_probe(name, exclusive=frozenset({"it"})) for name in ("one", "two")]
    together = [a_probe(name) for name in ("three", "four")]
    ended = await run_together(run, [together[0], alone[0], together[1], alone[1]])

    assert [run.key.probe for run in ended] == ["one", "two", "three", "four"]
    assert beside == {"one": set(), "two": set(), "three": {"four"}, "four": {"three"}}
