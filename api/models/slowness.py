"""What is usual for each timing, and which of them are slower than that."""

from typing import Literal, Self

from pydantic import ConfigDict, Field

from api.models.base import Answer, Moment, optional_seconds
from synthetics.queries.slowness import Pace
from synthetics.regression.detector import Kind


class PaceOut(Answer):
    """One timing of one probe, by path and location."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "probe": "cold-start",
                    "location": "default",
                    "timing": "cold_start",
                    "path": "",
                    "state": "slower",
                    "usual_seconds": 41.2,
                    "ways": ["level"],
                    "judged": "2026-03-10T12:00:00Z",
                }
            ]
        }
    )

    probe: str
    location: str
    timing: str
    path: str
    state: Literal["learning", "usual", "slower"]
    usual_seconds: float | None = Field(description="The middle of its current level; null while learning.")
    ways: list[Kind] = Field(
        description="In which it is slower: its middle, its share of slow runs, or its spread."
    )
    judged: Moment = Field(description="The tick of the newest value that was judged.")

    @classmethod
    def of(cls, pace: Pace) -> Self:
        state: Literal["learning", "usual", "slower"] = "slower" if pace.slower else "usual"
        return cls(
            probe=pace.probe,
            location=pace.location,
            timing=pace.timing,
            path=pace.path,
            state="learning" if pace.usual is None else state,
            usual_seconds=optional_seconds(pace.usual),
            ways=[Kind(way) for way in pace.slower],
            judged=pace.judged,
        )


class PacesOut(Answer):
    """Every timing that is judged for slowness."""

    timings: list[PaceOut]
