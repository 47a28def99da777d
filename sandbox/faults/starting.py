"""Faults of starting, waking and sleeping."""

from sandbox.faults.spec import FaultSpec

#: Whoever waits until a container answers, besides those whose promise is how soon it does.
WAITING = ("AR", "SP", "CC", "SV", "SA-05", "LR", "AS", "SH", "INT", "MP", "QM", "CL", "LD", "E2E", "FR", "PB")

FAULTS = (
    FaultSpec(
        "slow-image-pull",
        ("CS-01", "CS-06", "SR-01", "SR-09"),
        "Pulling the image takes far longer (factor on the pull, plus amount in platform seconds).",
        {"factor": 1.0, "amount": 90.0},
        touches=WAITING,
    ),
    FaultSpec(
        "slow-boot",
        ("CS-01", "CS-06", "SR-01", "SR-09"),
        "A started container takes far longer until it answers (factor, plus amount in platform seconds).",
        {"factor": 1.0, "amount": 90.0},
        touches=WAITING,
    ),
    FaultSpec(
        "task-never-starts",
        ("CS-01", "CS-06", "SR-01"),
        "A task stays PENDING until somebody stops it.",
        touches=("*",),
    ),
    FaultSpec(
        "capacity-refused",
        ("CS-01", "CS-06", "SR-01", "SR-10"),
        "RunTask answers with a capacity failure.",
        touches=("*",),
    ),
    FaultSpec(
        "hermes-down",
        ("AR-12", "CS-01"),
        "Hermes has no healthy task: the ALB answers 503.",
        touches=("*",),
    ),
    FaultSpec(
        "activate-error",
        ("CS-01", "CS-07", "CC-01"),
        "Activate answers 500 with a reason and makes nothing.",
        touches=("*",),
    ),
    FaultSpec(
        "anothers-session-answered",
        ("CS-01",),
        "Activate answers with the session of another customer.",
        touches=("*",),
    ),
    FaultSpec(
        "creation-slow",
        ("CS-07", "CC-06"),
        "Activate takes its time before it makes a session (amount in platform seconds).",
        {"amount": 240.0},
        touches=("CS-01", "FR-06", "PB-02"),
    ),
    FaultSpec(
        "invalid-activate-accepted",
        ("CS-04",),
        "Activate takes a request with an empty clientId, and makes a session of nobody's.",
    ),
    FaultSpec(
        "activate-hangs",
        ("CS-07",),
        "Activate makes the session but answers too late (amount in platform seconds).",
        {"amount": 120.0},
        touches=("PB-02",),
    ),
    FaultSpec(
        "preview-broken",
        ("CS-01", "CS-08", "AR-04"),
        "The container is healthy but its site answers with this status.",
        {"status": 500},
        touches=("E2E-01",),
    ),
    FaultSpec(
        "wake-fails",
        ("SR-01", "SR-04", "SR-09"),
        "Resuming a stopped session answers 500 with a reason.",
        touches=("FR-01",),
    ),
    FaultSpec("wake-starts-two-tasks", ("SR-08",), "One wake starts two tasks.", touches=("CH-03",)),
    FaultSpec(
        "stuck-starting",
        ("SR-01", "SR-10", "AS-01"),
        "The container row stays `starting` though the task runs.",
        touches=("FR-01", "PB-01"),
    ),
    FaultSpec(
        "never-sleeps",
        ("CS-01", "CS-03", "CC-08", "CL-04", "AS-05"),
        "A container that is idle, or that nobody uses any more, stays.",
        touches=("FR-03", "E2E-01"),
    ),
    FaultSpec(
        "work-lost-on-sleep",
        ("AS-06", "CL-05"),
        "Unsaved work is thrown away when a container sleeps or is told to end.",
    ),
)
