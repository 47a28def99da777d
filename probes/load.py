"""Load (contract §12.8): ten at once, twenty-five at once, fifteen in a row, and what they take in resources.

How the sessions are spread over users and projects is the platform's own suite's; LOAD_USERS makes it fewer
containers. Sustained load has a probe of its own.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from probes.cases import cases
from probes.factories import Factory, factory_of
from probes.loads import (
    Heard,
    Load,
    at_once,
    dismissed,
    in_a_row,
    one_command_each,
    people,
    room_for,
    scaled,
    unhurried_by_us,
)
from probes.platform import Context
from probes.platform.dialects import SessionFactory
from probes.timings import load_creation
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe

AT_ONCE = Step("ten_over_three_projects", budget=timedelta(minutes=3))
OF_KINDS = Step("twenty_five_at_once", budget=timedelta(minutes=5))
RAPIDLY = Step("fifteen_in_a_row", budget=timedelta(minutes=2))
RESOURCES = Step("what_ten_sessions_take", budget=timedelta(minutes=2))

CASES = ("LD-01", "LD-02", "LD-03", "LD-05")

SPEC = ProbeSpec(
    name="load",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(days=1),
    timeout=timedelta(minutes=25),
    steps=(AT_ONCE, OF_KINDS, RAPIDLY, RESOURCES),
    cases=cases(*CASES),
    timings=(load_creation("ten", "mixed", "burst", "watched"),),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start", "concurrent-sessions"),
    price=Price.DEAR,
    cleanup_within=timedelta(minutes=15),
)

#: The suite's figures: how many ask, which share of them is to be served, and which one is tolerated.
TEN, TEN_TOLERATED, FEW_CONTAINERS = 10, 0.8, 4
MIXED, MIXED_SERVED, MIXED_TOLERATED = 25, 0.9, 0.8
COMMANDS, ANSWERED = 12, 8 / 12
BURST, BURST_SERVED = 15, 0.8
WATCHED = 10


@probe(SPEC)
async def load(ctx: Context) -> None:
    """When many people come at once, nearly all are served, nobody waits long, and nothing is wasted."""
    ctx.cleanup(ctx.platform.clean_up)
    allowed = [case for case in CASES if ctx.allowed(case)]
    factory = factory_of(ctx)
    reason = unspreadable(ctx)
    if reason:
        for case in allowed:
            ctx.skip(case, reason)
    if reason or not allowed:
        return

    async with ctx.step(AT_ONCE):
        await ten_over_three_projects(ctx, factory)

    async with ctx.step(OF_KINDS):
        await twenty_five_at_once(ctx, factory)

    async with ctx.step(RAPIDLY):
        await fifteen_in_a_row(ctx, factory)

    async with ctx.step(RESOURCES):
        await what_ten_sessions_take(ctx, factory)


def unspreadable(ctx: Context) -> str:
    """Why no load can be put on the platform by the way in which chats are opened here; empty if it can."""
    if ctx.platform.settings.session_factory is not SessionFactory.EMAIL:
        return ""
    return (
        "SESSION_FACTORY=email finds the session of each mail among those of its one sender, so chats are "
        "opened one at a time, and how long that takes is the mail queue's time"
    )


async def ten_over_three_projects(ctx: Context, factory: Factory) -> None:
    """LD-01: ten at once are made in time, carry out a command each, and share containers as they should."""
    crowd = people(ctx, "ten", scaled(ctx, TEN), project=lambda i: i % 3, user=lambda i: i // 3)
    with ctx.check("LD-01") as check:
        async with dismissed(ctx, factory, await at_once(ctx, factory, crowd)) as ten:
            saw(ctx, check, "ten", ten)
            served(check, f"sessions made of {len(crowd)} asked for at once", ten, 1.0, tolerated=TEN_TOLERATED)
            in_time(ctx, ten)
            containers(ctx, check, ten)
            check.saw(at_most_four_containers=len(ten.containers) <= FEW_CONTAINERS)
            answers = await one_command_each(ctx, ten.made, lambda i: f"Create ten-{i}.txt", together=False)
            saw_answers(ctx, check, ten, answers)
            failures = [str(one) for one in answers if not one.carried_out]
            expect.empty(f"commands of {len(answers)} sessions that were not carried out", failures)


async def twenty_five_at_once(ctx: Context, factory: Factory) -> None:
    """LD-02: of twenty-five at once nine in ten are made in time, and what twelve ask for is answered.

    Commands are of several kinds and come together: those who share a container interrupt one another (§7.3),
    which is an answer too if they are told.
    """
    crowd = people(ctx, "mixed", scaled(ctx, MIXED), project=lambda i: i % 5, user=lambda i: i // 5)
    with ctx.check("LD-02") as check:
        async with dismissed(ctx, factory, await at_once(ctx, factory, crowd)) as many:
            saw(ctx, check, "mixed", many)
            what = f"sessions made of {len(crowd)} asked for at once"
            served(check, what, many, MIXED_SERVED, tolerated=MIXED_TOLERATED)
            in_time(ctx, many, check)
            containers(ctx, check, many)
            talking = many.made[: scaled(ctx, COMMANDS)]
            answers = await one_command_each(ctx, talking, mixed, together=True)
            saw_answers(ctx, check, many, answers)
            shared = {one for one, chats in Counter(chat.container_id for chat in talking).items() if chats > 1}
            answered = [
                one
                for one in answers
                if one.carried_out or (one.interrupted and one.chat.container_id in shared)
            ]
            others = [str(one) for one in answers if one not in answered]
            wanted = ceil(ANSWERED * len(talking))
            what = f"of {len(talking)} commands at once, those carried out or told interrupted"
            expect.at_least(f"{what} ({others[0]})" if others else what, len(answered), wanted)


#: None of them is over at once, so that those who share a container do interrupt one another.
KINDS = ("Change the title of the front page to {}", "Build the site for the {}th time", "Make menu {} shorter")


def mixed(number: int) -> str:
    """An instruction, of one kind after the other."""
    return KINDS[number % len(KINDS)].format(number)


async def fifteen_in_a_row(ctx: Context, factory: Factory) -> None:
    """LD-03: of fifteen in quick succession eight in ten are made, none of them late."""
    crowd = people(ctx, "burst", scaled(ctx, BURST), project=lambda i: i % 3, user=lambda i: i % 5)
    with ctx.check("LD-03") as check:
        async with dismissed(ctx, factory, await in_a_row(ctx, factory, crowd)) as burst:
            saw(ctx, check, "burst", burst)
            check.saw(error_rate=round(len(burst.refusals) / len(crowd), 3))
            served(check, f"sessions made of a burst of {len(crowd)}", burst, BURST_SERVED)
            longest(ctx, burst)


async def what_ten_sessions_take(ctx: Context, factory: Factory) -> None:
    """LD-05: ten sessions take one queue set and at most one task for each container, and no more."""
    tasks = ctx.platform.tasks
    crowd = people(ctx, "watched", scaled(ctx, WATCHED), project=lambda i: i % 2, user=lambda i: i % 3)
    with ctx.check("LD-05") as check:
        before = {task.arn for task in await tasks.every_own()}
        ten = await in_a_row(ctx, factory, crowd)
        after = [task for task in await tasks.every_own() if task.arn not in before]
        saw(ctx, check, "watched", ten)
        check.saw(
            sessions_of_containers=dict(ten.containers),
            tasks_started=len(after),
            tasks_of_containers=sorted(str(task.container_id) for task in after),
        )
        containers(ctx, check, ten)
        room = room_for(ctx, ten)
        expect.at_most(f"queue sets made for {room} containers", ten.queue_sets, room)
        expect.at_most(f"tasks started for {room} containers", len(after), room)


# -- what is said of every load --------------------------------------------------------------------------------


def saw(ctx: Context, check: CheckNote, kind: str, load: Load) -> None:
    """Keep the load's numbers as evidence, and its slowest creation as a timing."""
    check.saw(
        load=load.metrics(),
        refusals=sorted(set(load.refusals)),
        waited_for_our_threads=ctx.platform.waits.longest_since(load.began),
    )
    slowest = load.slowest
    if slowest is not None and slowest.chat is not None:
        until = slowest.began + slowest.chat.took.total_seconds()
        ctx.measure("load_creation", since=slowest.began, until=until, path=kind)


def saw_answers(ctx: Context, check: CheckNote, load: Load, answers: Sequence[Heard]) -> None:
    """Keep what came of the commands; the interrupts belong to the load's numbers."""
    took = [one.answer.took for one in answers if one.answer is not None]
    interrupts = sum(one.interrupted for one in answers)
    check.saw(
        load=load.metrics(interrupts),
        commands=len(answers),
        commands_carried_out=sum(one.carried_out for one in answers),
        longest_answer=max(took, default=None),
    )


def served(check: CheckNote, what: str, load: Load, share: float, *, tolerated: float | None = None) -> None:
    """This share of those who asked were served; fewer, down to the tolerated, degrade the case."""
    made, asked = len(load.made), len(load.attempts)
    wanted, least = ceil(share * asked), ceil((tolerated or share) * asked)
    refused = f" ({load.refusals[0]})" if load.refusals else ""
    expect.at_least(what + refused, made, least)
    if made < wanted:
        check.degrade(f"{what}: wanted at least {wanted}, accepted {made}{refused}")


def in_time(ctx: Context, load: Load, check: CheckNote | None = None) -> None:
    """Sessions are made in time, on average and at most; with a check, up to twice the average is tolerated."""
    limit = ctx.platform.settings.target_load_average
    what = f"creation of {len(load.made)} sessions on average"
    average = load.average()
    with unhurried_by_us(ctx, load):
        expect.within(what, average, limit if check is None else 2 * limit)
    if check is not None and average >= limit:
        check.degrade(
            f"{what}: wanted under {limit.total_seconds():g} s, accepted {average.total_seconds():.1f} s"
        )
    longest(ctx, load)


def longest(ctx: Context, load: Load) -> None:
    with unhurried_by_us(ctx, load):
        slowest = load.metrics().max_response_time
        expect.within(
            f"the slowest creation of {len(load.made)} sessions",
            slowest,
            ctx.platform.settings.target_load_longest,
        )


def containers(ctx: Context, check: CheckNote, load: Load) -> None:
    """Those who may share a container do; where each chat has its own, there are as many as chats."""
    room = room_for(ctx, load)
    check.saw(users_on_projects=load.pairs)
    expect.at_most(
        f"containers of {len(load.made)} sessions of {load.pairs} users on projects", len(load.containers), room
    )
