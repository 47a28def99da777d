"""The ledger, as the API tells it."""

from typing import Self
from uuid import UUID

from pydantic import Field

from api.models.base import Answer, Moment
from synthetics.model.resource import Resource, ResourceState
from synthetics.queries.resources import ResourcePage


class OpenResourceOut(Answer):
    """A thing that a run made on the platform, and that is not known to be gone."""

    kind: str = Field(examples=["session"])
    name: str
    state: ResourceState = Field(
        description="`intended`: it was about to be made, and may or may not be there."
    )
    probe: str
    run_id: UUID = Field(description="The run that made it.")
    intended_at: Moment = Field(description="When the run was about to make it.")
    attempts: int = Field(description="How often its removal failed.")
    last_error: str | None = Field(description="Why, the last time.")

    @classmethod
    def of(cls, entry: Resource) -> Self:
        return cls(
            kind=entry.kind,
            name=entry.name,
            state=entry.state,
            probe=entry.probe,
            run_id=entry.run_id,
            intended_at=entry.intended,
            attempts=entry.attempts,
            last_error=entry.last_error,
        )


class ResourcesOut(Answer):
    """A page of the ledger."""

    resources: list[OpenResourceOut]
    next: str | None = Field(description="Where the following page is; null on the last one.")

    @classmethod
    def of(cls, page: ResourcePage, following: str | None) -> Self:
        return cls(resources=[OpenResourceOut.of(one) for one in page.resources], next=following)
