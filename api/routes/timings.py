"""How long things take."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.models.timings import LatestTimingOut, LatestTimingsOut, TimingHistoryOut
from api.parameters import FromReads, FromSpan, TimingName, TimingsQuery
from api.problems import responses

router = APIRouter(prefix="/timings", tags=["timings"])


@router.get("", summary="The newest value of every timing", responses=responses(404, 422, 503))
async def read_timings(query: Annotated[TimingsQuery, Query()], reads: FromReads) -> LatestTimingsOut:
    """One value for each probe, timing, path and location, with its phases and the run it comes from."""
    latest = await reads.timings.latest(query.probe)
    return LatestTimingsOut(timings=[LatestTimingOut.of(value) for value in latest])


@router.get("/{name}", summary="A timing over a span", responses=responses(404, 422, 503))
async def read_timing(name: TimingName, asked: FromSpan, reads: FromReads) -> TimingHistoryOut:
    """Count and quantiles in equal slices, over the whole, and the median of each phase.

    Of spans up to eight days they are exact; of longer ones, in whole hours, quantiles are within 1 %.

    Slices begin on the clock (a 5-minute slice at :00, :05, …), so the first one may begin before `since`.
    Only runs that speak about the platform (passed or failed) are counted.
    """
    return TimingHistoryOut.of(
        await reads.timings.history(name, asked.span, probe=asked.probe, path=asked.path)
    )
