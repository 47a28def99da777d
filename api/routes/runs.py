"""One run in full."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from api.models.runs import RunDetailOut
from api.parameters import FromReads
from api.problems import responses

router = APIRouter(prefix="/runs", tags=["runs"])

RunId = Annotated[UUID, Path(description="The run's id.", examples=["0d4e6f5e-9f0a-5c1e-8a55-0a7b1c2d3e4f"])]


@router.get("/{run_id}", summary="One run", responses=responses(404, 422, 503))
async def read_run(run_id: RunId, reads: FromReads) -> RunDetailOut:
    """Its steps, checks with evidence, timings with phases, and what it made on the platform."""
    return RunDetailOut.of(await reads.history.run(run_id))
