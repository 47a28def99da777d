"""Sustained load (contract §12.8): two sessions a second, asked for on a fixed clock."""

from datetime import timedelta

from probes.cases import cases
from probes.factories import Factory, factory_of
from probes.load import containers, saw, unspreadable
from probes.loads import Load, paced, people, unhurried_by_us
from probes.platform import Context
from probes.timings import load_creation
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.errors import ProbeBroken

SUSTAINED = Step("two_sessions_a_second", budget=timedelta(minutes=2))

SPEC = ProbeSpec(
    name="sustained-load",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(days=1),
    timeout=timedelta(minutes=10),
    steps=(SUSTAINED,),
    cases=cases("LD-04"),
    timings=(load_creation("sustained"),),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start", "load"),
    price=Price.DEAR,
    cleanup_within=timedelta(minutes=15),
)

EVERY = timedelta(seconds=0.5)
SUCCESS = 0.9
#: Of the rate that was meant: with less, it is we who have not kept the clock.
LEAST_RATE = 0.9
PERIODS = 3
#: Slower by half, and by more than this share of the limit, is worth telling.
DRIFT, WORTH_TELLING = 1.5, 0.1


@probe(SPEC)
async def sustained_load(ctx: Context) -> None:
    """When people keep coming, two every second, the last of them are served as fast as the first."""
    ctx.cleanup(ctx.platform.clean_up)
    if not ctx.allowed("LD-04"):
        return
    factory = factory_of(ctx)
    if reason := unspreadable(ctx):
        ctx.skip("LD-04", reason)
        return

    async with ctx.step(SUSTAINED):
        await two_a_second(ctx, factory)


async def two_a_second(ctx: Context, factory: Factory) -> None:
    """LD-04: more than nine in ten are made, in time on average; how that changed meanwhile is told."""
    asked = ctx.platform.settings.load_duration / EVERY
    crowd = people(ctx, "sustained", round(max(PERIODS, asked)), project=lambda i: i % 2, user=lambda i: i % 2)
    count = len(crowd)
    with ctx.check("LD-04") as check:
        load = await paced(ctx, factory, crowd, every=EVERY)
        saw(ctx, check, "sustained", load)
        on_our_clock(check, load)
        refused = f" ({load.refusals[0]})" if load.refusals else ""
        share = len(load.made) / count
        check.saw(error_rate=round(1 - share, 3))
        expect.true(
            f"share of {count} sessions that were made: {share:.0%}{refused}",
            share > SUCCESS,
            wanted=f"more than {SUCCESS:.0%}",
        )
        limit = ctx.platform.settings.target_load_average
        with unhurried_by_us(ctx, load):
            expect.within(f"creation of {len(load.made)} sessions on average", load.average(), limit)
        containers(ctx, check, load)
        drift(check, load, limit)


def on_our_clock(check: CheckNote, load: Load) -> None:
    """Keep how well we kept the clock ourselves. Raises ProbeBroken where that was not well enough."""
    asked = load.attempts[-1].began - load.attempts[0].began
    meant = (len(load.attempts) - 1) * EVERY.total_seconds()
    late = max(attempt.late for attempt in load.attempts)
    check.saw(
        asked_a_second=round((len(load.attempts) - 1) / asked, 3),
        made_a_second=round(len(load.made) / (load.ended - load.began), 3),
        latest_of_ours=late,
    )
    if meant / asked < LEAST_RATE:
        raise ProbeBroken(
            "our own trouble: two sessions a second were meant, and "
            f"{(len(load.attempts) - 1) / asked:.2f} were asked for; the latest {late.total_seconds():.1f} s "
            "after its time"
        )


def drift(check: CheckNote, load: Load, limit: timedelta) -> None:
    """Keep the averages of the first, the middle and the last third; a clear slowing down degrades the case."""
    size = -(-len(load.attempts) // PERIODS)
    thirds = [load.average(load.attempts[at : at + size]) for at in range(0, len(load.attempts), size)]
    check.saw(averages_over_time=thirds)
    first, last = thirds[0], thirds[-1]
    if last > DRIFT * first and last - first > WORTH_TELLING * limit:
        check.degrade(
            f"creation became slower meanwhile: {first.total_seconds():.2f} s on average at first, "
            f"{last.total_seconds():.2f} s at last"
        )
