"""What machines ask: is the process alive, can it work, what has it counted."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from api.access import may_read
from api.problems import responses

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field("alive", examples=["alive"])
    role: str = Field(description="What this process does: `worker`, `api` or `all`.", examples=["all"])
    version: str


class Ready(BaseModel):
    """Whether the process can do its work now."""

    ready: bool
    reasons: list[str] = Field(description="What stands in the way, one sentence each.", examples=[[]])


@router.get("/healthz", summary="Whether the process is alive")
async def read_health(request: Request) -> Health:
    """Answers as long as the process does, whatever the database is doing: a reason to restart if it fails."""
    return Health(role=request.app.state.role, version=request.app.version)


@router.get(
    "/readyz",
    summary="Whether the process can do its work",
    response_model=Ready,
    responses={503: {"description": "Not now; the reasons are told.", "model": Ready}},
)
async def read_readiness(request: Request) -> Response:
    """200 if the database answers and its schema is right, 503 with the reasons otherwise."""
    reasons = list(await request.app.state.readiness())
    ready = Ready(ready=not reasons, reasons=reasons)
    return JSONResponse(ready.model_dump(), 200 if ready.ready else 503)


@router.get(
    "/metrics",
    summary="What the process has counted",
    response_class=Response,
    dependencies=[Depends(may_read)],
    responses={
        200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}},
        **responses(401, 403, 503),
    },
)
async def read_metrics(request: Request) -> Response:
    """Prometheus text, or OpenMetrics with exemplars where the scraper accepts it."""
    body, content_type = await request.app.state.exporter.scrape(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
