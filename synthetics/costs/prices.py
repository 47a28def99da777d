"""List prices by region, from the data file beside this one."""

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from synthetics.model.cost import Cost, Region, Usage


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for one of each unit, as they were on a day; `calls` says as what unit a call counts."""

    region: Region
    as_of: date
    calls: Mapping[str, str]
    units: Mapping[str, float]

    @classmethod
    def of(cls, region: Region) -> "Prices":
        """The prices of this region."""
        data = _data()
        return cls(region, data["as_of"], data["calls"], data["regions"][region])

    def cost(self, used: Usage) -> Cost:
        """What this came to. What has no price costs nothing."""
        shares: dict[str, float] = defaultdict(float)
        for name, quantity in used.items():
            unit = self.calls.get(name, name)
            if unit in self.units:
                shares[unit.partition(".")[0]] += quantity * self.units[unit]
        return Cost(sum(shares.values()), dict(shares))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "prices.toml").read_text(encoding="utf-8"))
