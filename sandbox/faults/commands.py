"""Faults of commands, their answers and their interruption."""

from sandbox.faults.spec import FaultSpec

#: Whoever waits for an answer at all: these families talk to containers.
TALKING = ("MP", "INT", "SH-04", "LD", "CL-05")

FAULTS = (
    FaultSpec("response-dropped", ("MP-05",), "A command is carried out, and never answered.", touches=TALKING),
    FaultSpec(
        "response-late",
        ("MP-05",),
        "A command is carried out at once and answered much later (amount in real seconds).",
        {"amount": 40.0},
        touches=TALKING,
    ),
    FaultSpec("response-twice", ("MP-05",), "A command is answered twice.", touches=("QM-04", "QM-06")),
    FaultSpec(
        "response-of-another-session",
        ("MP-02",),
        "An answer names the session of another chat in the same container.",
        touches=TALKING,
    ),
    FaultSpec(
        "response-of-another-command",
        ("MP-02",),
        "An answer bears the id of the command before.",
        touches=TALKING,
    ),
    FaultSpec(
        "wrong-summary", ("MP-01", "MP-02"), "An answer's summary tells of the command before.", touches=("LD",)
    ),
    FaultSpec("wrong-files-changed", ("MP-02",), "An answer lists the files of the command before."),
    FaultSpec(
        "commands-reordered",
        ("MP-01",),
        "A command is answered at once and carried out after the next one, or after a while (amount in real "
        "seconds).",
        {"amount": 3.0},
        touches=("SH-04", "MP-04", "INT-03"),
    ),
    FaultSpec(
        "command-lost",
        ("MP-03",),
        "Of two commands of two chats at once, the second is thrown away unheard.",
        touches=("LD",),
    ),
    FaultSpec(
        "message-left-in-queue", ("MP-05",), "A command that was answered stays on its queue, in flight."
    ),
    FaultSpec(
        "command-to-dlq",
        ("MP-05",),
        "A command is put on the dead-letter queue instead of being carried out.",
        touches=TALKING,
    ),
    FaultSpec("type-refused", ("MP-06",), "Commands of one type are refused.", {"type": "build"}),
    FaultSpec(
        "unserved-command-swallowed",
        ("MP-07",),
        "Messages on queues that no container serves are thrown away.",
        touches=("QM-05",),
    ),
    FaultSpec(
        "interrupt-ignored",
        ("INT-01",),
        "A newer message waits until the running command has ended by itself.",
        touches=("INT",),
    ),
    FaultSpec(
        "burst-swallowed",
        ("INT-02",),
        "The third of three commands in quick succession is told interrupted too, though nothing followed it.",
    ),
    FaultSpec(
        "interrupted-work-not-committed", ("INT-03",), "What an interrupted command had done is not committed."
    ),
    FaultSpec(
        "interrupt-slow",
        ("INT-04",),
        "An interrupted command goes on for longer than its grace (amount in real seconds).",
        {"amount": 12.0},
    ),
    FaultSpec(
        "container-dies-on-interrupt",
        ("INT-04",),
        "The container ends with the long command that it interrupts.",
        touches=("INT",),
    ),
)
