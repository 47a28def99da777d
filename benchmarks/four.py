"""The service's command line, with a catalogue of four scenarios that may run at once.

`python -m benchmarks.four serve` is `synthetics serve` but for this. One probe never runs beside itself, so
these are two scenarios of the catalogue under other names, chosen so that their ticks fall within a second of
one another.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import probes
from synthetics import cli, main
from synthetics.contract.probe import Probe
from synthetics.model.grid import Grid

EVERY = timedelta(seconds=40)
TIMEOUT = timedelta(seconds=38)
_SPREAD = timedelta(seconds=1)


def four_at_once() -> tuple[Probe, ...]:
    """Two copies of each of two scenarios, due at nearly the same moments."""
    lasting = [probe for probe in probes.CATALOGUE if probe.name in ("session-resumption", "auto-sleep")]
    return tuple(_copy(probe, name) for probe in lasting for name in _names(probe.name, 2))


def _copy(probe: Probe, name: str) -> Probe:
    steps = tuple(replace(step, sleeps=0) for step in probe.spec.steps)
    spec = replace(probe.spec, name=name, every=EVERY, timeout=TIMEOUT, steps=steps, sleeps=0, leans_on=())
    return replace(probe, spec=spec)


def _names(base: str, wanted: int) -> list[str]:
    names: list[str] = []
    for number in count(1):
        if len(names) == wanted:
            break
        if Grid.of(f"{base}-{number}", EVERY).offset < _SPREAD:
            names.append(f"{base}-{number}")
    return names


if __name__ == "__main__":
    main.CATALOGUE = four_at_once()
    cli.main()
