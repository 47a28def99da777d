"""ALB routing (contract §12.4): what the one public entrance answers, and that paths lead where they should."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from probes.cases import cases
from probes.platform import Context, pages
from probes.platform.dialects import RoutingDialect, TaskCountSource
from probes.platform.values import Reply
from probes.timings import ROUTING
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.errors import PlatformError, Unexpected

ENTRANCE = Step("the_entrance_answers", budget=timedelta(seconds=2))
SWIFT = Step("it_answers_swiftly", budget=timedelta(seconds=8))
STRANGERS = Step("strangers_are_turned_away", budget=timedelta(seconds=5))
BEHIND = Step("paths_lead_where_they_should", budget=timedelta(seconds=5))

SPEC = ProbeSpec(
    name="alb-routing",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=1),
    timeout=timedelta(minutes=1),
    steps=(ENTRANCE, SWIFT, STRANGERS, BEHIND),
    cases=cases("AR-01", "AR-02", "AR-03", "AR-08", "AR-09", "AR-10", "AR-11", "AR-12"),
    timings=(ROUTING,),
    price=Price.CHEAP,
)

#: Sent as they are: a client that tidies paths up would hide what they do (contract §2.7).
MALFORMED = ("/session/", "/session/../../etc/passwd", "/api/%00", "/..")
NO_TARGET = frozenset({502, 503})


@probe(SPEC)
async def alb_routing(ctx: Context) -> None:
    """Whoever calls the platform is let in, swiftly, and led to the part that they asked for."""
    ctx.cleanup(ctx.platform.clean_up)

    async with ctx.step(ENTRANCE):
        await entrance_answers(ctx)

    async with ctx.step(SWIFT):
        await answers_come_swiftly(ctx)

    async with ctx.step(STRANGERS):
        await strangers_are_told_so(ctx)
        await malformed_requests_break_nothing(ctx)

    async with ctx.step(BEHIND):
        await api_paths_are_answered(ctx)
        await api_is_healthy(ctx)
        await hermes_paths_reach_hermes(ctx)
        await hermes_is_healthy(ctx)


async def entrance_answers(ctx: Context) -> None:
    """AR-01: the load balancer answers on its health path; without that, nothing below means anything."""
    reply = await ctx.platform.alb.get("/health", operation="health")
    with ctx.check("AR-01", essential=reply.status == 0) as check:
        check.saw(**reply.evidence())
        reply.expect("the load balancer's health path")
        check.one_of("status of the health path", reply.status, wanted={200}, tolerated={404} | NO_TARGET)


async def answers_come_swiftly(ctx: Context) -> None:
    """AR-10: whatever the answer is, it comes within two seconds on average and never later than five."""
    web = ctx.platform
    unknown = f"test-{int(ctx.now().timestamp() * 1000)}"
    asks: dict[str, Callable[[], Awaitable[Reply]]] = {
        "health": lambda: web.alb.get("/health", method="HEAD", operation="routing"),
        "api": lambda: web.alb.get("/api/status", method="HEAD", operation="routing"),
        "hermes": lambda: web.alb.get("/hermes/status", method="HEAD", operation="routing"),
        "session": lambda: _session(ctx, unknown, method="HEAD"),
    }
    with ctx.check("AR-10") as check:
        took: dict[str, timedelta] = {}
        for path, ask in asks.items():
            asked = ctx.instant()
            reply = await ask()
            reply.expect(f"HEAD by way of {path}")
            took[path] = ctx.measure("routing", since=asked, until=ctx.instant(), path=path).took
        check.saw(**took)
        slowest = max(took, key=lambda path: took[path])
        expect.within(f"the slowest answer ({slowest})", took[slowest], web.settings.target_routing_longest)
        average = sum(took.values(), timedelta(0)) / len(took)
        expect.within("an answer on average", average, web.settings.target_routing_average)


async def strangers_are_told_so(ctx: Context) -> None:
    """AR-08: a session that nobody ever made is not shown to anybody."""
    through_router = ctx.platform.settings.routing_dialect is RoutingDialect.LAMBDA
    with ctx.check("AR-08") as check:
        reply = await _session(ctx, f"never-{ctx.tag}")
        check.saw(**reply.evidence())
        reply.expect("page of a session that nobody made")
        # Behind the containers' own target group, no healthy target is an answer to an unknown id as well.
        wanted = {404} if through_router else {404} | NO_TARGET
        check.one_of("status of a session that nobody made", reply.status, wanted=wanted, tolerated=NO_TARGET)


async def malformed_requests_break_nothing(ctx: Context) -> None:
    """AR-09: what nobody should send is turned away or cut off, and the entrance answers as before."""
    web = ctx.platform
    through_router = web.settings.routing_dialect is RoutingDialect.LAMBDA
    host = web.settings.preview_host(web.client_id) if through_router else None
    with ctx.check("AR-09") as check:
        wrong: list[str] = []
        for path in MALFORMED:
            answer = await web.alb.raw(path, host)
            check.saw(**{path: answer.status or answer.failure})
            if answer.refused:
                if (answer.failure or "").startswith("timeout"):
                    wrong.append(f"{path}: left without an answer ({answer.failure})")
            elif pages.is_the_default(answer.body) and answer.status == 200:
                check.degrade(f"{path}: the load balancer's default answer, wanted 400 or 404")
            elif answer.status not in {400, 404} | NO_TARGET:
                wrong.append(f"{path}: {answer.status}")
        expect.empty("malformed requests that were not turned away with 400, 404, 502 or 503", wrong)
        after = await web.alb.get("/health", operation="health")
        after.expect("the load balancer's health path after malformed requests")


async def api_paths_are_answered(ctx: Context) -> None:
    """AR-02: what lies under /api is answered, by a container or by the load balancer in its place."""
    answered = {200, 201, 400, 401, 403, 404} | NO_TARGET
    with ctx.check("AR-02") as check:
        replies = {path: await ctx.platform.alb.api(path) for path in ("/status", "/sessions", "/files")}
        check.saw(**{f"/api{path}": reply.told() for path, reply in replies.items()})
        wrong = [
            f"/api{path}: {reply.told()}" for path, reply in replies.items() if reply.status not in answered
        ]
        if len(wrong) == 1:
            check.degrade(f"one path of three was not answered as agreed: {wrong[0]}")
        elif wrong:
            raise Unexpected(f"unexpected: paths under /api: wanted one of {sorted(answered)}, got {wrong}")


async def api_is_healthy(ctx: Context) -> None:
    """AR-11: the containers' API answers 200 on its health path, while there is a container to answer."""
    web = ctx.platform
    reply = await web.alb.api("/health")
    if reply.status in NO_TARGET and not await _containers_up(ctx):
        ctx.skip("AR-11", f"no edit container was up to answer /api/health ({reply.told()})")
        return
    with ctx.check("AR-11") as check:
        check.saw(**reply.evidence())
        reply.expect("the API's health path")
        # The router's generation has no rule for /api any more: the default answer or 404 (contract §2.5).
        gone = {404} if web.settings.routing_dialect is RoutingDialect.LAMBDA else set[int]()
        check.one_of("status of the API's health path", reply.status, wanted={200}, tolerated=gone)
        if pages.is_the_default(reply.text) and web.settings.routing_dialect is RoutingDialect.PATH:
            check.degrade("/api/health: answered by the load balancer's default, so no rule leads to the API")


async def hermes_paths_reach_hermes(ctx: Context) -> None:
    """AR-03: what lies under /hermes is answered by Hermes, or by the load balancer for want of it."""
    with ctx.check("AR-03") as check:
        reply = await ctx.platform.alb.get("/hermes/status", operation="hermes_path")
        check.saw(**reply.evidence())
        reply.expect("a path under /hermes")
        check.one_of("status of /hermes/status", reply.status, wanted={200, 401, 404}, tolerated=NO_TARGET)
        if pages.is_the_default(reply.text):
            raise Unexpected(
                "unexpected: /hermes/status: wanted an answer of Hermes, got the load balancer's default "
                "answer (no rule leads to Hermes)"
            )


async def hermes_is_healthy(ctx: Context) -> None:
    """AR-12: Hermes answers 200 and says that it is healthy; where it says more, each of its checks is read."""
    with ctx.check("AR-12") as check:
        reply = await ctx.platform.hermes.health()
        check.saw(**reply.evidence())
        if reply.status in NO_TARGET:
            check.saw(service=await _told_of_hermes(ctx))
        reply.expect("Hermes' health", 200)
        if pages.is_the_default(reply.text):
            raise Unexpected(
                "unexpected: Hermes' health: wanted Hermes, got the load balancer's default answer"
            )
        if not reply.text.lstrip().startswith("{"):
            check.degrade("Hermes' health: 200, but no JSON that says `healthy`")
            return
        told = reply.json()
        if told.get("status") != "healthy":
            raise Unexpected(f"unexpected: Hermes' health: wanted 'healthy', got {_ailments(told)}")


def _ailments(told: dict[str, object]) -> str:
    """What Hermes says is wrong with it: its state, and each of its checks that is not well."""
    listed = told.get("checks")
    found = [check for check in listed if isinstance(check, dict)] if isinstance(listed, list) else []
    ill = [f"{check.get('name')}: {check.get('message')}" for check in found if not check.get("healthy")]
    return f"{told.get('status')!r}" + (f" ({'; '.join(ill)})" if ill else "")


async def _session(ctx: Context, name: str, *, method: str = "GET") -> Reply:
    """The page of this session or thread, by the way that the dialect has for it."""
    web = ctx.platform
    if web.settings.routing_dialect is RoutingDialect.LAMBDA:
        return await web.alb.router(web.client_id, name, method=method)
    return await web.alb.get(f"/session/{name}", method=method, operation="session_page")


async def _containers_up(ctx: Context) -> bool:
    """Whether an edit task has run for long enough to answer, in the view that TASK_COUNT_SOURCE names."""
    settings = ctx.platform.settings
    long_ago = ctx.now() - settings.target_health_check
    tasks = await ctx.platform.tasks.edit_tasks()
    if settings.task_count_source is TaskCountSource.SERVICE:
        tasks = [task for task in tasks if task.of_service(settings.edit_service)]
    return any(task.running and task.started_at is not None and task.started_at < long_ago for task in tasks)


async def _told_of_hermes(ctx: Context) -> str:
    """How many tasks Hermes' service has, for those who ask why it did not answer."""
    try:
        service = await ctx.platform.tasks.hermes_service()
    except PlatformError as error:
        return str(error)
    return f"{service.name}: {service.running} of {service.desired} tasks run"
