"""Faults of what happens after a crash, in a crowd, and where events meet."""

from sandbox.faults.spec import FaultSpec

#: Whatever stops a container from outside and looks at its session or workspace afterwards.
_RESTARTING = ("SP", "SR", "SA", "CL", "QM")

FAULTS = (
    FaultSpec(
        "crash-not-recovered",
        ("FR-01",),
        "A container that crashed is not started again, even when asked to.",
    ),
    FaultSpec(
        "row-lost-after-crash",
        ("FR-01",),
        "With a container that crashes, the rows of its sessions are deleted.",
        touches=_RESTARTING,
    ),
    FaultSpec(
        "workspace-lost-after-crash",
        ("FR-01",),
        "With a container that crashes, its workspace is deleted.",
        touches=(*_RESTARTING, "SH-04"),
    ),
    FaultSpec(
        "row-rewritten-after-crash",
        ("FR-04",),
        "When its container comes back, a session's row gets a new creation time and loses its metadata.",
        touches=("SP-03",),
    ),
    FaultSpec(
        "throttled-answers-unclean",
        ("FR-02",),
        "Of six or more who ask for a session at once, some get 500 and a stack trace.",
        touches=("LD",),
    ),
    FaultSpec(
        "orphan-task-left",
        ("FR-03",),
        "Where six or more ask for a session at once, a task is started that serves nobody and never ends.",
        touches=("LD",),
    ),
    FaultSpec(
        "capacity-not-held",
        ("FR-05", "CC-04"),
        "With more containers than the edit service has room for, the service goes beyond its capacity.",
        touches=("CC-01", "CC-03", "LD"),
    ),
    FaultSpec(
        "creation-rate-limited",
        ("FR-06",),
        "A customer's sessions beyond so many in a minute of the platform are refused.",
        {"amount": 5.0},
        touches=("CC", "LD", "PB-02"),
    ),
    FaultSpec(
        "creations-slow-down",
        ("FR-06", "PB-02"),
        "Every session of a customer but the first two takes its time to be made (amount in platform seconds).",
        {"amount": 240.0},
        touches=("CC-06", "CC-09", "LD", "CH-11"),
    ),
    FaultSpec(
        "later-starts-slow",
        ("PB-01",),
        "Every container of a customer but the first takes far longer to start (amount in platform seconds).",
        {"amount": 90.0},
        touches=("*",),
    ),
    FaultSpec(
        "retry-starts-another",
        ("CH-03",),
        "Whoever asks again for a container that is starting starts another one.",
        touches=("SR-08",),
    ),
    FaultSpec(
        "ended-session-listed",
        ("CH-09",),
        "A session whose time is over stays among the active ones in the list, though its status says expired.",
    ),
    FaultSpec(
        "scaling-race-lost",
        ("CH-10",),
        "Of counts that the edit service is asked for in quick succession, only the first is heard.",
    ),
    FaultSpec(
        "session-made-twice",
        ("CH-11",),
        "One activate makes two sessions, and answers for one of them.",
        touches=("CC", "CL", "LD"),
    ),
)
