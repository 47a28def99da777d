"""Faults of resume-preview: whom a wake finds, what it does by the state that it meets, and what it answers."""

from sandbox.faults.spec import FaultSpec

#: Whoever wakes a sleeping chat at all.
WAKING = ("SR", "SV-01", "SV-02", "SV-03", "SV-06", "SA-01", "SA-09", "SA-10", "LR-03", "LR-05", "FR-01")

FAULTS = (
    FaultSpec(
        "resume-slow",
        ("SR-02", "SA-10"),
        "Resuming a chat whose container runs takes its time (amount in platform seconds).",
        {"amount": 60.0},
    ),
    FaultSpec("resume-body-wrong", ("SA-01",), "The answer to a wake has a member that nobody agreed on."),
    FaultSpec(
        "unknown-thread-crashes",
        ("SR-03", "SA-02"),
        "Waking a thread that nobody knows is answered with 500 and no sentence.",
        touches=("SV-04",),
    ),
    FaultSpec(
        "incomplete-wake-crashes",
        ("SA-04",),
        "A request to wake that lacks a member is answered with 500.",
    ),
    FaultSpec(
        "refusal-without-reason",
        ("SA-03",),
        "A wake is refused with 500, and not a word of the reason.",
        touches=WAKING,
    ),
    FaultSpec(
        "refusal-leaves-starting",
        ("SR-10",),
        "A start is refused for want of room, and the container's row goes on saying that it starts.",
        touches=("*",),
    ),
    FaultSpec("keepalive-refused", ("SA-05",), "Keepalive answers 500.", touches=("SP-03",)),
    FaultSpec(
        "keepalive-not-kept",
        ("SA-05",),
        "Keepalive says that the session has another half hour, and its row stays as it was.",
        touches=("SP-03",),
    ),
    FaultSpec(
        "keepalive-says-expired",
        ("SA-05",),
        "Keepalive of a session that is alive answers as if nobody knew it.",
        touches=("SP-03",),
    ),
    FaultSpec(
        "wakes-only-once",
        ("SR-07",),
        "A container that was woken once is refused when it shall be woken again.",
        touches=("SR-04", "SR-08", "FR-01"),
    ),
    FaultSpec(
        "running-wake-starts-task",
        ("SV-01",),
        "Waking a container that runs starts one more task for it.",
        touches=("SR-02", "SR-08", "SA-05", "CH-03"),
    ),
    FaultSpec("idle-wake-lost", ("SV-02",), "An idle container is not told that somebody is back."),
    FaultSpec(
        "wake-leaves-row-stopped",
        ("SV-03",),
        "While a woken container starts, its row goes on saying that it is stopped.",
        touches=("CL", "SR-08"),
    ),
    FaultSpec(
        "lost-session-woken",
        ("SV-04",),
        "A thread whose session has no row wakes a container all the same.",
    ),
    FaultSpec(
        "thread-ignored",
        ("SV-06",),
        "A thread wakes its customer's other session, where there is one.",
        touches=("SA-05", "FR-01"),
    ),
    FaultSpec(
        "stranger-gets-session",
        ("SV-07",),
        "Waking a thread that nobody knows is refused, and leaves a session for it.",
    ),
    FaultSpec(
        "parallel-wakes-refused",
        ("SA-09",),
        "While one wake of a running container is being answered, others are refused.",
    ),
)
