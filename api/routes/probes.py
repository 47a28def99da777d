"""The probes: what they promise, how they stand, their runs."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Query, Request, Response

from api.access import Actor
from api.models.probes import (
    MOST_RECENT,
    CoverageOut,
    ProbeDetailOut,
    ProbeOut,
    ProbesOut,
    ProbeStatusOut,
)
from api.models.runs import RunAskedOut, RunIn, RunsOut
from api.paging import link_to_next
from api.parameters import FromReads, ProbeName, RunsQuery
from api.problems import responses

router = APIRouter(prefix="/probes", tags=["probes"])
acting = APIRouter(prefix="/probes", tags=["probes"])


@router.get("", summary="Every probe of today's catalogue", responses=responses(503))
async def read_probes(reads: FromReads) -> ProbesOut:
    """What each probe promises, how often it runs, its steps, cases and timings."""
    return ProbesOut(probes=[ProbeOut.of(probe) for probe in await reads.catalogue.probes()])


@router.get("/{name}", summary="One probe", responses=responses(404, 422, 503))
async def read_probe(name: ProbeName, reads: FromReads, request: Request) -> ProbeDetailOut:
    """Its declaration, how it stands now, and how complete the history of its last day is."""
    probe = await reads.catalogue.probe(name)
    until = request.app.state.clock.now() - probe.timeout
    return ProbeDetailOut(
        probe=ProbeOut.of(probe),
        status=ProbeStatusOut.of(await reads.status.probe(probe.name, recent=MOST_RECENT)),
        coverage=CoverageOut.of(
            await reads.coverage.probe(probe.name, since=until - timedelta(days=1), until=until)
        ),
    )


@router.get("/{name}/runs", summary="The runs of a probe", responses=responses(404, 422, 503))
async def read_runs(
    name: ProbeName,
    query: Annotated[RunsQuery, Query()],
    reads: FromReads,
    request: Request,
    response: Response,
) -> RunsOut:
    """Newest tick first, in pages. Follow `next` (also in the `Link` header) until it is null.

    Runs that arrive meanwhile shift nothing: no run is shown twice, and none is left out.
    """
    page = await reads.history.runs(
        name, limit=query.limit, cursor=query.cursor, outcomes=query.outcome, location=query.location
    )
    # The path with the probe's own name: what was typed need not be fit for a header.
    path = request.app.url_path_for("read_runs", name=quote(page.runs[0].probe if page.runs else name))
    return RunsOut.of(page, link_to_next(request, response, path, page.next))


@acting.post(
    "/{name}/runs",
    status_code=202,
    summary="Have it run now",
    responses=responses(401, 403, 404, 409, 413, 422, 429, 503),
)
async def ask_for_run(
    name: ProbeName, asked: Annotated[RunIn, Body()], actor: Actor, request: Request, response: Response
) -> RunAskedOut:
    """Once, beside its schedule, within seconds if a worker has a slot. `Location` leads to the run.

    The run is there at once, in flight; where no worker takes it within five minutes, it ends as interrupted.
    A probe that runs there already is not run twice (409). No run by hand is confirmed, or stopped by a budget.
    """
    key = await request.app.state.acts.ask_for_run(name, by=actor.name, location=asked.location)
    response.headers["Location"] = str(request.app.url_path_for("read_run", run_id=str(key.id)))
    return RunAskedOut(id=key.id, probe=key.probe, location=key.location, tick=key.tick)
