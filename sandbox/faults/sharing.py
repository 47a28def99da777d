"""Faults of sharing: who lives in which container, and on which branch."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec(
        "container-not-shared",
        ("SH-01",),
        "Every chat gets a container of its own.",
        touches=("SH-04", "INT", "MP", "QM-02", "CL-01", "CL-03", "LD"),
    ),
    FaultSpec(
        "shared-across-projects",
        ("SH-02",),
        "All projects of a user share one container.",
        touches=("LD",),
    ),
    FaultSpec(
        "shared-across-users", ("SH-03",), "All users of a project share one container.", touches=("CC", "LD")
    ),
    FaultSpec(
        "branch-leaks",
        ("SH-04", "MP-04"),
        "A chat's branch is given the work of the chat before it.",
    ),
)
