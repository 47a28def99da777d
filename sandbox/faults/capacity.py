"""Faults of several people at once: their tasks and their ends."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec(
        "new-session-ends-others",
        ("CC-03",),
        "The start of a container stops every other edit task that was not asked for at the same time.",
        touches=("CC", "SP-05", "SH", "LD", "FR", "AR-07", "SR-08", "E2E"),
    ),
    FaultSpec(
        "end-spreads",
        ("CC-05",),
        "When a session is marked expired or deleted, every active session expires.",
        touches=("*",),
    ),
)
