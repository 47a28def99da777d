"""One cause, one incident: which incident explains which. Pure."""

from collections.abc import Mapping, Sequence

from synthetics.alerting import policy
from synthetics.model.incident import Incident, Rule
from synthetics.model.sample import Watched


def ancestors(probe: str, catalogue: Mapping[str, Watched]) -> set[str]:
    """Every probe that this one leans on, also by way of others."""
    found: set[str] = set()
    waiting = list(catalogue[probe].leans_on) if probe in catalogue else []
    while waiting:
        name = waiting.pop()
        if name in catalogue and name not in found and name != probe:
            found.add(name)
            waiting.extend(catalogue[name].leans_on)
    return found


def explains(parent: Incident, child: Incident, catalogue: Mapping[str, Watched]) -> bool:
    """Whether telling of `parent` is enough: it is the cause, at the same location, and at least as grave."""
    if (
        parent.id == child.id
        or (parent.probe, parent.kind) == (child.probe, child.kind)
        or parent.location != child.location
    ):
        return False
    if not policy.explains(parent.rule, child.rule):
        return False
    if not policy.at_least_as_grave(parent.severity, child.severity):
        return False
    if parent.rule is Rule.STALE:
        return True  # nothing runs: one reason why is enough
    if parent.rule is Rule.BROKEN and _same_reason(parent, child):
        return True
    if parent.probe == child.probe:
        return child.rule is not parent.rule and parent.rule in (Rule.FAILING, Rule.TARGET)
    return parent.probe in ancestors(child.probe, catalogue)


def head(child: Incident, open_ones: Sequence[Incident], catalogue: Mapping[str, Watched]) -> Incident | None:
    """The open incident to be told in place of `child`: the oldest that explains it, or what explains that."""
    by_id = {one.id: one for one in open_ones}
    for one in open_ones:
        if explains(one, child, catalogue):
            seen = {child.id}
            while one.folded_under in by_id and one.id not in seen:
                seen.add(one.id)
                one = by_id[one.folded_under]
            return None if one.id == child.id else one
    return None


def _same_reason(parent: Incident, child: Incident) -> bool:
    reason = parent.evidence.get("reason")
    return reason is not None and reason == child.evidence.get("reason")
