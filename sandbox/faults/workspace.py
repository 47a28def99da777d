"""Faults of what is to outlive a container: its workspace, its history, its session's row."""

from sandbox.faults.spec import FaultSpec

FAULTS = (
    FaultSpec(
        "workspace-lost",
        ("SP-01",),
        "A container that starts again finds its workspace empty and clones it anew.",
        touches=("SP-02", "SP-06", "FR-01", "AS-06", "CL-05", "SH-04"),
    ),
    FaultSpec(
        "history-lost",
        ("SP-02",),
        "A container that starts again keeps its files, but its git history begins anew.",
        touches=("SP-06", "AS-06", "CL-05", "SH-04"),
    ),
    FaultSpec(
        "commits-tell-nothing",
        ("SP-06",),
        "What a command has made is committed, and the commit does not say what it is.",
    ),
    FaultSpec(
        "files-slow",
        ("SP-07",),
        "The container's API takes long to look at a file (amount in platform seconds). A workspace that is "
        "mounted on the monitor's machine is not slowed: watch with FILE_CHECK=http-api.",
        {"amount": 60.0},
    ),
    FaultSpec(
        "two-clients-one-workspace",
        ("SP-05", "CC-02"),
        "A customer's container works in the workspace of another customer, whose id begins as its own does.",
        touches=("CC-07", "SH-04", "SP-01", "SP-02", "SP-06"),
    ),
    FaultSpec(
        "row-state-lost",
        ("SP-03",),
        "When a container stops, the rows of its sessions lose their client and their notes (metadata).",
        touches=("FR-01", "FR-04"),
    ),
    FaultSpec(
        "ttl-missing",
        ("SP-04",),
        "A session's row is written without `ttl`, so that nothing ever ends it.",
    ),
)
