"""Times of maintenance."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.models.base import Answer, Moment, seconds
from synthetics.alerting.acting import Wanted
from synthetics.model.maintenance import LONGEST, Maintenance, Weekday

_MOST_PROBES = 200


class WeeklyOut(Answer):
    """On these days at this time of this zone."""

    days: list[Weekday]
    at: str = Field(description="HH:MM of the zone's clock.", examples=["03:00"])
    zone: str = Field(examples=["Europe/Berlin"])


class MaintenanceOut(Answer):
    """A declared time of maintenance, once or every week."""

    id: UUID
    reason: str
    probes: list[str] = Field(description="Whom it concerns; empty: all.")
    starts_at: Moment
    lasts_seconds: float
    weekly: WeeklyOut | None = Field(description="Null: once, at `starts_at`.")
    over_at: Moment | None = Field(description="Nothing of it comes after this; null: it goes on for ever.")
    created_by: str

    @classmethod
    def of(cls, window: Maintenance) -> Self:
        weekly = window.weekly
        return cls(
            id=window.id,
            reason=window.reason,
            probes=list(window.probes),
            starts_at=window.starts_at,
            lasts_seconds=seconds(window.lasts),
            weekly=weekly and WeeklyOut(days=list(weekly.days), at=f"{weekly.at:%H:%M}", zone=weekly.zone),
            over_at=window.over_at,
            created_by=window.created_by,
        )


class MaintenancesOut(Answer):
    """Those that go on, and those to come, in the order in which they begin."""

    maintenance: list[MaintenanceOut]


class MaintenanceIn(BaseModel):
    """A time of maintenance; where `days` are named, every week on those."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"reason": "new load balancer", "lasts_seconds": 5400}]},
    )

    reason: str = Field(min_length=1, max_length=2_000, description="Shown with every run that is left out.")
    lasts_seconds: float = Field(gt=0, le=LONGEST.total_seconds(), allow_inf_nan=False)
    starts_at: AwareDatetime | None = Field(None, description="With its zone. Null: now.")
    probes: list[str] = Field([], max_length=_MOST_PROBES, description="Whom it concerns; empty: all.")
    days: list[Weekday] = Field([], max_length=7, description="Every week on these days.")
    at: str = Field("", max_length=5, description="HH:MM, when it begins on those days.", examples=["03:00"])
    zone: str = Field("UTC", max_length=100, description="The time zone of that.", examples=["Europe/Berlin"])

    def wanted(self, by: str) -> Wanted:
        """As the service declares it."""
        return Wanted(
            reason=self.reason,
            lasts=timedelta(seconds=self.lasts_seconds),
            starts_at=self.starts_at,
            probes=tuple(self.probes),
            days=tuple(self.days),
            at=self.at,
            zone=self.zone,
            by=by,
        )
