"""What came of breaking things: a row for each way of it, and what should not be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Verdict:
    """One way of breaking things. `survived` counts the faults after which work went on.

    `lost` are runs and ticks without the record they should have, `doubled` those with more than one, `leaked`
    what is left on the platform in the end; each as a line for people. `told` is worth knowing, and
    `failures` are the runs that failed meanwhile, each with its reason: if the platform is well, none should.
    """

    what: str
    given: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    told: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.given == self.survived > 0 and not (self.lost or self.doubled or self.leaked)


def table(verdicts: Iterable[Verdict]) -> str:
    """The figures, for people."""
    head = f"{'what':<34}{'faults':>8}{'survived':>10}{'lost':>7}{'doubled':>9}{'leaked':>8}  meanwhile"
    lines = [head, "-" * (len(head) + 30)]
    for one in verdicts:
        counts = f"{len(one.lost):>7}{len(one.doubled):>9}{len(one.leaked):>8}"
        lines.append(f"{one.what:<34}{one.given:>8}{one.survived:>10}{counts}  {one.told}")
    return "\n".join(lines)


def troubles(verdicts: Sequence[Verdict], most: int = 20) -> list[str]:
    """What should not be, and what failed meanwhile, a line each; of each kind the first ones."""
    lines = []
    for one in verdicts:
        if one.given != one.survived:
            lines.append(f"{one.what}: {one.given - one.survived} of {one.given} were not survived")
        kinds = {"lost": one.lost, "doubled": one.doubled, "leaked": one.leaked, "failed": one.failures}
        for kind, found in kinds.items():
            lines += [f"{one.what}: {kind}: {what}" for what in found[:most]]
    return lines
