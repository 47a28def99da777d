"""What the monitor itself costs."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.models.costs import CostsOut
from api.parameters import CostsQuery, FromReads
from api.problems import responses

router = APIRouter(prefix="/costs", tags=["costs"])


@router.get("", summary="What runs cost, day by day", responses=responses(422, 503))
async def read_costs(query: Annotated[CostsQuery, Query()], reads: FromReads) -> CostsOut:
    """Requests to AWS and the time of the tasks that runs started, by list prices: an estimate, not a bill."""
    return CostsOut.of(await reads.costs.days(query.days))
