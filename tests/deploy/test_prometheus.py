"""The rules for Prometheus: each is tested by promtool, explained, and about metrics that there are."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debian import path_of
from tests.support.prometheus import DEPLOYED, RULES

ROOT = Path(__file__).parents[2]
TESTS = sorted((DEPLOYED / "tests").glob("*.yml"))


def rules(kind: str) -> list[dict[str, Any]]:
    """Those that alert, or those that record."""
    return list(_rules(kind))


def _rules(kind: str) -> Iterator[dict[str, Any]]:
    for name in RULES:
        for group in yaml.safe_load((DEPLOYED / name).read_text())["groups"]:
            yield from (rule for rule in group["rules"] if kind in rule)


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        [path_of("promtool", "prometheus"), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_they_do_what_their_tests_say() -> None:
    told = promtool("test", "rules", *TESTS)
    assert told.count("SUCCESS") == len(TESTS) == len(RULES)


def test_the_example_is_a_configuration_that_prometheus_takes() -> None:
    assert "is valid prometheus config file" in promtool("check", "config", DEPLOYED / "prometheus.yml")


def test_every_alert_is_seen_firing_and_silent() -> None:
    seen: dict[str, set[bool]] = {}
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for expected in test.get("alert_rule_test", ()):
                seen.setdefault(expected["alertname"], set()).add(bool(expected.get("exp_alerts")))
    assert {name for name, fired in seen.items() if True in fired} == {rule["alert"] for rule in rules("alert")}


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_a_page_that_says_what_to_do(rule: dict[str, Any]) -> None:
    page, _, head = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text()
    assert not head or f"### {rule['alert']}\n" in text
    assert not head or head == rule["alert"].lower()
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_is_recorded_is_in_the_documentation() -> None:
    page = (ROOT / "docs/prometheus.md").read_text()
    for rule in rules("record"):
        assert rule["record"] in page or re.sub(r".*(:p95_1h)", r"…\1", rule["record"]) in page
