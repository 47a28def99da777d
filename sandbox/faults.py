"""Faults: the promises that the sandbox can be told to break, declared once, switched on and off while it runs.

All state is in one folder, so that every process of the sandbox sees a change at once and without being told.
"""

import json
import os
import random
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

Value = float | int | str | None

COMMON: dict[str, Value] = {"probability": 1.0, "times": None, "for": ""}
COMMON_MEANING = "probability 0 to 1; times: only the next n; for: only clients whose id starts so"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One promise that can be broken: which, how, and what may be tuned."""

    name: str
    breaks: tuple[str, ...]
    what: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters with their values; raises FaultError naming the parameter that does not exist."""
        known = {**COMMON, **self.parameters}
        for name, value in given.items():
            if name not in known:
                raise FaultError(_unknown("parameter", name, known))
            _check_value(name, value, known[name])
        resolved = {**known, **given}
        if "factor" in given and "amount" not in given and "amount" in known:
            resolved["amount"] = 0.0  # "40 % slower" means that alone
        return resolved


class FaultError(ValueError):
    """A fault or a parameter that does not exist, or a value that cannot be used."""


class UnknownFault(FaultError):
    """No fault has this name."""


FAULTS: dict[str, FaultSpec] = {
    spec.name: spec
    for spec in (
        FaultSpec(
            "slow-image-pull",
            ("CS-01", "CS-06", "SR-01", "SR-09"),
            "Pulling the image takes far longer (factor on the pull, plus amount in platform seconds).",
            {"factor": 1.0, "amount": 90.0},
        ),
        FaultSpec(
            "slow-boot",
            ("CS-01", "CS-06", "SR-01", "SR-09"),
            "A started container takes far longer until it answers (factor, plus amount in platform seconds).",
            {"factor": 1.0, "amount": 90.0},
        ),
        FaultSpec("task-never-starts", ("CS-01", "SR-01"), "A task stays PENDING until somebody stops it."),
        FaultSpec("capacity-refused", ("CS-01", "SR-01", "SR-10"), "RunTask answers with a capacity failure."),
        FaultSpec(
            "hermes-down", ("AR-12", "CS-01", "SR-02"), "Hermes has no healthy task: the ALB answers 503."
        ),
        FaultSpec(
            "activate-error", ("CS-01", "CS-07"), "Activate answers 500 with a reason and makes nothing."
        ),
        FaultSpec(
            "activate-hangs",
            ("CS-07",),
            "Activate makes the session but answers too late (amount in platform seconds).",
            {"amount": 120.0},
        ),
        FaultSpec(
            "preview-broken",
            ("CS-01", "AR-04"),
            "The container is healthy but its site answers with this status.",
            {"status": 500},
        ),
        FaultSpec(
            "wake-fails", ("SR-01", "SR-04", "SR-09"), "Resuming a stopped session answers 500 with a reason."
        ),
        FaultSpec("wake-starts-two-tasks", ("SR-08",), "One wake starts two tasks."),
        FaultSpec(
            "stuck-starting", ("SR-01", "SR-10"), "The container row stays `starting` though the task runs."
        ),
        FaultSpec("never-sleeps", ("CS-01", "CS-03", "CL-04", "AS-05"), "An idle container stays awake."),
        FaultSpec(
            "work-lost-on-sleep", ("AS-06", "CL-05"), "Unsaved work is thrown away when a container sleeps."
        ),
    )
}


def fault_spec(name: str) -> FaultSpec:
    """The fault of this name; raises UnknownFault with the nearest name."""
    if name not in FAULTS:
        raise UnknownFault(_unknown("fault", name, FAULTS))
    return FAULTS[name]


class Faults:
    """The faults of one sandbox. Cheap to ask: an inactive fault costs one look at the file system."""

    def __init__(self, directory: Path, *, seed: int = 0) -> None:
        self._folder = directory / "faults"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._random = random.Random(f"{seed}:faults")

    def set(self, name: str, parameters: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """Switch a fault on (again) and return its parameters; raises FaultError."""
        resolved = fault_spec(name).resolve(parameters or {})
        ticket_folder = f"{name}.{uuid.uuid4().hex[:8]}.tickets"
        (self._folder / ticket_folder).mkdir()
        temporary = self._folder / f".{ticket_folder}"
        temporary.write_text(json.dumps({"parameters": resolved, "tickets": ticket_folder}))
        temporary.replace(self._path(name))
        self._drop_tickets(name, keep=ticket_folder)
        return resolved

    def clear(self, name: str) -> bool:
        """Switch a fault off; False if it was not on. Raises UnknownFault."""
        path = self._path(fault_spec(name).name)
        was_on = path.exists()
        path.unlink(missing_ok=True)
        self._drop_tickets(name)
        return was_on

    def clear_all(self) -> list[str]:
        """Switch every fault off and return the names of those that were on."""
        return [name for name in list(self.active()) if self.clear(name)]

    def active(self) -> dict[str, dict[str, Value]]:
        """The faults that are on, with their parameters."""
        found = ((name, self._read(name)) for name in FAULTS)
        return {name: state[0] for name, state in found if state is not None}

    def is_on(self, name: str, *, client: str = "") -> bool:
        """Whether the fault is switched on for this client, however seldom it strikes; uses nothing up."""
        state = self._read(name)
        return state is not None and client.startswith(str(state[0]["for"]))

    def strikes(self, name: str, *, client: str = "") -> dict[str, Value] | None:
        """The fault's parameters if it strikes now for this client, else None. Uses up one of `times`."""
        state = self._read(name)
        if state is None:
            return None
        parameters, tickets = state
        if not client.startswith(str(parameters["for"])):
            return None
        if self._random.random() >= _number(parameters["probability"]):
            return None
        times = parameters["times"]
        if times is not None and not self._ticket(tickets, int(_number(times))):
            return None
        return parameters

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, name: str) -> tuple[dict[str, Value], Path] | None:
        try:
            state = json.loads(self._path(name).read_text())
        except FileNotFoundError:
            return None
        return state["parameters"], self._folder / state["tickets"]

    @staticmethod
    def _ticket(tickets: Path, times: int) -> bool:
        """Whether one of `times` strikes was left; taking it is one atomic act among all processes."""
        for number in range(times):
            try:
                os.close(os.open(tickets / str(number), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            except FileNotFoundError:  # cleared by another process this very moment
                return False
            return True
        return False

    def _drop_tickets(self, name: str, *, keep: str = "") -> None:
        for folder in self._folder.glob(f"{name}.*.tickets"):
            if folder.name != keep:
                shutil.rmtree(folder, ignore_errors=True)


def amount(parameters: Mapping[str, Value], name: str = "amount") -> float:
    """A numeric parameter of a fault that struck."""
    return _number(parameters[name])


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _check_value(name: str, value: Value, default: Value) -> None:
    if name == "times":
        fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)
        wanted = "a whole number of 1 or more, or null"
    elif name == "probability":
        fits = _is_number(value) and 0 <= _number(value) <= 1
        wanted = "a number from 0 to 1"
    elif isinstance(default, str):
        fits, wanted = isinstance(value, str), "text"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number"
    else:
        fits, wanted = _is_number(value) and _number(value) >= 0, "a number of 0 or more"
    if not fits:
        raise FaultError(f"{name}: wanted {wanted}, got {value!r}")


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."
    return f"There is no {kind} {name!r}.{hint}"
