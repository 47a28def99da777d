"""The dashboard and its alarms: valid, and about metrics that runs really publish."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

import probes
from probes.platform.settings import PlatformSettings
from synthetics.metrics.results import Datum, datums
from synthetics.model.timing import Timing
from tests.support.runs import a_run, tick

TEMPLATE = Path(__file__).parents[2] / "deploy" / "cloudwatch" / "dashboard.yaml"
NAMES = probes.result_names(PlatformSettings(alb_endpoint="http://127.0.0.1:1"))


class _Loader(yaml.SafeLoader):
    """CloudFormation's short forms as plain values."""


def _construct(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _construct)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return found


@pytest.fixture(scope="module")
def published() -> list[Datum]:
    """What a run of the catalogue publishes that took every timing."""
    timings = [
        Timing(timing.name, timedelta(seconds=1)) for probe in probes.CATALOGUE for timing in probe.spec.timings
    ]
    return datums(a_run(tick(1), timings=timings), NAMES)


def test_it_is_a_valid_template() -> None:
    assert lint_file(TEMPLATE) == []


def test_what_it_shows_is_published(template: dict[str, Any], published: list[Datum]) -> None:
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    whole = {datum.name for datum in published if datum.probe is None}
    each = {datum.name for datum in published if datum.probe is not None}
    shown, searched = set(), set()
    for widget in json.loads(body)["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if metric[0] == "${Namespace}":
                shown.add(metric[1])
            elif isinstance(metric[0], dict):
                search = re.search(r"\{\$\{Namespace\},(\w+)\} MetricName=\"(\w+)\"", metric[0]["expression"])
                assert search is not None
                assert search[1] == NAMES.dimension
                searched.add(search[2])
    assert shown == {"TestSuccessRate", "ColdStartLatency", "SessionCreationLatency", "TestCost"} <= whole
    assert searched == {"TestSuccess", "TestDuration"} <= each


def test_its_alarms_are_those_of_the_platform_and_watch_what_is_published(
    template: dict[str, Any], published: list[Datum]
) -> None:
    alarms = {
        found["Properties"]["AlarmName"]: found["Properties"]
        for found in template["Resources"].values()
        if found["Type"] == "AWS::CloudWatch::Alarm"
    }
    whole = {datum.name for datum in published if datum.probe is None}
    assert set(alarms) == {
        "webordinary-integration-test-failures",
        "webordinary-performance-regression",
        "webordinary-test-cost-budget",
    }  # fmt: skip
    for alarm in alarms.values():
        watched = alarm.get("MetricName") or alarm["Metrics"][1]["MetricStat"]["Metric"]["MetricName"]
        assert watched in whole
    assert template["Parameters"]["Namespace"]["Default"] == NAMES.namespace
