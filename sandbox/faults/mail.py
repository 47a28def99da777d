"""Faults of the mail intake: which thread a mail belongs to, and whether it is taken at all."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec("mail-lost", ("E2E-01",), "A mail is read, and nothing comes of it.", touches=("TH",)),
    FaultSpec(
        "thread-of-last-reference",
        ("TH-01",),
        "A mail's thread is made of the mail that it answers, whatever it refers to first.",
    ),
    FaultSpec(
        "thread-ignores-answered-mail",
        ("TH-02",),
        "A mail that answers another, and refers to none, begins anew.",
        touches=("TH-04",),
    ),
    FaultSpec(
        "thread-of-new-mail-at-random",
        ("TH-03",),
        "A new mail's thread is not made of its id: an answer to it will not find it.",
    ),
    FaultSpec(
        "thread-keeps-brackets",
        ("TH-04",),
        "A mail's id is taken with its brackets.",
    ),
    FaultSpec(
        "nameless-mails-share-a-thread",
        ("TH-08",),
        "All of a customer's mails that tell nothing of a thread are one chat.",
    ),
)
#: By these the intake goes wrong about the thread of a mail.
OF_THREADS = tuple(spec.name for spec in FAULTS if "E2E-01" not in spec.breaks)
