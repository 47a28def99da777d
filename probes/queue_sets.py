"""Queue sets (contract §4, §12.7): a container's three queues, from their making to their end."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from probes.cases import cases
from probes.commanding import open_awake, unshared
from probes.dialogue import Dialogue
from probes.factories import Conversation, Factory, factory_of
from probes.platform import Context
from probes.platform.dialects import QueueCleanupOn, SessionFactory
from probes.platform.orphans import MOST_CONTAINERS, orphaned_queues
from probes.platform.responses import queue_name
from probes.platform.values import SessionRow
from probes.queue_attributes import attributes_are_right
from probes.restarts import stop_container
from probes.timings import QUEUE_CLEANUP
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut, Unexpected

OPEN = Step("a_chat_gets_its_queues", budget=timedelta(seconds=60))
LOOK = Step("the_queues_are_as_agreed", budget=timedelta(seconds=15))
SHARE = Step("a_second_chat_shares_them", budget=timedelta(seconds=90))
END = Step("they_go_when_they_are_done_with", budget=timedelta(minutes=3))
NOBODY = Step("cleaning_up_after_nobody_does_no_harm", budget=timedelta(seconds=15))
ORPHANS = Step("no_queue_is_forgotten", budget=timedelta(seconds=30))

SPEC = ProbeSpec(
    name="queue-sets",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=10),
    steps=(OPEN, LOOK, SHARE, END, NOBODY, ORPHANS),
    cases=cases(*(f"QM-{n:02}" for n in range(1, 10))),
    timings=(QUEUE_CLEANUP,),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)
T = TypeVar("T")
STOPPED = "its task had stopped"


@probe(SPEC)
async def queue_sets(ctx: Context) -> None:
    """A chat's messages have queues of their own as long as they are needed, and no queue is forgotten."""
    ctx.cleanup(ctx.platform.clean_up)
    factory = factory_of(ctx)

    async with ctx.step(OPEN):
        one = await gets_queues(ctx, factory)

    async with ctx.step(LOOK):
        if made_by_platform(ctx, "QM-08"):
            with ctx.check("QM-08") as check:
                await attributes_are_right(ctx, one, check)

    async with ctx.step(SHARE):
        chats = [one, *await second_chat(ctx, factory, one)]
        await written_down(ctx, one)

    async with ctx.step(END):
        await go_with_the_chats(ctx, factory, chats)
        await go_with_the_container(ctx, one)

    async with ctx.step(NOBODY):
        await nobody_is_cleaned_up_after(ctx)

    async with ctx.step(ORPHANS):
        await no_queue_is_forgotten(ctx)


def made_by_platform(ctx: Context, case: str) -> bool:
    """Whether the platform makes what this case looks at; where we do, it proves nothing, and is skipped."""
    by_hand = ctx.platform.settings.session_factory is SessionFactory.DIRECT
    if by_hand:
        ctx.skip(case, "SESSION_FACTORY=direct: the monitor makes queues and rows itself")
    return not by_hand


async def gets_queues(ctx: Context, factory: Factory) -> Conversation:
    """QM-01: a new chat's container has an input, an output and a dead-letter queue of the agreed names."""
    try:
        one = await open_awake(ctx, factory, "one")
    except Unexpected as error:
        if "missing" not in error.evidence:  # it failed before anybody looked for queues
            raise
        with ctx.check("QM-01", essential=True):
            raise
    if made_by_platform(ctx, "QM-01"):
        with ctx.check("QM-01") as check:
            check.saw(queues=[queue_name(url) for url in one.queues.urls()])
    return one


async def second_chat(ctx: Context, factory: Factory, one: Conversation) -> list[Conversation]:
    """QM-02 and QM-05: a further chat in a container that is up gets the queues that are there, and no more.

    No chat where a second one shares no container.
    """
    if reason := unshared(ctx):
        for case in ("QM-02", "QM-05"):
            ctx.skip(case, reason)
        return []
    await Dialogue(ctx, one.queues).at_rest(one)
    before = await ctx.platform.queues.bearing(ctx.tag)
    two = await open_awake(ctx, factory, "two")
    if made_by_platform(ctx, "QM-02"):
        with ctx.check("QM-02") as check:
            after = await ctx.platform.queues.bearing(ctx.tag)
            check.saw(before=before, after=after)
            expect.equal("container of a user's second chat", two.container_id, one.container_id)
            expect.empty("queues made for a second chat of one container", sorted({*after} - {*before}))
    if made_by_platform(ctx, "QM-05"):
        with ctx.check("QM-05") as check:
            await queues_are_known(ctx, check, two)
    return [two]


async def queues_are_known(ctx: Context, check: CheckNote, chat: Conversation) -> None:
    """QM-05: the rows tell a new session's queues, and they are its container's. Raises Unexpected."""

    async def told() -> dict[str, str]:
        row = await ctx.platform.tables.session(chat.session_id)
        names = _told(row) if row is not None else {}
        if not names:  # rows of activate may tell none; then the container's row does
            container = await ctx.platform.tables.container(chat.container_id)
            names = _names(container.input_queue_url, container.output_queue_url) if container else {}
        return names

    what = f"queues of session {chat.session_id} told by its row or its container's"
    names = await found_in_time(ctx, check, told, what)
    check.saw(**names)
    for kind, name in names.items():
        wanted = queue_name(getattr(chat.queues, f"{kind}_url"))
        expect.equal(f"{kind} queue of session {chat.session_id}, as rows tell it", name, wanted)


def _told(row: SessionRow) -> dict[str, str]:
    return _names(row.input_queue_url, row.output_queue_url)


def _names(taking: str | None, giving: str | None) -> dict[str, str]:
    return {kind: queue_name(url) for kind, url in (("input", taking), ("output", giving)) if url}


async def written_down(ctx: Context, one: Conversation) -> None:
    """QM-03: the tracking row tells the addresses of the container's three queues."""
    if not made_by_platform(ctx, "QM-03"):
        return
    with ctx.check("QM-03") as check:
        what = f"tracking row for the queues of container {one.container_id}"
        row = await found_in_time(ctx, check, partial(ctx.platform.tables.tracking, one.container_id), what)
        assert row is not None
        told = (row.need("input_queue_url"), row.need("output_queue_url"), row.need("dlq_url"))
        for url, real in zip(told, one.queues.urls(), strict=True):
            expect.equal("queue in the tracking row", queue_name(url), queue_name(real))


async def found_in_time(ctx: Context, check: CheckNote, look: Callable[[], Awaitable[T]], what: str) -> T:
    """What `look` finds, once it is something: within the promised two seconds, or merely tolerated later."""
    limit = ctx.platform.settings.target_queue_discovery
    asked = ctx.instant()
    seen = await ctx.sighting(
        look, until=bool, within=limit + ctx.platform.settings.target_warm_start, what=what, pace=DEAR
    )
    # Looks are a second apart: only a "no" that was asked for after the limit proves that it came late.
    if seen.after - asked >= limit.total_seconds():
        check.degrade(f"{what}: wanted within {limit.total_seconds():g} s, took {seen.at - asked:.1f} s")
    return seen.value


# -- the end ---------------------------------------------------------------------------------------------


async def go_with_the_chats(ctx: Context, factory: Factory, chats: list[Conversation]) -> None:
    """QM-06: where queues are to go with the last session, they do."""
    if ctx.platform.settings.queue_cleanup_on is not QueueCleanupOn.SESSION_CLOSE:
        ctx.skip("QM-06", "QUEUE_CLEANUP_ON=container-termination: queues outlive sessions here")
        return
    if not made_by_platform(ctx, "QM-06"):
        return
    for chat in chats:
        await factory.close(chat)
    with ctx.check("QM-06") as check:
        now = ctx.instant()
        await queues_go(ctx, check, chats[0], since=now, ended=now, after="its last session had closed")


async def go_with_the_container(ctx: Context, one: Conversation) -> None:
    """QM-04: where queues are to go with the container, they do, counted from its task having stopped."""
    if ctx.platform.settings.queue_cleanup_on is not QueueCleanupOn.CONTAINER_TERMINATION:
        ctx.skip("QM-04", "QUEUE_CLEANUP_ON=session-close: queues go before the container does")
        return
    if not ctx.allowed("QM-04"):
        return
    ended = await stop_container(ctx, one.container_id)
    with ctx.check("QM-04") as check:
        await queues_go(ctx, check, one, since=ended.after, ended=ended.at, after=STOPPED)


async def queues_go(
    ctx: Context, check: CheckNote, chat: Conversation, *, since: float, ended: float, after: str
) -> None:
    """Input, output and tracking row are gone in time; SQS itself may answer for deleted queues a minute more.

    `since` is before the end that they are to follow, `ended` when it was seen: the limit counts from there.
    Raises TimedOut with what is left, and why that may be.
    """
    web, settings = ctx.platform, ctx.platform.settings
    named = web.queues.names(chat.container_id)

    async def left() -> list[str]:
        found = [name for name in (named.input, named.output) if await web.queues.exists(name)]
        return [*found, "its tracking row"] if await web.tables.has_tracking(chat.container_id) else found

    limit = settings.target_queue_cleanup
    try:
        gone = await ctx.sighting(
            left,
            until=lambda found: not found,
            within=limit + settings.queue_deletion_lag,
            what=f"queues of container {chat.container_id} gone after {after}",
            pace=DEAR,
        )
    except TimedOut as error:
        back = [task for task in await web.tasks.own(container_id=chat.container_id) if not task.leaving]
        if back and after == STOPPED:
            check.degrade(
                f"the platform started the container again by itself ({back[0]}), which needs its queues"
            )
            return
        raise TimedOut(f"{error}; {await why_left(ctx, chat)}", **error.evidence) from error
    took = ctx.measure("queue_cleanup", since=since, until=gone).took
    check.saw(took=took)
    if gone.after - ended >= limit.total_seconds():
        check.degrade(
            f"queues gone after {after}: wanted within {limit.total_seconds():g} s, took "
            f"{took.total_seconds():.1f} s (SQS may answer for a deleted queue for a minute)"
        )


async def why_left(ctx: Context, chat: Conversation) -> str:
    """What the container's row tells of the cleaning up that did not come."""
    row = await ctx.platform.tables.container(chat.container_id)
    if row is not None and row.status not in ("stopped", "stopping"):
        return f"the container's row still says {row.status}: nothing reacted to its end"
    return (
        "its end was noted, its queues were passed over: a handler that splits container ids at hyphens finds "
        "no queues by them (contract Q12)"
    )


async def nobody_is_cleaned_up_after(ctx: Context) -> None:
    """QM-09: closing a session that nobody knows, whose container and queues never were, harms nothing."""
    web = ctx.platform
    nobody = f"{web.client_id}-nobody"
    with ctx.check("QM-09") as check:
        reply = await web.hermes.deactivate_reply(nobody)
        check.saw(answer=reply.told())
        if not reply.ok:
            raise reply.refusal(f"closing session {nobody}, which has no container and no queue", "2xx")
        made = [name for name in await web.queues.bearing(ctx.tag) if name.endswith(nobody)]
        expect.empty("queues made by cleaning up after nobody", made)
        health = await web.hermes.health()
        if not health.ok:
            raise health.refusal("health after cleaning up after nobody", "2xx")


async def no_queue_is_forgotten(ctx: Context) -> None:
    """QM-07, as far as it can be seen: queues that nothing needs are listed, and none is older than it may be.

    Ages cannot be waited for. What lies about, whoever left it, is held against the containers' rows; the
    platform deletes orphans that are a day old, at the latest when it looks the next time.
    """
    settings = ctx.platform.settings
    with ctx.check("QM-07") as check:
        orphans = await orphaned_queues(ctx.platform, ctx.now())
        if orphans.containers > MOST_CONTAINERS:
            check.degrade(f"{orphans.containers} containers have queues; only {MOST_CONTAINERS} were looked at")
        ctx.fact("orphaned_queues", len(orphans.ages))
        check.saw(
            containers_with_queues=orphans.containers,
            orphans={name: str(age) for name, age in orphans.ages.items()},
        )
        # The job may be as late again as it is due, before anybody says that it does not come at all.
        oldest = settings.max_queue_age + 2 * settings.queue_cleanup_every
        expect.empty(
            f"queues without a container, older than {oldest} (the platform's queue cleanup, due every "
            f"{settings.queue_cleanup_every}, should have deleted them)",
            sorted(name for name, age in orphans.ages.items() if age > oldest),
        )
