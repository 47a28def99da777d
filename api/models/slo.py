"""Error budgets."""

from typing import Self

from pydantic import ConfigDict, Field

from api.models.base import Answer, seconds
from synthetics.queries.budgets import OBJECTIVE, SPAN, Budget, Burn


class BurnOut(Answer):
    """How fast the budget went in one window."""

    window_seconds: float
    runs: int
    over: int = Field(description="How many of them took their target or longer.")
    burn_rate: float | None = Field(
        description="How many times faster than allowed; 1 uses the budget up in its span. Null without runs."
    )

    @classmethod
    def of(cls, burn: Burn) -> Self:
        rate = burn.rate
        return cls(
            window_seconds=seconds(burn.window),
            runs=burn.runs,
            over=burn.over,
            burn_rate=None if rate is None else round(rate, 4),
        )


class BudgetOut(Answer):
    """The objective of one timing of a probe, by path."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "probe": "cold-start",
                    "timing": "cold_start",
                    "path": "",
                    "target_seconds": 60.0,
                    "budget_left_share": 0.82,
                    "burns": [{"window_seconds": 3600.0, "runs": 4, "over": 0, "burn_rate": 0.0}],
                }
            ]
        }
    )

    probe: str
    timing: str
    path: str
    target_seconds: float
    budget_left_share: float | None = Field(
        description="Of the whole span: 1 all of it, 0 none, negative where it is overdrawn. Null without runs."
    )
    burns: list[BurnOut] = Field(description="Shortest window first; the last one is the whole span.")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        left = budget.left
        return cls(
            probe=budget.probe,
            timing=budget.timing,
            path=budget.path,
            target_seconds=seconds(budget.target),
            budget_left_share=None if left is None else round(left, 4),
            burns=[BurnOut.of(burn) for burn in budget.burns],
        )


class BudgetsOut(Answer):
    """The error budgets of every timing with a target."""

    objective_share: float = Field(description="Of the runs of every timing, to stay under its target.")
    span_seconds: float
    budgets: list[BudgetOut]

    @classmethod
    def of(cls, budgets: tuple[Budget, ...]) -> Self:
        return cls(
            objective_share=OBJECTIVE,
            span_seconds=seconds(SPAN),
            budgets=[BudgetOut.of(budget) for budget in budgets],
        )
