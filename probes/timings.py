"""What users wait for, declared once: public names, phases and targets (contract §10)."""

from datetime import timedelta

from probes.platform.phases import START_PHASES, STOP_PHASES
from synthetics.contract.probe import TimingSpec

COLD_START = TimingSpec(
    "cold_start",
    "From asking for a change, with no container up, to the first 200 of the preview.",
    phases=START_PHASES,
    target=timedelta(seconds=60),
)
WARM_START = TimingSpec(
    "warm_start",
    "From asking for a session, with its container up, to the container answering for it.",
    phases=("request", "health"),
    target=timedelta(seconds=5),
)
SHUTDOWN = TimingSpec(
    "shutdown",
    "From the last activity to no task being left.",
    phases=("idle", *STOP_PHASES),
    target=timedelta(minutes=5),
)
RESUME = TimingSpec(
    "resume",
    "How long resume-preview takes to answer for a chat that is awake.",
    target=timedelta(seconds=2),
)
RESPONSE = TimingSpec(
    "response",
    "From sending a command to having its response: how long until it was handled, and until it was here.",
    phases=("handling", "delivery"),
    target=timedelta(seconds=30),
)
ROUTING = TimingSpec(
    "routing",
    "From asking the load balancer, with a new connection, to an answer from behind each of its rules.",
    paths=("health", "api", "hermes", "session"),
    target=timedelta(seconds=2),
)
INTERRUPT = TimingSpec(
    "interrupt",
    "From sending a newer message to having the word that the running command was interrupted.",
    phases=("handling", "delivery"),
    target=timedelta(seconds=5),
)

FILE_CHECK = TimingSpec(
    "file_check",
    "How long it takes to see whether a file is in the workspace of a container that is up.",
    target=timedelta(seconds=2),
)
QUEUE_CLEANUP = TimingSpec(
    "queue_cleanup",
    "From a container having ended, or its last chat, to its queues being gone.",
    target=timedelta(seconds=5),
)
MAIL_TO_PREVIEW = TimingSpec(
    "mail_to_preview",
    "From putting a mail on the mail queue to the first 200 of the preview that comes of it.",
    phases=START_PHASES,
    target=timedelta(seconds=60),
)

SCALING = TimingSpec(
    "scaling",
    "From a change in the number of active sessions to the edit service having as many tasks as they ask for.",
    paths=("out", "in"),
    phases=("reaction", "tasks"),
    target=timedelta(minutes=5),
)


def load_creation(*paths: str) -> TimingSpec:
    """Creation under the kinds of load (`ten`, `mixed`, `burst`, …) that a probe puts on the platform."""
    return TimingSpec(
        "load_creation",
        "Of the sessions of one load, the one that took longest: from asking for it to its answer.",
        paths=paths,
        target=timedelta(seconds=15),
    )


def restart(*paths: str) -> TimingSpec:
    """Coming back after a crash: by `itself`, or by a `wake` because the platform did not."""
    return TimingSpec(
        "restart",
        "From stopping a container from outside to the first answer of the one in its place.",
        paths=paths,
        phases=("end", "wait", *START_PHASES),
        target=timedelta(seconds=120),
    )


def wake(*paths: str) -> TimingSpec:
    """Waking, by the ways (`api`, `preview`, `message`) that a probe takes."""
    return TimingSpec(
        "wake",
        "From asking a sleeping chat's container to wake to its first answer.",
        paths=paths,
        phases=START_PHASES,
        target=timedelta(seconds=60),
    )
