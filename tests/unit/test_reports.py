"""Runs as files for others: JUnit XML for build servers, one page for people."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite

from api.report import Report, report_page
from synthetics.commands.junit import junit_document
from synthetics.commands.run import check_writable
from synthetics.commands.shell import Refused
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.cost import Cost
from synthetics.model.run import Outcome, Run
from tests.support.runs import NOW, a_run, a_spec, a_timing, tick

PROMISES = {case.id: case.promise for case in a_spec().cases}
ALL_WAYS = (
    Check("OD-01", CheckOutcome.FAILED, "unexpected: status: wanted 200, got \x1b[31m500", {"body": "<b>&"}),
    Check("OD-02", CheckOutcome.DEGRADED, "it came late"),
    Check("OD-03", CheckOutcome.SKIPPED, "not here"),
)


def suites(tmp_path: Path, *runs: Run) -> list[TestSuite]:
    """The suites of these runs' document, as somebody else reads it."""
    file = tmp_path / "report.xml"
    junit_document(runs, PROMISES).write(str(file), pretty=True)
    return list(JUnitXml.fromfile(str(file)))


def test_a_suite_for_each_run_and_a_test_for_each_case(tmp_path: Path) -> None:
    run = a_run(tick(1), Outcome.FAILED, checks=ALL_WAYS, timings=[a_timing(4.2)])
    (suite,) = suites(tmp_path, run)

    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == (
        "open_document",
        3,
        1,
        0,
        1,
    )
    assert suite.time == run.took.total_seconds()
    properties = {each.name: each.value for each in suite.properties()}
    assert properties["run"] == str(run.id)
    assert properties["opening_near_seconds"] == "4.200"
    broken, late, skipped = suite
    assert broken.name == "OD-01 A document opens in time."
    (failure,) = broken.result
    assert isinstance(failure, Failure)
    assert failure.message == r"unexpected: status: wanted 200, got \x1b[31m500"
    assert failure.text == "body: <b>&"
    assert late.result == []
    assert late.system_out == "degraded: it came late"
    assert isinstance(skipped.result[0], Skipped)


def test_a_run_that_broke_without_a_case_is_an_error_of_its_own(tmp_path: Path) -> None:
    broken = a_run(tick(1), Outcome.BROKEN, checks=(), reason="no credentials")
    (suite,) = suites(tmp_path, broken)

    (case,) = suite
    assert (suite.tests, suite.errors) == (1, 1)
    assert isinstance(case.result[0], Error)
    assert case.result[0].message == "no credentials"


def test_the_page_tells_everything_and_loads_nothing() -> None:
    runs = [
        a_run(tick(2), timings=[a_timing(4), a_timing(6)]),
        a_run(tick(1), Outcome.FAILED, checks=ALL_WAYS, timings=[a_timing(5)]),
    ]
    report = Report(runs, PROMISES, {timing.name: timing.phases for timing in a_spec().timings})
    page = report_page(report, NOW)

    assert report.passed == 1
    assert report.worst is Outcome.FAILED
    (series,) = report.series
    assert (series.count, series.mean, series.longest) == (3, timedelta(seconds=5), timedelta(seconds=6))
    assert "1 of 2" in page
    assert "1 failed, 1 degraded, 1 skipped" in page
    assert "A document opens in time." in page
    assert "&lt;b&gt;&amp;" in page
    assert not re.search(r"<script|<link|src=|href=\"(?!#)|url\(", page)


def test_the_page_adds_up_what_was_used_and_spent() -> None:
    usage = {"dynamodb.Query": 3.0, "dynamodb.GetItem": 2.0, "fargate.vcpu_hours": 0.25}
    cost = Cost(0.011, {"fargate": 0.01, "dynamodb": 0.001})
    report = Report([a_run(tick(back), usage=usage, cost=cost) for back in (2, 1)], PROMISES, {})

    assert report.used == {"dynamodb requests": 10.0, "fargate.vcpu_hours": 0.5}
    assert list(report.shares) == ["fargate", "dynamodb"]
    assert report.shares["fargate"] == pytest.approx(0.02)
    page = report_page(report, NOW)
    assert "dynamodb requests" in page
    assert "$0.02" in page


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(Refused, match=r"taken/report.xml cannot be written \(.+\); name another file"):
        check_writable(tmp_path / "taken" / "report.xml")

    check_writable(tmp_path / "new" / "report.xml")
    assert not (tmp_path / "new" / "report.xml").exists()
