"""`synthetics run` as a process: what it finds out on a sandbox, and what it prints and returns."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

import probes
from tests.support.database import NewDatabase
from tests.support.monitor import FEW, left_behind
from tests.support.sandbox import RunningSandbox
from tests.support.service import Environment, assert_nothing_runs_in, call, environment

CASES = {probe.name: {case.id for case in probe.spec.cases} for probe in probes.CATALOGUE}


@pytest.fixture
def environ(tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase) -> Environment:
    """Points at the sandbox and at a database of this test's own."""
    return environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=new_database())


def document(told: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON document on standard output; anything beside it is an error."""
    assert told.stdout.startswith("{"), told.stderr
    read: dict[str, Any] = json.loads(told.stdout)
    return read


def failed_cases(run: dict[str, Any]) -> set[str]:
    return {check["case"] for check in run["checks"] if check["outcome"] == "failed"}


@pytest.mark.long
def test_all_probes_pass_on_a_healthy_platform_and_every_case_is_accounted_for(
    tmp_path: Path, platform: RunningSandbox
) -> None:
    # No database is named: the embedded one is started under the state directory, and stopped.
    told = call(
        tmp_path, environment(tmp_path, {**platform.environment, **FEW}), "run", "--all", "--json", within=180.0
    )

    found = document(told)
    assert told.returncode == 0, told.stderr
    assert {run["run"]["probe"]: {check["case"] for check in run["checks"]} for run in found["runs"]} == CASES
    assert {run["run"]["outcome"] for run in found["runs"]} == {"passed"}
    assert found["summary"]["total"] == found["summary"]["passed"] == len(CASES)
    for run in found["runs"]:
        assert all(check["outcome"] in ("passed", "skipped") for check in run["checks"]), run["checks"]
        assert all(check["reason"] for check in run["checks"] if check["outcome"] == "skipped")
        assert run["run"]["cleanup_errors"] == []
        assert left_behind(platform, run["run"]["tag"]) == []
        for timing in run["timings"]:
            whole = sum(phase["seconds"] for phase in timing["phases"])
            assert not timing["phases"] or whole == pytest.approx(timing["seconds"], abs=0.001)
    assert "Traceback" not in told.stderr
    assert_nothing_runs_in(tmp_path)


@pytest.mark.long
def test_under_a_fault_the_case_that_names_it_fails_in_every_probe_it_touches(
    tmp_path: Path, platform: RunningSandbox, environ: Environment
) -> None:
    platform.set_fault("activate-error", for_="down-")

    told = call(tmp_path, {**environ, "CLIENT_PREFIX": "down-"}, "run", "--all", "--json")

    found = document(told)
    assert told.returncode == 1, told.stderr
    asking_nobody = ("alb-routing", "infrastructure", "resumption-logic", "wake-router")
    by_mail = ("thread-identity", "mail-to-preview")
    unmoved = "autoscaling"  # this platform scales nothing, so there was nothing to ask for
    without_sessions = dict.fromkeys((*asking_nobody, *by_mail, unmoved), "passed")
    assert {run["run"]["probe"]: run["run"]["outcome"] for run in found["runs"]} == {
        **dict.fromkeys(CASES, "failed"),
        **without_sessions,
    }
    (cold,) = (run for run in found["runs"] if run["run"]["probe"] == "cold-start")
    assert "CS-01" in failed_cases(cold)
    assert "activate: wanted 2xx, got 500: Failed to activate session" in cold["run"]["reason"]
    assert left_behind(platform, "down-") == []


@pytest.mark.long
def test_under_another_fault_the_cases_it_breaks_fail_and_no_other(
    tmp_path: Path, platform: RunningSandbox, environ: Environment
) -> None:
    platform.set_fault("preview-broken", for_="pale-")

    reports = ("--junit", "junit.xml", "--html", "report.html")
    told = call(tmp_path, {**environ, "CLIENT_PREFIX": "pale-"}, "run", "cold-start", "--json", *reports)

    run = document(told)
    assert told.returncode == 1, told.stderr
    assert failed_cases(run) == {"CS-01", "CS-08"}
    (shown,) = (check["reason"] for check in run["checks"] if check["case"] == "CS-08")
    assert "answering 200" in shown
    assert "500" in shown
    assert run["run"]["reason"] == f"CS-01: {shown}", "what the preview showed is the first that people read"
    assert 'failures="2"' in (tmp_path / "junit.xml").read_text()
    assert str(escape(shown)) in (tmp_path / "report.html").read_text()
    assert left_behind(platform, "pale-") == []
