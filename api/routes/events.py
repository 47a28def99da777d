"""What happens, as it happens."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.live import Live
from api.models.incidents import IncidentOut
from api.models.runs import RunOut
from api.problems import responses
from synthetics.queries.values import RunSummary

router = APIRouter(tags=["events"])

_CONNECT_AGAIN_MILLISECONDS = 2000


def _live(request: Request) -> Live:
    live = request.app.state.live
    assert isinstance(live, Live)
    if live.is_full:
        detail = "as many listen here as can; ask again, or ask the lists"
        raise HTTPException(503, detail, {"Retry-After": "10"})
    return live


@router.get(
    "/events",
    summary="What happens, as it happens (server-sent events)",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events, for as long as one listens."},
        **responses(503),
    },
)
async def read_events(live: Annotated[Live, Depends(_live)]) -> AsyncIterable[ServerSentEvent]:
    """`run`: a run was claimed, or has ended; its data is the run in one line.

    `incident`: something happened to an incident; its data is the incident in one line.

    There is no replay: after a break, read the lists.
    """
    async with live.listening() as happenings:
        yield ServerSentEvent(comment="listening", retry=_CONNECT_AGAIN_MILLISECONDS)
        async for happening in happenings:
            if isinstance(happening, RunSummary):
                yield ServerSentEvent(event="run", data=RunOut.of(happening))
            else:
                yield ServerSentEvent(event="incident", data=IncidentOut.of(happening.incident))
