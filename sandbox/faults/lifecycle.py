"""Faults of a container's life: who is counted on it, when it ends, and as what it comes back."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec(
        "session-not-counted-off",
        ("CL-01",),
        "A session that closes is still counted on its container.",
    ),
    FaultSpec(
        "restart-under-another-id",
        ("CL-02", "CL-03"),
        "A chat whose container has stopped is given one with another id.",
        touches=("AS", "SP", "FR", "QM", "CL-05", "CL-06"),
    ),
    FaultSpec(
        "container-ends-with-first-chat",
        ("CL-03",),
        "A container is stopped when any of its chats closes, whoever else uses it.",
        touches=("CL-01", "CL-05", "CC-05"),
    ),
    FaultSpec(
        "stale-row-trusted",
        ("CL-06",),
        "A container whose row says running is taken for running, whether its task lives or not.",
        touches=("FR-01", "CL-02"),
    ),
    FaultSpec(
        "task-tag-missing", ("CL-07",), "Tasks are launched without one of their tags.", {"tag": "ProjectId"}
    ),
)
