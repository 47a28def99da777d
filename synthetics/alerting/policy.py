"""How much which rule matters for which probe, and for how long things are remembered."""

from datetime import timedelta
from typing import Final

from synthetics.alerting.rules import Broken, Leftovers
from synthetics.model.incident import SEVERITIES, Rule
from synthetics.model.sample import Watched

#: By the probe's severity. What is wrong with ourselves is its owner's, and wakes nobody.
_SEVERITY: Final[dict[Rule, dict[str, str]]] = {
    Rule.FAILING: {"page": "page", "ticket": "ticket", "info": "info"},
    Rule.TARGET: {"page": "page", "ticket": "ticket", "info": "info"},
    Rule.REGRESSED: {"page": "page", "ticket": "ticket", "info": "info"},
    Rule.BROKEN: {"page": "ticket", "ticket": "ticket", "info": "info"},
    Rule.STALE: {"page": "ticket", "ticket": "ticket", "info": "info"},
    Rule.LEFTOVERS: {"page": "ticket", "ticket": "ticket", "info": "ticket"},
    Rule.BUDGET: {"page": "ticket", "ticket": "ticket", "info": "ticket"},
}
#: What an incident of a rule explains, of the probes that lean on its probe and of its own.
_EXPLAINS: Final[dict[Rule, frozenset[Rule]]] = {
    Rule.FAILING: frozenset({Rule.FAILING, Rule.TARGET, Rule.REGRESSED}),
    Rule.TARGET: frozenset({Rule.TARGET, Rule.REGRESSED}),
    Rule.REGRESSED: frozenset({Rule.REGRESSED}),
    Rule.BROKEN: frozenset({Rule.BROKEN}),
    Rule.STALE: frozenset({Rule.STALE}),
    Rule.LEFTOVERS: frozenset(),
    Rule.BUDGET: frozenset(),
}
_SELDOM = timedelta(hours=6)
_OFTEN = timedelta(minutes=5)
#: As many runs of a probe are looked at, and as many values of a timing.
MOST_RUNS: Final = 40
MOST_VALUES: Final = 200


def severity(rule: Rule, watched: Watched) -> str:
    """How grave an incident of this rule is for this probe.

    A probe that runs all the time is judged for slowness so often that chance alone would wake somebody.
    """
    found = _SEVERITY[rule].get(watched.severity, "ticket")
    if rule is Rule.REGRESSED and watched.every < _OFTEN and found == "page":
        return "ticket"
    return found


def explains(rule: Rule, other: Rule) -> bool:
    """Whether incidents of `rule` explain those of `other`."""
    return other in _EXPLAINS[rule]


def at_least_as_grave(one: str, other: str) -> bool:
    """Whether nothing is played down if `one` is told in place of `other`."""
    return SEVERITIES.index(one) <= SEVERITIES.index(other)


def calm(every: timedelta) -> timedelta:
    """Bad again within this time after it was resolved is the same incident, flapping."""
    return max(timedelta(minutes=30), 8 * every)


def memory(every: timedelta) -> timedelta:
    """Runs that lie further back say nothing about now."""
    return max(timedelta(hours=1), 16 * every)


def broken(every: timedelta) -> Broken:
    """A probe that seldom runs is broken sooner: nobody shall wait for days to hear of it."""
    return Broken(in_a_row=2 if every >= _SELDOM else 3)


def leftovers(every: timedelta) -> Leftovers:
    """Remembers what the sweep removed until it is seen whether the next runs leave something too."""
    return Leftovers(quiet=max(timedelta(minutes=15), 4 * every), steady=max(timedelta(hours=3), 12 * every))
