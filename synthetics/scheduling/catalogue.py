"""The probes that are due here: the catalogue with this deployment's overrides, each on its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches

from synthetics.contract.probe import Probe
from synthetics.errors import SettingsError
from synthetics.model.grid import Grid
from synthetics.settings import ProbeOverride

_LONGEST_GRACE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A probe with its grid."""

    probe: Probe
    grid: Grid

    @property
    def name(self) -> str:
        return self.probe.name

    @property
    def grace(self) -> timedelta:
        """How late a tick may still start; after that it is missed."""
        return min(self.grid.every / 2, _LONGEST_GRACE)


def scheduled(probes: Sequence[Probe], overrides: Mapping[str, ProbeOverride]) -> tuple[Scheduled, ...]:
    """The enabled probes as this deployment wants them.

    Raises SettingsError with every override that names no probe or contradicts itself.
    """
    wanted = {canonical(name): override for name, override in overrides.items()}
    known = {probe.name for probe in probes}
    problems = [_unknown(name, known) for name in sorted(wanted.keys() - known)]
    plan: list[Scheduled] = []
    for probe in probes:
        override = wanted.get(probe.name, ProbeOverride())
        try:
            changed = _overridden(probe, override)
        except ValueError as error:
            problems.append(str(error))
            continue
        if override.enabled:
            plan.append(Scheduled(changed, Grid.of(changed.name, changed.spec.every)))
    if problems:
        raise SettingsError(problems)
    return tuple(plan)


def find(probes: Sequence[Probe], name: str) -> Probe:
    """The probe of this name, hyphens and underscores being the same. Raises SettingsError with the nearest."""
    for probe in probes:
        if probe.name == canonical(name):
            return probe
    raise SettingsError([_unknown(name, {probe.name for probe in probes})])


def canonical(name: str) -> str:
    """How a probe's name is written everywhere: lower case, with hyphens."""
    return name.strip().lower().replace("_", "-")


def _overridden(probe: Probe, override: ProbeOverride) -> Probe:
    spec = probe.spec
    return replace(
        probe,
        spec=replace(spec, every=override.every or spec.every, timeout=override.timeout or spec.timeout),
    )


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(canonical(name), sorted(known), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
    return f"there is no probe {name!r}; {hint}"
