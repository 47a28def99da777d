"""The pages: how everything stands, a probe, a run, an incident. Plain HTML that needs no script."""

from collections import Counter
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import HTMLResponse

from api.parameters import SPANS, FromReads, PageQuery, ProbeName, ProbePageQuery
from api.rendering import render_page
from api.routes.incidents import IncidentId
from api.routes.runs import RunId
from api.slowness_chart import slowness_chart
from synthetics.alerting.messages import details
from synthetics.model.timing import ZERO
from synthetics.queries import Reads, budgets
from synthetics.queries.slowness import Pace
from synthetics.queries.timings import Span

router = APIRouter(default_response_class=HTMLResponse)

_DAY = timedelta(days=1)
_RUNS_ON_A_PAGE = 25
_INCIDENTS_ON_A_PAGE = 50
_DAYS_OF_COSTS = 30


@router.get("/")
async def status_page(reads: FromReads, request: Request) -> HTMLResponse:
    """Every probe with its newest runs and timings."""
    overview = await reads.status.overview()
    incidents = await reads.incidents.open_ones()
    catalogue = {probe.name: probe for probe in await reads.catalogue.probes()}
    latest = await reads.timings.latest()
    return await render_page(
        request,
        "status.html",
        overview=overview,
        incidents=[one for one in incidents if one.folded_under is None],
        explained=Counter(one.folded_under for one in incidents if one.folded_under is not None),
        catalogue=catalogue,
        latest=latest,
        paces=await _paces(reads),
        longest={
            name: max((value.timing.took for value in latest if value.probe == name), default=ZERO)
            for name in catalogue
        },
    )


async def _paces(reads: Reads) -> dict[tuple[str, str, str], Pace]:
    """What is usual for each timing; of several locations the one where it takes longest."""
    by_usual = sorted(await reads.slowness.paces(), key=lambda pace: pace.usual or ZERO)
    return {(pace.probe, pace.timing, pace.path): pace for pace in by_usual}


@router.get("/incidents")
async def incidents_page(
    reads: FromReads, request: Request, query: Annotated[PageQuery, Query()]
) -> HTMLResponse:
    """Every incident, newest first."""
    page = await reads.incidents.page(limit=_INCIDENTS_ON_A_PAGE, cursor=query.cursor)
    return await render_page(request, "incidents.html", page=page, first_page=query.cursor is None)


@router.get("/incidents/{incident_id}")
async def incident_page(incident_id: IncidentId, reads: FromReads, request: Request) -> HTMLResponse:
    """An incident: what it is, what happened to it, who was told."""
    detail = await reads.incidents.one(incident_id)
    timing = detail.incident.subject.partition("/")[0]
    targets = {
        declared.name: declared.target
        for probe in await reads.catalogue.probes()
        if probe.name == detail.incident.probe
        for declared in probe.timings
    }
    values = await reads.slowness.around(detail.incident)
    return await render_page(
        request,
        "incident.html",
        detail=detail,
        chart=slowness_chart(values, detail.incident, targets.get(timing)),
        incident=detail.incident,
        particulars=details(detail.incident.evidence),
    )


@router.get("/docs")
async def docs_page(request: Request) -> HTMLResponse:
    """What the API can be asked."""
    app: FastAPI = request.app
    return await render_page(request, "docs.html", document=app.openapi(), openapi_url=app.openapi_url)


@router.get("/probes/{name}")
async def probe_page(
    name: ProbeName, reads: FromReads, request: Request, query: Annotated[ProbePageQuery, Query()]
) -> HTMLResponse:
    """A probe: its promise, its timings over a span, its cases over its newest runs, its runs."""
    probe = await reads.catalogue.probe(name)
    now = request.app.state.clock.now()
    due_until = now - probe.timeout
    return await render_page(
        request,
        "probe.html",
        probe=probe,
        status=await reads.status.probe(probe.name),
        coverage=await reads.coverage.probe(probe.name, since=due_until - _DAY, until=due_until),
        histories=[
            await reads.timings.history(timing.name, Span(now - SPANS[query.span], now), probe=probe.name)
            for timing in probe.timings
        ],
        cases=await reads.history.cases(probe.name),
        span=query.span,
        spans=tuple(SPANS),
        page=await reads.history.runs(probe.name, limit=_RUNS_ON_A_PAGE, cursor=query.cursor),
        first_page=query.cursor is None,
    )


@router.get("/costs")
async def costs_page(reads: FromReads, request: Request) -> HTMLResponse:
    """What the monitor itself costs, day by day."""
    days = await reads.costs.days(_DAYS_OF_COSTS)
    highest = max((probe.dollars for day in days for probe in day.probes), default=0.0)
    return await render_page(request, "costs.html", days=days, highest=highest)


@router.get("/slo")
async def budgets_page(reads: FromReads, request: Request) -> HTMLResponse:
    """What is left of the error budgets, and how fast they go."""
    return await render_page(
        request,
        "slo.html",
        budgets=await reads.budgets.all(),
        objective=budgets.OBJECTIVE,
        span=budgets.SPAN,
        windows=budgets.WINDOWS,
    )


@router.get("/runs/{run_id}")
async def run_page(run_id: RunId, reads: FromReads, request: Request) -> HTMLResponse:
    """A run: its steps, checks and timings."""
    detail = await reads.history.run(run_id)
    probe = await reads.catalogue.probe(detail.summary.probe)
    return await render_page(
        request,
        "run.html",
        detail=detail,
        run=detail.summary,
        probe=probe,
        promises={case.id: case.promise for case in probe.cases},
        longest=max((timing.took for timing in detail.timings), default=ZERO),
    )
