"""docs/detection.md: which case catches which fault, and which faults prove a case."""

import re
from collections.abc import Mapping, Sequence

from benchmarks.findings import Detection
from sandbox.faults import FaultSpec
from synthetics.model.check import Case

_PAGE = """\
# What catches what

<!-- Written by `python -m benchmarks.detection --write`. -->

Each fault of the sandbox was switched on, and the probes ran that check a case which it breaks, until a case
named it; then it was switched off, and what had told of it ran again. A fault is *caught* if a case that it
breaks failed (or was degraded, where the fault does no more than that), no case failed which it does not
explain, all passed afterwards, and nothing was left on the platform.

{tried} faults of {known} were tried; {caught} were caught, {slow} needed a second or third run. The survey is
made in pieces, not all of them of one revision, each fault by itself, but beside other work of its machine
({machine}).

Not tried: {untried}.

## Faults

*Words* are the first sentence of the case's own reason. *Seconds* run from the fault being switched on to the
end of the run that caught it, clean-up included, on a platform twenty times as fast as a real one.

{faults}

## Cases

Every case of the catalogue, the probe that checks it, the faults by which it was seen to fail, and those that
it fails with because it leans on what they break.

{cases}

## Cases that no fault proves

{unproved}
"""
_LONGEST_CELL = 200
#: Where a reason's first sentence ends; what follows is the likely cause.
_SENTENCE = re.compile(r"(?<=[^.])[.;](?:\s|$)")


def page(
    detections: Sequence[Detection],
    *,
    specs: Mapping[str, FaultSpec],
    cases: Mapping[str, Case],
    watched: Mapping[str, str],
    machine: str,
) -> str:
    """The whole page. `cases` is the catalogue; `watched` names the probe that checks a case."""
    untried = set(specs) - {one.fault for one in detections}
    return _PAGE.format(
        tried=len(detections),
        known=len(specs),
        caught=sum(one.holds for one in detections),
        slow=sum(one.runs > 1 for one in detections),
        machine=machine,
        untried=", ".join(f"`{name}`" for name in sorted(untried)) or "none",
        faults=_faults(detections, specs),
        cases=_cases(detections, cases, watched),
        unproved=_unproved(detections, cases, watched),
    )


def table(detections: Sequence[Detection], specs: Mapping[str, FaultSpec]) -> str:
    """The faults alone."""
    return _faults(detections, specs)


def _faults(detections: Sequence[Detection], specs: Mapping[str, FaultSpec]) -> str:
    lines = [
        "| Fault | What it does | Caught by | Words | Seconds | Runs | Clean afterwards | Fails with it |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in sorted(detections, key=lambda detection: detection.fault):
        words = first_sentence(next(iter(one.caught.values()), "not caught"))
        caught, also = ", ".join(one.caught) or "–", ", ".join(sorted(one.also)) or "–"
        clean = "yes" if one.clean else "no"
        lines.append(
            f"| `{one.fault}` | {_cell(specs[one.fault].what)} | {caught} | {_cell(words)} | {one.seconds:.1f} "
            f"| {one.runs} | {clean} | {also} |"
        )
    return "\n".join(lines)


def _cases(detections: Sequence[Detection], cases: Mapping[str, Case], watched: Mapping[str, str]) -> str:
    lines = [
        "| Case | Promise | Probe | Proved by | Fails with |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in cases.values():
        by = ", ".join(f"`{one.fault}`" for one in detections if case.id in one.caught) or "–"
        beside = ", ".join(f"`{one.fault}`" for one in detections if case.id in one.also) or "–"
        lines.append(f"| {case.id} | {_cell(case.promise)} | {watched.get(case.id, '–')} | {by} | {beside} |")
    return "\n".join(lines)


def _unproved(detections: Sequence[Detection], cases: Mapping[str, Case], watched: Mapping[str, str]) -> str:
    """The cases that a probe checks and no fault broke, by themselves or beside others."""
    proved = {case for one in detections for case in one.caught}
    beside = {case for one in detections for case in one.also}
    checked = [case for case in cases if case in watched and case not in proved]
    never = [case for case in checked if case not in beside]
    leaning = [case for case in checked if case in beside]
    return (
        f"Checked, and never seen to fail: {', '.join(never) or 'none'}.\n\n"
        f"Seen to fail only beside the case that they lean on: {', '.join(leaning) or 'none'}.\n\n"
        "Cases without a probe are not observable; [probes/README.md](../probes/README.md) says why."
    )


def first_sentence(reason: str) -> str:
    """What was wanted and what came, without the likely cause that may follow."""
    return _SENTENCE.split(" ".join(reason.split()), maxsplit=1)[0]


def _cell(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain if len(plain) <= _LONGEST_CELL else plain[: _LONGEST_CELL - 1] + "…"
