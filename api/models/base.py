"""What all answers have in common."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[datetime, Field(examples=["2026-11-20T14:05:12.250000Z"])]


class Answer(BaseModel):
    """A part of an answer; unknown fields may be added to it later, known ones stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def seconds(took: timedelta) -> float:
    """A duration as the API tells it: seconds, to the microsecond."""
    return round(took.total_seconds(), 6)


def optional_seconds(took: timedelta | None) -> float | None:
    return None if took is None else seconds(took)
