"""Where a fault can be met: most on the sandbox as it is, some only in another dialect or generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.faults import FaultSpec


@dataclass(frozen=True, slots=True)
class Place:
    """Settings of the sandbox, of the monitor, and of the fault itself, under which a fault shows."""

    sandbox: Mapping[str, object] = field(default_factory=dict)
    monitor: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[tuple[str, object], ...]:
        """The sandbox's settings: places of one kind are on one sandbox."""
        return tuple(sorted(self.sandbox.items()))


_USUAL = Place()
_ROUTER = Place(monitor={"ROUTING_DIALECT": "lambda"})

PLACES: dict[str, Place] = {
    # What lies in a directory of the monitor's own machine is never slow.
    "files-slow": Place(monitor={"FILE_CHECK": "http-api"}),
    # The sandbox is twenty times as fast as the platform, and so must be those who wait for an answer.
    "creation-slow": Place(
        monitor={"TARGET_CONCURRENT_CREATION_S": "1", "TARGET_WARM_START_S": "1"}, parameters={"amount": 40.0}
    ),
    "activate-hangs": Place(monitor={"ACTIVATE_TIMEOUT_S": "1", "TARGET_WARM_START_S": "0.5"}),
}


def place_of(spec: FaultSpec) -> Place:
    """Where this fault is looked for: behind the router if all that it breaks is only seen there."""
    behind = {"SR-04", "SR-05", "SR-06", "LR-01", "LR-02", "LR-03", "LR-04", "LR-05"}
    return PLACES.get(spec.name, _ROUTER if set(spec.breaks) <= behind else _USUAL)
