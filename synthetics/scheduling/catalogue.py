"""The probes that are due here: the catalogue with this deployment's overrides, each on its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from synthetics.contract.probe import Probe
from synthetics.errors import SettingsError
from synthetics.model.grid import Grid
from synthetics.settings import ProbeOverride

_LONGEST_GRACE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A probe as this deployment runs it, with its grid."""

    probe: Probe
    grid: Grid
    enabled: bool = True

    @property
    def name(self) -> str:
        return self.probe.name

    @property
    def grace(self) -> timedelta:
        """How late a tick may still start; after that it is missed."""
        return min(self.grid.every / 2, _LONGEST_GRACE)


def scheduled(
    probes: Sequence[Probe], overrides: Mapping[str, ProbeOverride], *, sleep_patience: timedelta
) -> tuple[Scheduled, ...]:
    """Every probe as this deployment wants it, where falling asleep may take `sleep_patience`.

    Raises SettingsError with every override that contradicts itself or its probe.
    """
    plan: list[Scheduled] = []
    problems: list[str] = []
    for probe in probes:
        override = overrides.get(probe.name, ProbeOverride())
        try:
            spec = probe.spec.fitted(sleep_patience, every=override.every, timeout=override.timeout)
        except ValueError as error:
            problems.append(str(error))
            continue
        changed = replace(probe, spec=spec)
        plan.append(Scheduled(changed, Grid.of(probe.name, spec.every), override.enabled))
    if problems:
        raise SettingsError(problems)
    return tuple(plan)
