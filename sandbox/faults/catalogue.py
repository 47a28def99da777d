"""Every fault there is, family by family."""

from sandbox.faults import commands, infrastructure, recovery, routing, sharing, starting, waking, workspace
from sandbox.faults.spec import FaultSpec, UnknownFault, unknown

_FAMILIES = (starting, waking, workspace, commands, sharing, routing, infrastructure, recovery)
FAULTS: dict[str, FaultSpec] = {spec.name: spec for family in _FAMILIES for spec in family.FAULTS}


def fault_spec(name: str) -> FaultSpec:
    """The fault of this name; raises UnknownFault with the nearest name."""
    if name not in FAULTS:
        raise UnknownFault(unknown("fault", name, FAULTS))
    return FAULTS[name]
