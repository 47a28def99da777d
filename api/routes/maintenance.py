"""Times of maintenance: what is declared, and declaring it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request, Response

from api.access import Actor
from api.models.maintenance import MaintenanceIn, MaintenanceOut, MaintenancesOut
from api.parameters import FromReads
from api.problems import responses

router = APIRouter(prefix="/maintenance", tags=["maintenance"])
acting = APIRouter(prefix="/maintenance", tags=["maintenance"])

_ERRORS = (401, 403, 413, 422, 429, 503)
MaintenanceId = Annotated[UUID, Path(description="Its id.", examples=["7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77"])]


@router.get("", summary="Declared times of maintenance", responses=responses(422, 503))
async def read_maintenance(reads: FromReads, request: Request) -> MaintenancesOut:
    """Those that go on, and those to come."""
    found = await reads.maintenance.since(request.app.state.clock.now())
    return MaintenancesOut(maintenance=[MaintenanceOut.of(window) for window in found])


@acting.post("", status_code=201, summary="Declare a time of maintenance", responses=responses(*_ERRORS))
async def declare_maintenance(
    asked: Annotated[MaintenanceIn, Body()], actor: Actor, request: Request, response: Response
) -> MaintenanceOut:
    """In it the probes are not run, and nothing opens. It is declared by the token's name."""
    declared = await request.app.state.acts.declare(asked.wanted(actor.name))
    response.headers["Location"] = str(
        request.app.url_path_for("end_maintenance", maintenance_id=str(declared.id))
    )
    return MaintenanceOut.of(declared)


@acting.delete("/{maintenance_id}", summary="Have it over now", responses=responses(*_ERRORS, 404))
async def end_maintenance(maintenance_id: MaintenanceId, actor: Actor, request: Request) -> MaintenanceOut:
    """And for good, where it comes every week. What is over stays so."""
    del actor  # who may act has been seen to
    return MaintenanceOut.of(await request.app.state.acts.end(maintenance_id))
