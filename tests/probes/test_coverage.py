"""The coverage table says what the probes do: every case of a watched family, each once, and nothing else."""

import re
from pathlib import Path

import probes
from probes.cases import CASES
from sandbox.faults import FAULTS
from synthetics.model.check import Effect

README = Path(probes.__file__).with_name("README.md").read_text()
ROW = re.compile(r"^\| ([A-Z0-9]+-\d+) \| ([a-z–-]+) \| (yes)? ?\| (.+) \|$", re.MULTILINE)
WATCHED = (
    *("CS", "SP", "CC", "FR", "CH", "PB", "AR", "SR", "SA", "SV", "LR", "AS"),
    *("SH", "INT", "MP", "QM", "CL", "TH", "LD", "E2E", "INF"),
)


def rows() -> dict[str, tuple[str, bool, str]]:
    found = ROW.findall(README)
    assert len({case for case, *_ in found}) == len(found), "a case is listed twice"
    return {case: (probe, bool(isolated), how) for case, probe, isolated, how in found}


def test_every_case_of_a_watched_family_is_accounted_for() -> None:
    watched = {case for case in CASES if case.split("-")[0] in WATCHED}

    assert set(rows()) == watched


def test_the_table_names_the_probe_that_declares_the_case() -> None:
    declared = {case.id: probe.name for probe in probes.CATALOGUE for case in probe.spec.cases}

    assert {case: probe for case, (probe, _, _) in rows().items() if probe != "–"} == declared


def test_a_case_without_a_probe_gives_its_reason() -> None:
    assert all(how.startswith("Not observable: ") for probe, _, how in rows().values() if probe == "–")


def test_every_case_that_is_checked_is_broken_by_a_fault_or_says_why_none_can() -> None:
    broken = {case for spec in FAULTS.values() for case in spec.breaks}
    checked = {case: how for case, (probe, _, how) in rows().items() if probe != "–"}

    assert broken <= set(checked)
    assert {case for case, how in checked.items() if "No fault breaks it: " in how} == set(checked) - broken


def test_isolation_follows_from_what_checking_does() -> None:
    for case, (probe, isolated, _) in rows().items():
        if probe != "–":
            assert isolated == (CASES[case].effect is not Effect.NONE), case


def test_every_timing_is_in_the_table() -> None:
    for probe in probes.CATALOGUE:
        for timing in probe.spec.timings:
            for path in timing.paths:
                name = f"`{timing.name}` by `{path}`" if path else f"`{timing.name}`"
                assert f"| {name} |" in README, name
