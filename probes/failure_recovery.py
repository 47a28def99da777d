"""Failure recovery (contract §12.5): crowds, crashes, races and late answers, and nothing left afterwards."""

from datetime import timedelta

from probes import boundaries, chats, crashes, crowds
from probes.cases import cases
from probes.platform import Context
from probes.timings import restart
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, Unexpected

RACE = Step("scaling_ends_as_asked", budget=timedelta(seconds=60))
CROWD = Step("many_ask_at_once", budget=timedelta(seconds=60))
CRASH = Step("a_container_crashes", budget=timedelta(minutes=3))
BACK = Step("it_comes_back", budget=timedelta(minutes=2))
RAPID = Step("sessions_are_made_rapidly", budget=timedelta(seconds=90))
LATE = Step("answers_come_late", budget=timedelta(seconds=60))
SLEEP = Step("nothing_is_left", budget=timedelta(minutes=3), sleeps=1)

SPEC = ProbeSpec(
    name="failure-recovery",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=24),
    timeout=timedelta(minutes=20),
    steps=(RACE, CROWD, CRASH, BACK, RAPID, LATE, SLEEP),
    cases=cases(*(f"FR-{n:02}" for n in range(1, 7)), "CH-03", "CH-09", "CH-10", "CH-11"),
    timings=(restart("itself", "wake"),),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.DEAR,
    sleeps=1,
)


@probe(SPEC)
async def failure_recovery(ctx: Context) -> None:
    """When many come at once, or a container crashes, users lose nothing, and nothing is left over."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    ctx.fact("session_factory", "http")
    if not ctx.allowed("FR-01"):
        ctx.skip("FR-04", "no container is made to crash here: that needs an isolated platform")
        return

    async with ctx.step(RACE):
        ctx.cleanup(web.tasks.scale_edit, 0)
        await boundaries.scaling_ends_as_asked(ctx)

    async with ctx.step(CROWD):
        crowd = await crowds.many_at_once(ctx)
        await crowds.capacity_holds(ctx)

    async with ctx.step(CRASH):
        crash = await crashes.crashes(ctx, crowd[0])

    async with ctx.step(BACK):
        if crash is not None:
            await crashes.comes_back(ctx, crash)

    async with ctx.step(RAPID):
        brief = await boundaries.brief_session(ctx)
        usual = await crowds.made_rapidly(ctx)

    async with ctx.step(LATE):
        await boundaries.answers_come_late(ctx, usual)
        if brief is not None:
            await boundaries.one_word_for_it(ctx, brief)

    async with ctx.step(SLEEP):
        await nothing_is_left(ctx)


async def nothing_is_left(ctx: Context) -> None:
    """FR-03, and the end of FR-05: left alone, all tasks end; after our own clean-up nothing of ours is there.

    Where tasks stay, the service is scaled to 0 once, as a person would do it, and that is said.
    """
    web = ctx.platform
    await chats.unmap_threads(ctx)
    with ctx.check("FR-05"):
        await ctx.eventually(
            web.tasks.edit_service,
            until=lambda service: service.running == 0,
            within=web.settings.sleep_patience,
            what="the edit service, left alone by everybody, without a running task",
            pace=DEAR,
        )
    with ctx.check("FR-03") as check:
        left = await _tasks_left(ctx, within=web.settings.sleep_patience)
        if left:
            await web.tasks.scale_edit(0)
            still = await _tasks_left(ctx, within=web.settings.scale_down_timeout)
            if still:
                raise Unexpected(
                    f"unexpected: edit tasks after the idle limit and one scaling to 0: wanted none, got "
                    f"{', '.join(still)}",
                    tasks=still,
                )
            check.degrade(f"the service had to be scaled to 0 by hand: {', '.join(left)} stayed")
        found = web.known()
        check.saw(sessions=len(found.sessions), containers=len(found.containers))
        await web.clean_up()


async def _tasks_left(ctx: Context, *, within: timedelta) -> list[str]:
    """The edit tasks that are still meant to run when this time is over, this run's own by name."""
    web = ctx.platform
    left: list[str] = []

    async def look() -> list[str]:
        nonlocal left
        own = [f"{task} of {task.container_id or 'no container'}" for task in await web.tasks.every_own()]
        counted = (await web.tasks.count()).total
        others = counted - len(own)
        left = own + ([f"{others} of the edit service or others"] if others > 0 else [])
        return left

    try:
        await ctx.eventually(look, until=lambda tasks: not tasks, within=within, what="no edit task", pace=DEAR)
    except PlatformError:
        return left
    return []
