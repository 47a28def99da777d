"""What a run used that has a price, and what that came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

#: How much of each thing, by its name: `dynamodb.Query` counts calls, `fargate.vcpu_hours` is what it says.
Usage: TypeAlias = Mapping[str, float]


class Region(StrEnum):
    """An AWS region whose list prices are known (`costs/prices.toml`)."""

    US_WEST_2 = "us-west-2"
    US_EAST_1 = "us-east-1"
    EU_WEST_1 = "eu-west-1"
    EU_CENTRAL_1 = "eu-central-1"


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, whole and by service; an estimate from list prices."""

    dollars: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
