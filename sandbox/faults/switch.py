"""Faults switched on and off while the sandbox runs.

All state is in one folder, so that every process of the sandbox sees a change at once and without being told.
"""

import json
import os
import random
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from sandbox.faults.catalogue import FAULTS, fault_spec
from sandbox.faults.spec import Value, number


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
        if self._random.random() >= number(parameters["probability"]):
            return None
        times = parameters["times"]
        if times is not None and not self._ticket(tickets, int(number(times))):
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
        for ticket in range(times):
            try:
                os.close(os.open(tickets / str(ticket), os.O_CREAT | os.O_EXCL))
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
