"""Faults of AWS itself, and of what the platform says of its own health."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec("hermes-unhealthy", ("AR-12",), "Hermes answers 200 and says that it is unhealthy, and why."),
    FaultSpec("edit-service-inactive", ("INF-01",), "ECS says that the edit service is being drained."),
    FaultSpec("hermes-service-inactive", ("INF-02",), "ECS says that Hermes' service is being drained."),
    FaultSpec(
        "sessions-unreadable",
        ("INF-03",),
        "A query of the sessions table answers 500.",
        touches=("*",),
    ),
    FaultSpec("metrics-unreadable", ("INF-04",), "CloudWatch answers 500 to whoever reads a metric."),
    FaultSpec(
        "aws-slow",
        ("INF-16",),
        "Every answer of AWS takes longer (amount in platform seconds).",
        {"amount": 60.0},
        touches=("*",),
    ),
    FaultSpec(
        "queue-rows-lost",
        ("INF-17",),
        "What is put into the queue-tracking table is not kept.",
        touches=("QM", "CL", "SH", "MP", "INT", "LD"),
    ),
    FaultSpec(
        "thread-rows-lost",
        ("INF-18",),
        "What is put into the thread-mappings table is not kept.",
        touches=("*",),
    ),
)
