"""How everything stands."""

from fastapi import APIRouter

from api.models.probes import MOST_RECENT, StatusOut
from api.parameters import FromReads
from api.problems import responses

router = APIRouter(tags=["status"])


@router.get("/status", summary="How everything stands now", responses=responses(503))
async def read_status(reads: FromReads) -> StatusOut:
    """Every probe's state with its newest runs, and the whole in one sentence."""
    return StatusOut.of(await reads.status.overview(recent=MOST_RECENT))
