"""The session router (contract §2.7, §12.6): from a chat's link to its container, which it wakes on the way."""

from datetime import timedelta

from probes import sleepers
from probes.cases import cases
from probes.diagnosis import why_not_ready
from probes.looks import RouterLooks, is_the_waking_page
from probes.platform import Context, pages
from probes.platform.dialects import RoutingDialect
from probes.platform.values import Reply
from probes.sleepers import Sleeper
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.errors import TimedOut, Unexpected

STRANGERS = Step("a_strangers_link_says_so", budget=timedelta(seconds=10))
WAKE = Step("a_link_wakes_its_container", budget=timedelta(seconds=60))
PASSED_ON = Step("requests_are_passed_on", budget=timedelta(seconds=10))
UNREACHABLE = Step("a_container_out_of_reach_is_told_of", budget=timedelta(seconds=20))

SPEC = ProbeSpec(
    name="wake-router",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=6),
    steps=(STRANGERS, WAKE, PASSED_ON, UNREACHABLE),
    cases=cases(*(f"LR-{n:02}" for n in range(1, 6))),
    shares=frozenset({"edit-service"}),
    leans_on=("session-resumption",),
    price=Price.FAIR,
)

NEEDS_ROUTER = "the router answers only in the lambda dialect (ROUTING_DIALECT)"
NEEDS_ROWS = "the router finds a chat by its rows, and writing them needs an isolated platform"
#: Ways to write one chat's address: bare, with a slash, with a page below it, with a query.
BELOW = ("", "/", "/about/us", "/about?draft=1")
#: An address of the router's own machine (RFC 1122) where no container can be.
NOWHERE = "127.255.255.254"


@probe(SPEC)
async def wake_router(ctx: Context) -> None:
    """Whoever opens a chat's link is led to that chat's container, and it is woken for them if it sleeps."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    if web.settings.routing_dialect is not RoutingDialect.LAMBDA:
        for case in ctx.spec.cases:
            ctx.skip(case.id, NEEDS_ROUTER)
        return

    async with ctx.step(STRANGERS):
        await address_is_read(ctx)
        await stranger_is_told_so(ctx)

    if not web.settings.isolated:
        for name in ("LR-02", "LR-03", "LR-05"):
            ctx.skip(name, NEEDS_ROWS)
        return

    async with ctx.step(WAKE):
        sleeper = await sleepers.fall_asleep(ctx)
        page = await container_is_found(ctx, sleeper)
        await waking_is_said(ctx, page, sleeper)
        await container_is_woken(ctx, sleeper)

    async with ctx.step(PASSED_ON):
        await requests_are_passed_on(ctx, sleeper)

    async with ctx.step(UNREACHABLE):
        await unreachable_is_said(ctx, sleeper)


async def address_is_read(ctx: Context) -> None:
    """LR-01: however the address is written, the chat is read out of its path and the customer of its host."""
    web = ctx.platform
    wrong: list[str] = []
    with ctx.check("LR-01") as check:
        for client in (web.client_id, web.hermes.client("second")):
            for below in BELOW:
                thread = f"unread-{ctx.tag}"
                page = await web.alb.router(client, thread, below)
                page.expect("preview of an unknown thread")
                missing = [name for name in (thread, client) if name not in page.text]
                wrong += [f"{page.request}: {page.told()}, without {name}" for name in missing]
        check.saw(addresses=2 * len(BELOW))
        expect.empty("addresses whose chat or customer the router did not tell", wrong)


async def stranger_is_told_so(ctx: Context) -> None:
    """LR-04: a page, and no bare error, for a chat that nobody knows."""
    web = ctx.platform
    with ctx.check("LR-04") as check:
        page = await web.alb.router(web.client_id, f"unknown-{ctx.tag}")
        check.saw(**page.evidence())
        page.expect("preview of an unknown thread", 404)
        _is_a_page(page, "Edit Session Not Found")


async def container_is_found(ctx: Context, sleeper: Sleeper) -> Reply:
    """LR-02: with mapping and container's row there, the chat is not unknown. Returns the first page."""
    web = ctx.platform
    with ctx.check("LR-02", essential=True) as check:
        page = await web.alb.router(web.client_id, sleeper.thread)
        check.saw(**page.evidence())
        page.expect("preview of a sleeping chat")
        if page.status == 404:
            raise Unexpected(
                f"unexpected: preview of a sleeping chat: wanted its container to be found, got {page.told()} "
                f"(the mapping of {sleeper.thread} names {sleeper.container_id}, and both rows are there)"
            )
    return page


async def waking_is_said(ctx: Context, page: Reply, sleeper: Sleeper) -> None:
    """LR-04: while the container wakes, the page says so."""
    with ctx.check("LR-04"):
        is_the_waking_page(ctx, page, sleeper.thread)


async def container_is_woken(ctx: Context, sleeper: Sleeper) -> None:
    """LR-03: that look was enough: the container comes up, and the link shows its site."""
    web = ctx.platform
    with ctx.check("LR-03", essential=True) as check:
        looks = RouterLooks(ctx, sleeper.container_id, lambda: web.alb.router(web.client_id, sleeper.thread))
        try:
            await ctx.eventually(
                looks.look,
                until=pages.is_the_site,
                within=2 * web.settings.target_wake,
                what="the site behind the link of a chat that a look has woken",
            )
        except TimedOut as error:
            cause, evidence = await why_not_ready(ctx, sleeper.row)
            raise TimedOut(f"{error}; {cause}", **{**error.evidence, **evidence}) from error
        check.saw(tasks=[str(task) for task in await web.tasks.own()])


async def requests_are_passed_on(ctx: Context, sleeper: Sleeper) -> None:
    """LR-05: path, query, method, headers and body reach the container, as far as its answers show them.

    What only shows on paths that some containers do not have (contract §2.6) is merely tolerated to be missing.
    """
    web = ctx.platform
    with ctx.check("LR-05") as check:
        page = await web.alb.router(web.client_id, sleeper.thread, "/?draft=1")
        expect.true("page with a query", pages.is_the_site(page), wanted="the site's page")
        head = await web.alb.router(web.client_id, sleeper.thread, method="HEAD")
        head.expect("HEAD of the site's page", 200)
        name = f"named-{ctx.tag}"
        named = await web.alb.router(web.client_id, sleeper.thread, f"/api/session/{name}")
        files = await web.alb.router(
            web.client_id, sleeper.thread, "/api/files", headers={"X-Session-ID": sleeper.session_id}
        )
        # Without its other members a container that carries out instructions here refuses this one (§2.6).
        posted = await web.alb.router(
            web.client_id, sleeper.thread, "/api/execute", method="POST", json={"instruction": "Do nothing"}
        )
        check.saw(named=named.told(), files=files.told(), posted=posted.told())
        for what, reply in (("the path", named), ("the session's header", files), ("method and body", posted)):
            reply.expect(f"a request that shows {what}")
            if reply.status in (404, 405, 501):
                check.degrade(f"{what} could not be followed to the container: {reply.told()}")
        if named.ok:
            expect.equal(
                "session named in the path, as the container read it", named.json().get("sessionId"), name
            )
        if posted.status == 400 and "instruction" in posted.text:
            raise Unexpected(f"unexpected: POST /api/execute: wanted its body passed on, got {posted.told()}")
        for what, reply in (("/api/files with a session's header", files), ("POST /api/execute", posted)):
            expect.at_most(f"status of {what}", reply.status, 499)


async def unreachable_is_said(ctx: Context, sleeper: Sleeper) -> None:
    """LR-04: a container that should be there and does not answer is told of in so many words.

    A platform that asks ECS where the container is, or wakes it again, never comes into that plight.
    """
    web = ctx.platform
    healed = {200, 404, 503, 504, *web.settings.starting_page_status}
    with ctx.check("LR-04") as check:
        await web.tables.update_container(sleeper.container_id, status="running", containerIp=NOWHERE)
        page = await web.alb.router(web.client_id, sleeper.thread)
        check.saw(**page.evidence())
        page.expect("preview of a container out of reach")
        check.one_of("status for a container out of reach", page.status, wanted={502}, tolerated=healed)
        if page.status == 502:
            _is_a_page(page, "Container unreachable")


def _is_a_page(page: Reply, words: str) -> None:
    """Something for people to read, with these words. Raises Unexpected."""
    what = f"page with status {page.status}"
    expect.true(what, pages.says_html(page), wanted="HTML")
    expect.contains(what, page.text, words)
