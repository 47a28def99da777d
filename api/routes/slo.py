"""Error budgets."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.models.slo import BudgetsOut
from api.parameters import FromReads, TimingsQuery
from api.problems import responses

router = APIRouter(prefix="/slo", tags=["timings"])


@router.get("", summary="Objectives and what is left of their budgets", responses=responses(404, 422, 503))
async def read_budgets(query: Annotated[TimingsQuery, Query()], reads: FromReads) -> BudgetsOut:
    """For every timing: how many runs were over its target, what is left of that, and how fast it goes."""
    return BudgetsOut.of(await reads.budgets.all(query.probe))
