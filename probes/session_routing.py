"""Routing to sessions (contract §12.4): each page, header and socket reaches the session that it names."""

import asyncio
import json
from datetime import timedelta

from probes import chats
from probes.cases import cases
from probes.chats import Chat
from probes.platform import Context, pages
from probes.platform.dialects import RoutingDialect
from probes.platform.values import Reply
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.errors import TimedOut

OPEN = Step("two_customers_open_sessions", budget=timedelta(seconds=90))
PAGES = Step("a_session_is_reached_by_its_address", budget=timedelta(seconds=30))
HEADER = Step("a_session_is_reached_by_its_header", budget=timedelta(seconds=10))
RELOAD = Step("a_live_reload_connection_opens", budget=timedelta(seconds=10))
TURNS = Step("both_sessions_are_asked_in_turn", budget=timedelta(seconds=20))

SPEC = ProbeSpec(
    name="session-routing",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=6),
    steps=(OPEN, PAGES, TURNS, HEADER, RELOAD),
    cases=cases("AR-04", "AR-05", "AR-06", "AR-07"),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)

EACH = 5
NO_RULE = "in the lambda dialect no rule of the load balancer leads to the containers' {what} (contract §2.2)"


@probe(SPEC)
async def session_routing(ctx: Context) -> None:
    """Two customers who work at the same time each reach their own session, and never the other's."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    through_router = web.settings.routing_dialect is RoutingDialect.LAMBDA
    if through_router and not web.settings.isolated:
        for case in ctx.spec.cases:
            ctx.skip(
                case.id, "the router finds a session by a mapping, and writing one needs an isolated platform"
            )
        return

    async with ctx.step(OPEN):
        both = await two_sessions(ctx)

    async with ctx.step(PAGES):
        for chat in both:
            await page_is_reached(ctx, chat)

    async with ctx.step(TURNS):
        await each_is_answered_for_itself(ctx, both)

    async with ctx.step(HEADER):
        if through_router:
            ctx.skip("AR-05", NO_RULE.format(what="API"))
        else:
            await header_is_followed(ctx, both)

    async with ctx.step(RELOAD):
        if through_router:
            ctx.skip("AR-06", NO_RULE.format(what="sockets"))
        else:
            await live_reload_opens(ctx, both[0])


async def two_sessions(ctx: Context) -> tuple[Chat, Chat]:
    """Sessions of two customers, both ready: nobody may ever be shown the other's."""

    async def opened(client: str) -> Chat:
        chat = await chats.open_chat(ctx, "Add a page about us", client=client, thread=client)
        await chats.until_ready(ctx, chat.row)
        if ctx.platform.settings.isolated:
            await chats.map_thread(ctx, chat)  # so that it does not go to sleep while the other is looked at
        return chat

    left, right = await asyncio.gather(opened("left"), opened("right"))
    return left, right


async def page_is_reached(ctx: Context, chat: Chat) -> None:
    """AR-04: the session's page and what lies below it; before the site is built, 302 and 404 are tolerated."""
    with ctx.check("AR-04") as check:
        try:
            page = await ctx.eventually(
                lambda: _below(ctx, chat, ""),
                until=pages.is_the_site,
                within=ctx.platform.settings.container_ready_timeout,
                what=f"page of session {chat.session_id}",
            )
        except TimedOut as error:
            page = await _below(ctx, chat, "")
            if page.status not in (302, 404):
                raise
            check.degrade(f"{error}")
        check.saw(**page.evidence())
        for path in ("/health", "/api/status"):
            reply = await _below(ctx, chat, path)
            reply.expect(f"{path} below a session")
            check.saw(**{path: reply.told()})
            check.one_of(f"status of {path} below a session", reply.status, wanted={200}, tolerated={302, 404})


async def header_is_followed(ctx: Context, both: tuple[Chat, Chat]) -> None:
    """AR-05: a request under /api is answered by the container of the session that its header names."""
    with ctx.check("AR-05") as check:
        for chat in both:
            reply = await ctx.platform.alb.api("/files", chat.session_id)
            reply.expect("/api/files for a session")
            check.saw(**{chat.asked.client_id: reply.told()})
            check.one_of("status of /api/files", reply.status, wanted={200}, tolerated={404, 502, 503})
        for chat in both:
            reply = await ctx.platform.alb.api(f"/session/{chat.session_id}", chat.session_id)
            expect.one_of(
                "customer whose container answered to the session header",
                _client(reply),
                (None, chat.asked.client_id),
            )


async def live_reload_opens(ctx: Context, chat: Chat) -> None:
    """AR-06: a live-reload socket opens; that there is none is worth knowing, and nothing worse."""
    web = ctx.platform
    limit = web.settings.websocket_timeout
    with ctx.check("AR-06") as check:
        path = f"/ws/hmr?sessionId={chat.session_id}"
        asked = ctx.instant()
        answer = await web.alb.upgrade(None, path)
        check.saw(status=answer.status, body=answer.body, failure=answer.failure)
        if (answer.failure or "").startswith("timeout"):
            expect.within("answer to a live-reload handshake", timedelta(seconds=ctx.instant() - asked), limit)
        if not await web.alb.websocket_opens(path):
            told = f"{answer.status}" if answer.status else answer.failure
            check.degrade(f"live reload: wanted an open socket, its handshake got {told}")


async def each_is_answered_for_itself(ctx: Context, both: tuple[Chat, Chat]) -> None:
    """AR-07: asked in turn, both sessions are answered every time, and each for its own customer."""
    with ctx.check("AR-07") as check:
        answered = {chat.asked.client_id: 0 for chat in both}
        wrong: list[str] = []
        for chat in both * EACH:
            own = chat.asked.client_id
            reply = await ctx.platform.alb.ready(chat.row)
            if not ctx.platform.alb.means_ready(reply):
                wrong.append(f"{own}: {reply.told()}")
                continue
            answered[own] += 1
            wrong += [f"health of {own}: the container of {shown}" for shown in _foreign(reply, chat, both)]
        for chat in both:
            page = await _below(ctx, chat, "")
            wrong += [
                f"page of {chat.asked.client_id}: the site of {shown}" for shown in _foreign(page, chat, both)
            ]
        check.saw(answered=answered)
        expect.empty("requests in turn that were not answered for their own session", sorted(set(wrong)))


def _foreign(reply: Reply, chat: Chat, both: tuple[Chat, Chat]) -> list[str]:
    """The other customers whom an answer speaks of: their ids are in nobody else's site."""
    others = (other.asked.client_id for other in both if other is not chat)
    return [client for client in others if client in reply.text]


def _client(reply: Reply) -> str | None:
    """The customer that a container's answer names; None if it names none."""
    try:
        told = json.loads(reply.text)
    except ValueError:
        return None
    named = told.get("clientId") if isinstance(told, dict) else None
    return named if isinstance(named, str) else None


async def _below(ctx: Context, chat: Chat, path: str) -> Reply:
    """A page of the session, by the way that the dialect has for it."""
    web = ctx.platform
    if web.settings.routing_dialect is RoutingDialect.LAMBDA:
        return await web.alb.router(chat.asked.client_id, chat.row.need("thread_id"), path or "/")
    return await web.alb.session_page(chat.session_id, path)
