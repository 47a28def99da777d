"""What the monitor costs."""

from datetime import date
from typing import Self

from pydantic import Field

from api.models.base import Answer
from synthetics.queries.values import DayCost


class ProbeCostOut(Answer):
    """What one probe's runs cost."""

    probe: str
    runs: int = Field(description="Runs that started.")
    dollars: float


class DayCostOut(Answer):
    """What the runs of one day cost."""

    day: date = Field(description="UTC.")
    dollars: float
    probes: list[ProbeCostOut] = Field(description="The dearest first.")

    @classmethod
    def of(cls, cost: DayCost) -> Self:
        return cls(
            day=cost.day,
            dollars=cost.dollars,
            probes=[
                ProbeCostOut(probe=probe.probe, runs=probe.runs, dollars=probe.dollars) for probe in cost.probes
            ],
        )


class CostsOut(Answer):
    """What the monitor's own runs cost, in US dollars by list prices."""

    dollars: float = Field(description="Of all these days.")
    days: list[DayCostOut] = Field(description="Today first.")

    @classmethod
    def of(cls, days: tuple[DayCost, ...]) -> Self:
        return cls(dollars=sum(day.dollars for day in days), days=[DayCostOut.of(day) for day in days])
