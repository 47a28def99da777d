"""Where a fault can be met: most on the sandbox as it is, some only in another dialect or generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sandbox.faults import FaultSpec, commands, load, sharing

Kind = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Settings of the sandbox, of the monitor, and of the fault itself, under which a fault shows."""

    sandbox: Mapping[str, object] = field(default_factory=dict)
    monitor: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The sandbox's settings: places of one kind are on one sandbox."""
        return tuple(sorted(self.sandbox.items()))

    @property
    def removes_workspaces(self) -> bool:
        """Whether the monitor has the workspaces mounted, without which it cannot remove them."""
        return self.monitor.get("FILE_CHECK", "efs-mount") == "efs-mount"


_USUAL = Place()
_ROUTER = Place(monitor={"ROUTING_DIALECT": "lambda"})
#: Containers that are talked to stay awake while an answer is waited for, and that is not for long.
_TALKATIVE = Place(
    sandbox={"idle_seconds": 10.0, "command_speed": 0.3},
    monitor={"TARGET_RESPONSE_S": "4", "RESPONSE_WAIT_S": "1"},
)
#: Sessions under load are talked to as well; where the edit service follows them, it is looked at alone.
_LOADED = replace(_TALKATIVE, monitor={"RESPONSE_WAIT_S": "1", "TARGET_LOAD_AVERAGE_S": "1.3"})
_SCALING = Place(sandbox={"launch": "service", "idle_seconds": 10.0})
_TALKING = {spec.name for family in (commands, sharing) for spec in family.FAULTS}

PLACES: dict[str, Place] = {
    # What lies in a directory of the monitor's own machine is never slow.
    "files-slow": Place(monitor={"FILE_CHECK": "http-api"}),
    # The sandbox is twenty times as fast as the platform, and so must be those who wait for an answer.
    "creation-slow": Place(
        monitor={"TARGET_CONCURRENT_CREATION_S": "1", "TARGET_WARM_START_S": "1"}, parameters={"amount": 40.0}
    ),
    "response-late": replace(_TALKATIVE, parameters={"amount": 6.0}),
    "interrupt-slow": Place(sandbox=_TALKATIVE.sandbox),
    # A few calls only: cleaning up takes many.
    "aws-slow": Place(monitor={"TARGET_AWS_S": "0.3"}, parameters={"amount": 10.0, "times": 6}),
    "creations-slow-down": Place(
        monitor={
            "TARGET_CONCURRENT_CREATION_S": "1",
            "TARGET_WARM_START_S": "1",
            "RAPID_COUNT": "4",
            "BENCHMARK_CREATIONS": "4",
        },
        parameters={"amount": 40.0},
    ),
    # A day is not waited for: an orphan is old here when it is a second old.
    "orphans-kept": Place(monitor={"MAX_QUEUE_AGE_HOURS": "0.0001", "QUEUE_CLEANUP_EVERY_HOURS": "0.0001"}),
    "queues-outlive-last-session": Place(sandbox={"queue_cleanup_on": "session-close"}),
    "activate-hangs": Place(monitor={"ACTIVATE_TIMEOUT_S": "1", "TARGET_WARM_START_S": "0.5"}),
}


def place_of(spec: FaultSpec) -> Place:
    """Where this fault is looked for: behind the router if all that it breaks is only seen there."""
    if spec.name in PLACES:
        return PLACES[spec.name]
    if spec.name in _TALKING:
        return _TALKATIVE
    if spec in load.FAULTS:
        return _SCALING if spec.breaks == ("E2E-02",) else _LOADED
    behind = {f"SR-{n:02}" for n in (4, 5, 6)} | {f"LR-{n:02}" for n in range(1, 6)}
    behind |= {f"TH-{n:02}" for n in (1, 2, 3, 4, 8)}  # that generation makes threads of mails' ids
    return _ROUTER if set(spec.breaks) <= behind else _USUAL
