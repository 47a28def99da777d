"""Faults that show only under load, and those of the service that is to follow it."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec(
        "slow-under-load",
        ("LD-01", "LD-02"),
        "Activate takes long while many sessions are asked for at once (amount in platform seconds).",
        {"amount": 50.0},
        touches=("LD", "CC", "FR", "PB"),
    ),
    FaultSpec(
        "interrupts-uncounted",
        ("LD-02",),
        "An interrupted command is answered as one that failed, without a word of the interrupt.",
        touches=("INT", "MP", "LD"),
    ),
    FaultSpec(
        "drops-under-burst",
        ("LD-03",),
        "Of sessions that a customer asks for one right after the other, only so many are made (amount); all "
        "others are answered 500.",
        {"amount": 8.0},
        touches=("LD", "CC", "FR"),
    ),
    FaultSpec(
        "sessions-throttled",
        ("LD-03",),
        "DynamoDB takes so many rows of new sessions within a real second (amount), and throttles all others.",
        {"amount": 2.0},
        touches=("LD", "CC", "FR", "PB", "SH", "MP", "INT"),
    ),
    FaultSpec(
        "slower-with-every-session",
        ("LD-04",),
        "Each further session of a customer takes longer than the one before (amount in platform seconds).",
        {"amount": 10.0},
        touches=("LD", "CC", "FR", "PB"),
    ),
    FaultSpec(
        "leaks-queue-set",
        ("LD-05",),
        "Every session makes a queue set that no container has.",
        touches=("LD", "QM"),
    ),
    FaultSpec(
        "autoscaler-stuck",
        ("E2E-02",),
        "The edit service stays as it is, however many sessions are active.",
    ),
    FaultSpec(
        "autoscaler-never-down",
        ("E2E-02",),
        "The edit service grows with the sessions, and never shrinks.",
        touches=("CS-03", "CC-08"),
    ),
    FaultSpec(
        "autoscaler-over-max",
        ("E2E-02",),
        "The edit service is given five tasks where three are the most.",
        touches=("CC-01", "CC-04", "FR-05"),
    ),
    FaultSpec(
        "metric-not-published",
        ("E2E-02",),
        "Nobody tells CloudWatch how many sessions are active.",
    ),
)
