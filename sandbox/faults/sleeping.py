"""Faults of containers that are left alone, and of sessions and users that should be kept apart."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec("activity-noted-always", ("AS-03",), "A container writes its activity whenever it looks at it."),
    FaultSpec(
        "sleeps-with-threads",
        ("AS-04",),
        "A container goes to sleep after the idle limit, whoever still has a chat in it.",
        touches=("*",),
    ),
    FaultSpec(
        "commits-when-clean", ("AS-08",), "A container commits when it goes to sleep, unsaved work or not."
    ),
    FaultSpec(
        "sleeps-by-a-wrong-way",
        ("AS-09",),
        "A container that goes to sleep says that it starts before it stops (amount in real seconds).",
        {"amount": 2.5},
        touches=("CL",),
    ),
    FaultSpec(
        "session-delete-forgotten",
        ("CS-02",),
        "A session's row that was deleted is still there.",
        {"times": 1},
        touches=("SP-04", "CC-05"),
    ),
    FaultSpec(
        "ready-too-early",
        ("CS-05",),
        "Every session is said to be ready, whether there is a container or not.",
        touches=("*",),
    ),
    FaultSpec(
        "users-share-workspace",
        ("CC-07",),
        "All users of a customer work in one workspace.",
        touches=("CS-01", "CC-02", "SP", "SH-04", "AS-06", "AS-08", "MP", "INT", "FR-01", "CL-05"),
    ),
    FaultSpec(
        "activate-starts-two-tasks",
        ("CC-04",),
        "Activate starts two tasks for one container.",
        touches=("*",),
    ),
)
