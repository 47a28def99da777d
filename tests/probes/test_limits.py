"""How long the probes of this catalogue may take, at the idle limits that the contract names."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import probes
from synthetics.words import in_words

README = Path(probes.__file__).with_name("README.md").read_text()
IDLE_LIMITS = (60, 300, 1200)


def row(name: str) -> list[str]:
    found = re.search(rf"^\| {name} \| (\d.*) \|$", README, re.MULTILINE)
    assert found, f"{name} is not in the table of time limits"
    return found[1].split(" | ")


@pytest.mark.parametrize("probe", probes.CATALOGUE, ids=lambda probe: probe.name)
def test_the_table_of_limits_says_what_is_in_force(probe: probes.Probe) -> None:
    spec = probe.spec
    told = [in_words(spec.timeout), str(spec.sleeps)]
    for idle in IDLE_LIMITS:
        settings = probes.load_settings({}, {"IDLE_TIMEOUT_S": str(idle)})
        fitted = spec.fitted(settings.sleep_patience)
        told.append(f"{in_words(fitted.timeout)}, {in_words(fitted.every)}")

    assert row(probe.name) == told


@pytest.mark.parametrize("idle", IDLE_LIMITS)
def test_a_step_that_waits_for_sleep_may_take_as_long_as_that_and_the_probe_longer(idle: int) -> None:
    patience = probes.load_settings({}, {"IDLE_TIMEOUT_S": str(idle)}).sleep_patience

    for probe in probes.CATALOGUE:
        fitted = probe.spec.fitted(patience)
        for step in fitted.steps:
            assert step.budget > step.sleeps * patience
        slept = sum((step.budget for step in fitted.steps if step.sleeps), timedelta())
        assert slept < fitted.timeout
