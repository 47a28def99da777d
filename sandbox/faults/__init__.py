"""Faults: the promises that the sandbox can be told to break, declared once, family by family."""

from sandbox.faults.catalogue import FAULTS, fault_spec
from sandbox.faults.spec import COMMON, COMMON_MEANING, FaultError, FaultSpec, UnknownFault, Value, amount
from sandbox.faults.switch import Faults

__all__ = [
    "COMMON",
    "COMMON_MEANING",
    "FAULTS",
    "FaultError",
    "FaultSpec",
    "Faults",
    "UnknownFault",
    "Value",
    "amount",
    "fault_spec",
]
