"""What became slower."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.models.slowness import PaceOut, PacesOut
from api.parameters import FromReads, RegressionsQuery
from api.problems import responses

router = APIRouter(prefix="/regressions", tags=["timings"])


@router.get("", summary="What is usual, and what is slower", responses=responses(404, 422, 503))
async def read_regressions(query: Annotated[RegressionsQuery, Query()], reads: FromReads) -> PacesOut:
    """Every timing by probe, path and location. Since when and in which phase: the open incident tells."""
    paces = await reads.slowness.paces(query.probe)
    return PacesOut(timings=[PaceOut.of(pace) for pace in paces if pace.slower or not query.slower])
