"""What a fault is: the promises it breaks, what may be tuned, and what a mistake in that is told as."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

Value = float | int | str | None

COMMON: dict[str, Value] = {"probability": 1.0, "times": None, "for": ""}
COMMON_MEANING = "probability 0 to 1; times: only the next n; for: only clients whose id starts so"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One promise that can be broken: which, how, and what may be tuned.

    `breaks` are the cases of the contract that promise just this; `touches` those that cannot hold without it
    (`CS-01`, a whole family as `CS`, or `*`). With `degrades` the platform answers in a way that was not
    promised but is tolerated: the case is then degraded, and does not fail.
    """

    name: str
    breaks: tuple[str, ...]
    what: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    touches: tuple[str, ...] = ()
    degrades: bool = False

    def explains(self, case: str) -> bool:
        """Whether this case may fail under the fault: its own promise, or one that leans on it."""
        family = case.partition("-")[0]
        return case in self.breaks or any(told in ("*", family, case) for told in self.touches)

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters with their values; raises FaultError naming the parameter that does not exist."""
        known = {**COMMON, **self.parameters}
        for name, value in given.items():
            if name not in known:
                raise FaultError(unknown("parameter", name, known))
            _check_value(name, value, known[name])
        resolved = {**known, **given}
        if "factor" in given and "amount" not in given and "amount" in known:
            resolved["amount"] = 0.0  # "40 % slower" means that alone
        return resolved


class FaultError(ValueError):
    """A fault or a parameter that does not exist, or a value that cannot be used."""


class UnknownFault(FaultError):
    """No fault has this name."""


def amount(parameters: Mapping[str, Value], name: str = "amount") -> float:
    """A numeric parameter of a fault that struck."""
    return number(parameters[name])


def number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _check_value(name: str, value: Value, default: Value) -> None:
    if name == "times":
        fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)
        wanted = "a whole number of 1 or more, or null"
    elif name == "probability":
        fits = _isnumber(value) and 0 <= number(value) <= 1
        wanted = "a number from 0 to 1"
    elif isinstance(default, str):
        fits, wanted = isinstance(value, str), "text"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number"
    else:
        fits, wanted = _isnumber(value) and number(value) >= 0, "a number of 0 or more"
    if not fits:
        raise FaultError(f"{name}: wanted {wanted}, got {value!r}")


def _isnumber(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."
    return f"There is no {kind} {name!r}.{hint}"
