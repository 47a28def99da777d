"""Every fault there is, family by family."""

from sandbox.faults import (
    capacity,
    commands,
    infrastructure,
    lifecycle,
    load,
    mail,
    queues,
    recovery,
    routing,
    sharing,
    sleeping,
    starting,
    waking,
    workspace,
)
from sandbox.faults.spec import FaultSpec, UnknownFault, unknown

_STARTS = (starting, waking, sleeping, workspace)
_CHATS = (commands, sharing, queues, lifecycle, mail)
_CROWDS = (capacity, load)
_FAMILIES = (*_STARTS, *_CHATS, *_CROWDS, routing, infrastructure, recovery)
FAULTS: dict[str, FaultSpec] = {spec.name: spec for family in _FAMILIES for spec in family.FAULTS}


def fault_spec(name: str) -> FaultSpec:
    """The fault of this name; raises UnknownFault with the nearest name."""
    if name not in FAULTS:
        raise UnknownFault(unknown("fault", name, FAULTS))
    return FAULTS[name]
