"""What people do about incidents; each needs a token with the scope `act`."""

from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import Actor
from api.models.incidents import IncidentOut
from api.problems import responses
from api.routes.incidents import IncidentId

router = APIRouter(prefix="/incidents", tags=["incidents"])

_MOST_CHARACTERS = 2_000
_ERRORS = (401, 403, 404, 413, 422, 429, 503)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AcknowledgementIn(_Asked):
    """Somebody is at it."""

    note: str = Field(
        "", max_length=_MOST_CHARACTERS, description="What is being done.", examples=["rolling back"]
    )
    new_normal: bool = Field(
        False,
        description="Of a timing that became slower: it shall be so, and is what is usual from now on.",
    )


class NoteIn(_Asked):
    """What is to be remembered."""

    text: str = Field(
        min_length=1, max_length=_MOST_CHARACTERS, description="In words.", examples=["the disk was full"]
    )


@router.post(
    "/{incident_id}/acknowledge", summary="Say that somebody is at it", responses=responses(*_ERRORS, 409)
)
async def acknowledge_incident(
    incident_id: IncidentId, asked: Annotated[AcknowledgementIn, Body()], actor: Actor, request: Request
) -> IncidentOut:
    """It is acknowledged by the token's name. Acknowledged before, it stays as it is; a note is kept."""
    acts = request.app.state.acts
    return IncidentOut.of(
        await acts.acknowledge(incident_id, by=actor.name, note=asked.note, new_normal=asked.new_normal)
    )


@router.post(
    "/{incident_id}/notes", status_code=204, summary="Write a note to it", responses=responses(*_ERRORS)
)
async def note_incident(
    incident_id: IncidentId, asked: Annotated[NoteIn, Body()], actor: Actor, request: Request
) -> None:
    """Kept in the incident's history, under the token's name."""
    await request.app.state.acts.note(incident_id, by=actor.name, text=asked.text)
