"""Faults of queue sets: how they are made, written down and done away with."""

from sandbox.faults.spec import FaultSpec

#: Whoever opens a chat and waits for its queues.
CHATS = ("SH", "INT", "MP", "CL", "TH", "LD", "E2E-01")

FAULTS = (
    FaultSpec(
        "queue-missing",
        ("QM-01",),
        "Of a container's three queues one is deleted as soon as it was made.",
        {"kind": "dlq"},
        touches=(*CHATS, "QM"),
    ),
    FaultSpec("queue-set-per-session", ("QM-02",), "Every further session makes a further set of queues."),
    FaultSpec("queues-not-written-down", ("QM-03",), "A container's queues get no tracking row."),
    FaultSpec(
        "queues-outlive-container",
        ("QM-04",),
        "When a container has ended, its queues and their row stay.",
        touches=("FR-03",),
    ),
    FaultSpec(
        "session-told-wrong-queue", ("QM-05",), "A session's row names an input queue that is not its own."
    ),
    FaultSpec(
        "queues-outlive-last-session",
        ("QM-06",),
        "When a container's last session has closed, its queues stay (QUEUE_CLEANUP_ON=session-close).",
    ),
    FaultSpec(
        "orphans-kept",
        ("QM-07",),
        "A queue without a container lies about, and the cleanup passes it over.",
    ),
    FaultSpec(
        "queue-attribute-wrong",
        ("QM-08",),
        "Queues are made with another value of one attribute.",
        {"attribute": "VisibilityTimeout", "value": 30},
        touches=("MP", "INT"),
    ),
    FaultSpec(
        "cleanup-of-nobody-fails", ("QM-09",), "Closing a session that nobody knows is answered with 500."
    ),
)
