"""Incidents: what is wrong, and what was."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from api.models.incidents import IncidentDetailOut, IncidentsOut
from api.paging import link_to_next
from api.parameters import FromReads, IncidentsQuery
from api.problems import responses

router = APIRouter(prefix="/incidents", tags=["incidents"])

IncidentId = Annotated[
    UUID, Path(description="The incident's id.", examples=["7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77"])
]


@router.get("", summary="The incidents", responses=responses(404, 422, 503))
async def read_incidents(
    query: Annotated[IncidentsQuery, Query()], reads: FromReads, request: Request, response: Response
) -> IncidentsOut:
    """Newest first, in pages. Follow `next` (also in the `Link` header) until it is null."""
    page = await reads.incidents.page(
        limit=query.limit, cursor=query.cursor, is_open=query.open, probe=query.probe, rule=query.rule
    )
    path = request.app.url_path_for("read_incidents")
    return IncidentsOut.of(page, link_to_next(request, response, path, page.next))


@router.get("/{incident_id}", summary="One incident", responses=responses(404, 422, 503))
async def read_incident(incident_id: IncidentId, reads: FromReads) -> IncidentDetailOut:
    """What it is, what happened to it, who was told, and which others it explains."""
    return IncidentDetailOut.of(await reads.incidents.one(incident_id))
