"""Every rule, for every probe of the catalogue: it can open, it can resolve, and one sample does neither."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

import probes
from synthetics.alerting import policy, slowness, spending
from synthetics.alerting.rules import Failing, Finding, Leftovers, Reading, Stale, Target
from synthetics.alerting.spending import Spent
from synthetics.contract.probe import ProbeSpec
from synthetics.model.budget import Allowance
from synthetics.model.incident import Rule
from synthetics.model.run import Outcome
from synthetics.model.sample import Measured, Sample, Stuck, Watched
from synthetics.regression.change import Value
from synthetics.regression.detector import WARM_UP, Detector

START = datetime(2026, 3, 2, tzinfo=UTC)
NAMESPACE = UUID("0d4e6f5e-9f0a-5c1e-8a55-0a7b1c2d3e4f")
LETTERS = {"P": Outcome.PASSED, "F": Outcome.FAILED, "B": Outcome.BROKEN, "M": Outcome.MISSED}
FAILING, TARGET = Failing(), Target()
SPECS = [probe.spec for probe in probes.CATALOGUE]


def samples(letters: str, every: timedelta = timedelta(minutes=15)) -> list[Sample]:
    """Runs that ended so, oldest first in `letters`, newest first in what comes out."""
    runs = [
        Sample(
            uuid5(NAMESPACE, str(place)),
            START + place * every,
            START + place * every + timedelta(seconds=30),
            LETTERS[letter],
            None if letter == "P" else f"reason {place}",
        )
        for place, letter in enumerate(letters)
    ]
    return runs[::-1]


def values(over: Sequence[bool], target: timedelta) -> list[Measured]:
    """Values of a timing, over the target or not, newest first."""
    return [
        Measured(
            uuid5(NAMESPACE, str(place)), START + place * timedelta(minutes=15), target * (1.2 if late else 0.5)
        )
        for place, late in enumerate(over)
    ][::-1]


def stuck(attempts: int) -> Stuck:
    return Stuck("session", "syn-abc", attempts, START, NAMESPACE, "it will not go")


@pytest.mark.parametrize(
    ("letters", "reading"),
    [
        ("", Reading.UNCLEAR),
        ("P", Reading.UNCLEAR),
        ("F", Reading.UNCLEAR),
        ("PPPF", Reading.UNCLEAR),
        ("PFF", Reading.BAD),
        ("FMMF", Reading.BAD),
        ("FBBF", Reading.BAD),
        ("FPFPF", Reading.BAD),
        ("FPPFPPF", Reading.BAD),
        ("FPFPFP", Reading.UNCLEAR),
        ("FPFPFPP", Reading.UNCLEAR),
        ("FPFPFPPPP", Reading.GOOD),
        ("FFFFFFFP", Reading.UNCLEAR),
        ("FFFFFFFPP", Reading.GOOD),
        ("FFFFFFFPPMBPP", Reading.GOOD),
        ("FFPPPPPP", Reading.STEADY),
        ("FFPPF", Reading.UNCLEAR),
    ],
)
def test_a_promise_fails_when_it_is_confirmed_or_comes_again(letters: str, reading: Reading) -> None:
    assert FAILING.judge(samples(letters)).reading is reading


def test_what_it_says_names_the_newest_reason_and_since_when() -> None:
    found = FAILING.judge(samples("PPFFF"))

    assert found.why == "failed 3 times in a row: reason 4"
    assert found.since == START + 2 * timedelta(minutes=15)
    assert found.evidence["reason"] == "reason 4"


@pytest.mark.parametrize(
    ("letters", "reading"),
    [
        ("B", Reading.UNCLEAR),
        ("BB", Reading.UNCLEAR),
        ("BBB", Reading.BAD),
        ("BMBMB", Reading.BAD),
        ("BBPBB", Reading.UNCLEAR),
        ("BBBF", Reading.UNCLEAR),
        ("BBBFP", Reading.GOOD),
        ("BBBFFFFFF", Reading.STEADY),
    ],
)
def test_a_probe_is_broken_whatever_the_platform_does(letters: str, reading: Reading) -> None:
    assert policy.broken(timedelta(minutes=15)).judge(samples(letters)).reading is reading


def test_a_probe_that_seldom_runs_is_broken_sooner() -> None:
    assert policy.broken(timedelta(days=1)).judge(samples("BB", timedelta(days=1))).reading is Reading.BAD


@given(st.text("PFBM", max_size=40))
def test_one_run_alone_never_opens_and_never_resolves(letters: str) -> None:
    """Bad has two bad runs behind it at least, good two good ones, and from bad no single run leads to good."""
    for rule, bad in ((FAILING, "F"), (policy.broken(timedelta(minutes=15)), "B")):
        said = "".join(letter for letter in letters if letter in ("PF" if bad == "F" else "PFB"))
        reading = rule.judge(samples(letters)).reading
        if reading is Reading.BAD:
            assert said[-8:].count(bad) >= 2
            assert all(rule.judge(samples(letters + one)).reading <= Reading.UNCLEAR for one in "PFBM")
        if reading >= Reading.GOOD:
            assert bad not in said[-2:]
            assert len(said) >= 2


@given(st.text("PFB", max_size=30), st.text("M", max_size=5))
def test_what_says_nothing_of_the_platform_changes_nothing(letters: str, missed: str) -> None:
    assert FAILING.judge(samples(letters + missed)).reading is FAILING.judge(samples(letters)).reading


def test_too_often_over_target_takes_several_values() -> None:
    target = timedelta(seconds=60)

    assert TARGET.judge(values([True] * 3, target), target).reading is Reading.UNCLEAR
    found = TARGET.judge(values([False] * 40 + [True] * 4, target), target)
    assert found.reading is Reading.BAD
    assert found.why == "took 1 min or longer in 4 of 4 runs, 1 min 12 s in the middle of those"
    assert TARGET.judge(values([False, False, True] * 30, target), target).reading is Reading.BAD
    assert TARGET.judge(values(([False] * 19 + [True]) * 10, target), target).reading is not Reading.BAD
    assert TARGET.judge(values([True] * 9 + [False] * 6, target), target).reading is Reading.GOOD
    assert TARGET.judge(values([True] * 9 + [False] * 18, target), target).reading is Reading.STEADY


def test_exactly_on_target_it_is_silent_for_ten_thousand_runs_on_average() -> None:
    """The promise of the test: series in which 5 % are over, as is allowed, and the runs to the first alarm."""
    chance = random.Random(7)
    alarms = runs = 0
    sums = [0.0] * len(TARGET.instead)
    while runs < 300_000:
        runs += 1
        late = chance.random() < TARGET.allowed
        for place, rate in enumerate(TARGET.instead):
            ratio = rate / TARGET.allowed if late else (1 - rate) / (1 - TARGET.allowed)
            sums[place] = (1 + sums[place]) * ratio
        if late and sum(sums) / len(sums) >= TARGET.odds:
            alarms += 1
            sums = [0.0] * len(TARGET.instead)
    assert alarms <= 30, "at most one in ten thousand"


def test_the_statistic_is_the_one_that_the_promise_is_about() -> None:
    over = [False, True, True, False, True]
    sums = [0.0] * len(TARGET.instead)
    for late in over:
        sums = [
            (1 + was) * (rate / 0.05 if late else (1 - rate) / 0.95)
            for was, rate in zip(sums, TARGET.instead, strict=True)
        ]
    assert TARGET.statistic(over) == pytest.approx(sum(sums) / len(sums))


def test_silence_is_stale_after_two_intervals_and_a_run() -> None:
    rule = Stale.of(timedelta(minutes=15), timedelta(minutes=5))
    now = START + timedelta(hours=5)

    def judge(*minutes_ago: float, since: datetime = START) -> Finding:
        return rule.judge([now - timedelta(minutes=ago) for ago in minutes_ago], now=now, since=since)

    assert judge(34).reading is Reading.UNCLEAR
    assert judge(36).reading is Reading.BAD
    assert judge(36).why == "had no run that ended for 36 min: the last one ended at 2026-03-02 04:24 UTC"
    assert judge(300, since=now - timedelta(minutes=20)).reading is Reading.UNCLEAR, (
        "nobody was there to run it"
    )
    assert judge().reading is Reading.BAD, "it never ran"
    assert judge(1, 300).reading is Reading.UNCLEAR
    assert judge(1, 16).reading is Reading.GOOD
    assert judge(1, 16, 31).reading is Reading.STEADY


def test_what_is_left_behind_takes_two_looks() -> None:
    rule = Leftovers()
    now = START + timedelta(days=1)

    assert rule.judge([stuck(1)], [], now=now).reading is Reading.UNCLEAR
    found = rule.judge([stuck(2)], [], now=now)
    assert found.reading is Reading.BAD
    assert found.why == (
        "left 1 thing on the platform that cannot be removed, session syn-abc first: it will not go"
    )
    ago = [now - timedelta(minutes=minutes) for minutes in (1, 2)]
    assert rule.judge([], ago, now=now).reading is Reading.BAD
    assert rule.judge([], ago[:1], now=now).reading is Reading.UNCLEAR
    assert rule.judge([], [now - timedelta(minutes=20)], now=now).reading is Reading.GOOD
    assert rule.judge([], [], now=now).reading is Reading.STEADY


# -- for every rule and probe ----------------------------------------------------------------------------


def failing(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    """Ten good ticks, ten bad ones, ten good ones; each failing one confirmed where the probe is."""
    for count in range(1, 31):
        letters = "".join("F" if 10 <= place < 20 else "P" for place in range(count))
        newest = samples(letters, spec.every)
        yield newest[0].tick, FAILING.judge(remembered(newest, spec))


def broken(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    for count in range(1, 31):
        letters = "".join("B" if 10 <= place < 20 else "P" for place in range(count))
        newest = samples(letters, spec.every)
        yield newest[0].tick, policy.broken(spec.every).judge(remembered(newest, spec))


def remembered(newest_first: list[Sample], spec: ProbeSpec) -> list[Sample]:
    oldest = newest_first[0].tick - policy.memory(spec.every)
    return [sample for sample in newest_first if sample.tick > oldest][: policy.MOST_RUNS]


def target(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    for count in range(1, 31):
        for timing in spec.timings:
            if timing.target is not None:
                over = [10 <= place < 20 for place in range(count)]
                yield START + count * spec.every, TARGET.judge(values(over, timing.target), timing.target)


def stale(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    rule = Stale.of(spec.every, spec.timeout)
    ran = [START + place * spec.every for place in range(30) if not 10 <= place < 20]
    for place in range(1, 30):
        now = START + place * spec.every
        yield now, rule.judge([moment for moment in ran[::-1] if moment <= now], now=now, since=START)


def regressed(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    detector, draw, values = Detector(), random.Random(spec.name), []
    begins = START - WARM_UP * spec.every
    for place in range(WARM_UP + 40):
        slow = WARM_UP + 10 <= place < WARM_UP + 20
        tick = begins + place * spec.every
        values.append(Value(uuid4(), tick, draw.uniform(0.95, 1.05) * (1.5 if slow else 1.0), {}, {}))
        detector.update(tick.timestamp(), values[-1].seconds)
        if detector.slower:
            yield tick, slowness.finding(detector.slower, values)
        elif place >= WARM_UP:
            yield tick, Finding(Reading.GOOD)


def leftovers(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    rule = policy.leftovers(spec.every)
    for place in range(30):
        now = START + place * spec.every
        there = [stuck(place - 9)] if 10 <= place < 20 else []
        yield now, rule.judge(there, [], now=now)


def budget(spec: ProbeSpec) -> Iterator[tuple[datetime, Finding]]:
    for place in range(30):
        now = START + place * spec.every
        allowed = Allowance("day", 10.0, START, now)
        yield now, spending.judge(Spent(allowed, {spec.name: 12.0 if 10 <= place < 20 else 1.0}), spec.name)


LIVES: dict[Rule, Callable[[ProbeSpec], Iterator[tuple[datetime, Finding]]]] = {
    Rule.FAILING: failing,
    Rule.BROKEN: broken,
    Rule.TARGET: target,
    Rule.REGRESSED: regressed,
    Rule.STALE: stale,
    Rule.LEFTOVERS: leftovers,
    Rule.BUDGET: budget,
}


def test_every_rule_has_its_life() -> None:
    assert set(LIVES) == set(Rule)


@pytest.mark.parametrize("rule", Rule)
def test_for_every_probe_of_the_catalogue_it_can_open_and_can_resolve(rule: Rule) -> None:
    for spec in SPECS:
        if rule is Rule.TARGET and not any(timing.target for timing in spec.timings):
            continue
        found = list(LIVES[rule](spec))
        bad = [at for at, finding in found if finding.reading is Reading.BAD]
        assert bad, f"{rule} never opens for {spec.name}"
        good = [at for at, finding in found if finding.reading >= Reading.GOOD and at > bad[-1]]
        assert good, f"{rule} never resolves for {spec.name}"
        assert bad[0] - START >= 10 * spec.every, f"{rule} opens for {spec.name} while all is well"
        assert bad[0] - START <= 15 * spec.every, f"{rule} opens too late for {spec.name}"
        watched = Watched(spec.name, spec.owner, spec.severity, spec.every, spec.timeout, "test")
        assert policy.severity(rule, watched) in ("page", "ticket", "info")
