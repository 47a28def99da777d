"""Infrastructure (contract §12.9): the AWS parts that everything else stands on can be reached, and answer."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from probes.cases import cases
from probes.platform import Context
from probes.platform.values import ServiceView
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe

T = TypeVar("T")

ENTRANCE = Step("the_entrance_can_be_reached", budget=timedelta(seconds=2))
AWS = Step("aws_answers", budget=timedelta(seconds=10))
ROWS = Step("rows_can_be_kept", budget=timedelta(seconds=10))

SPEC = ProbeSpec(
    name="infrastructure",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(minutes=5),
    timeout=timedelta(minutes=2),
    steps=(ENTRANCE, AWS, ROWS),
    cases=cases(
        "INF-01", "INF-02", "INF-03", "INF-04", "INF-09", "INF-10", "INF-16", "INF-17", "INF-18"
    ),
    leans_on=("alb-routing",),
    price=Price.CHEAP,
)  # fmt: skip

METRICS_OVER = timedelta(hours=3)
ROW_TTL = timedelta(minutes=30)


@probe(SPEC)
async def infrastructure(ctx: Context) -> None:
    """What the platform is built on is there: its services, its tables, its metrics and its entrance."""
    ctx.cleanup(ctx.platform.clean_up)

    async with ctx.step(ENTRANCE):
        await entrance_is_reached(ctx)
        addresses_have_their_form(ctx)

    async with ctx.step(AWS):
        await aws_answers(ctx)

    async with ctx.step(ROWS):
        await queue_rows_are_kept(ctx)
        await thread_rows_are_kept(ctx)


async def entrance_is_reached(ctx: Context) -> None:
    """INF-09: the load balancer's health path is answered, by whomever."""
    with ctx.check("INF-09") as check:
        reply = await ctx.platform.alb.get("/health", operation="health")
        check.saw(**reply.evidence())
        reply.expect("the load balancer", 200, 404, 502, 503)


def addresses_have_their_form(ctx: Context) -> None:
    """INF-10: the addresses that were set are of the agreed form; a stand-in on this machine needs no TLS."""
    settings = ctx.platform.settings
    with ctx.check("INF-10") as check:
        check.saw(alb=settings.alb, hermes=settings.hermes, api=settings.api)
        expect.true(
            f"HERMES_ENDPOINT {settings.hermes}", settings.hermes.endswith("/hermes"), wanted="…/hermes"
        )
        expect.true(f"API_ENDPOINT {settings.api}", settings.api.endswith("/api"), wanted="…/api")
        plain = urlsplit(settings.alb).scheme != "https"
        if plain and settings.aws_endpoint_url is None:
            check.degrade(f"ALB_ENDPOINT {settings.alb}: wanted https, which its port 80 only redirects to")


async def aws_answers(ctx: Context) -> None:
    """INF-01 to INF-04, and INF-16: each is one small call, and none of them may take long.

    The sessions table is asked for one key that nobody has: whether it can be read takes no scan of it.
    """
    web = ctx.platform
    took: dict[str, timedelta] = {}

    async def timed(name: str, ask: Callable[[], Awaitable[T]]) -> T:
        asked = ctx.instant()
        value = await ask()
        took[name] = timedelta(seconds=ctx.instant() - asked)
        return value

    for case, what, ask in (
        ("INF-01", "the edit service", web.tasks.edit_service),
        ("INF-02", "Hermes' service", web.tasks.hermes_service),
    ):
        with ctx.check(case) as check:
            service = await timed(f"DescribeServices ({what})", ask)
            check.saw(**_told(service))
            expect.equal(f"state of {what}, {service.name}", service.status, "ACTIVE")
    with ctx.check("INF-03"):
        stranger = f"{web.client_id}-never-made"
        found = await timed("Query (sessions)", lambda: web.tables.session(stranger))
        expect.true("row of a session that nobody made", found is None, wanted="none")
    with ctx.check("INF-04") as check:
        counts = await timed("GetMetricStatistics", lambda: web.metrics.active_sessions(METRICS_OVER))
        check.saw(newest=counts[-3:], points=len(counts))
        expect.at_least("active sessions, as the platform's metric tells them", min(counts, default=0.0), 0)
    with ctx.check("INF-16") as check:
        check.saw(**took)
        expect.at_least("AWS calls that were answered", len(took), 1)
        slowest = max(took, key=lambda name: took[name])
        expect.within(f"the slowest AWS call, {slowest}", took[slowest], web.settings.target_aws)


async def queue_rows_are_kept(ctx: Context) -> None:
    """INF-17: a row of the queue-tracking table is written, read and deleted by its full key."""
    web = ctx.platform
    if not ctx.allowed("INF-17"):
        return
    container = f"{web.client_id}-row"
    with ctx.check("INF-17"):
        urls = {"inputQueueUrl": "none", "outputQueueUrl": "none", "dlqQueueUrl": "none"}
        await web.tables.put_tracking(container, urls, ttl=_soon(ctx))
        await _round_trip(
            ctx,
            f"queue-tracking row of {container}",
            look=lambda: web.tables.has_tracking(container),
            delete=lambda: web.tables.delete_tracking(container),
        )


async def thread_rows_are_kept(ctx: Context) -> None:
    """INF-18: a row of the thread-mappings table is written, read and deleted."""
    web = ctx.platform
    if not ctx.allowed("INF-18"):
        return
    thread = f"row-{ctx.tag}"
    with ctx.check("INF-18"):
        await web.tables.put_mapping(
            thread,
            session_id=f"{web.client_id}-row",
            container_id=f"{web.client_id}-row",
            ttl=_soon(ctx),
        )

        async def is_there() -> bool:
            return await web.tables.mapping_marks(thread) is not None

        await _round_trip(
            ctx,
            f"thread mapping {thread}",
            look=is_there,
            delete=lambda: web.tables.delete_mapping(thread),
        )


async def _round_trip(
    ctx: Context, what: str, *, look: Callable[[], Awaitable[bool]], delete: Callable[[], Awaitable[object]]
) -> None:
    """A row that was just written is there, and once deleted is not."""
    expect.true(f"{what}, just written", await look(), wanted="the row")
    await delete()
    expect.true(f"{what}, just deleted", not await look(), wanted="no row")


def _soon(ctx: Context) -> int:
    """A row's end (epoch seconds), should everything that removes it fail."""
    return int((ctx.now() + ROW_TTL).timestamp())


def _told(service: ServiceView) -> dict[str, object]:
    return {"running": service.running, "desired": service.desired, "pending": service.pending}
