"""`synthetics serve` as a process: a real cold start read through the API, and a database that comes late."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import probes
from synthetics.store.cluster import Cluster
from tests.support.database import NewDatabase
from tests.support.grafana import expressions
from tests.support.monitor import left_behind
from tests.support.prometheus import RunningPrometheus, prometheus
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import Service, call, due_in, environment, only, serving

CLIENT = "serve-"
#: A metric of ours in a rule's query, recorded ones too, with its labels.
SELECTOR = re.compile(r"\bsynthetics[a-z0-9_:]+(?:\{[^}]*\})?")


@dataclass(frozen=True, slots=True)
class Observed:
    """A service that has run one cold start, and that run as its log told it."""

    service: Service
    run: dict[str, Any]
    token: str

    def json(self, path: str) -> dict[str, Any]:
        answer = self.service.get(path)
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    def run_once_more(self) -> None:
        """Ask for a cold start beside the schedule, and wait until it has ended."""
        asked = httpx.post(
            f"{self.service.url}/api/v1/probes/cold-start/runs",
            headers={"Authorization": f"Bearer {self.token}"}, json={}, trust_env=False,
        )  # fmt: skip
        assert asked.status_code in (202, 409), asked.text  # the schedule may have been first
        until(lambda: len(self.service.events("run.finished")) > 1, 60, "the end of another cold start")


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory, platform: RunningSandbox, new_database: NewDatabase
) -> Iterator[Observed]:
    place = tmp_path_factory.mktemp("serve")
    settings = environment(
        place, platform.environment, SYNTHETICS_DATABASE_URL=new_database(), CLIENT_PREFIX=CLIENT
    )
    soon = due_in("cold-start", 3, at_least=20)
    config = only("cold-start", every=soon)
    with serving(place, settings, config=config) as service:
        finished = service.wait_for("run.finished", within=60)
        token = call(place, settings, "token", "create", "tests", "--scope", "act")
        yield Observed(service, finished, token.stdout.strip())


def test_the_worker_claims_soon_and_a_cold_start_passes_and_leaves_nothing(
    observed: Observed, platform: RunningSandbox
) -> None:
    assert (observed.run["outcome"], observed.run["reason"]) == ("passed", None)
    assert observed.service.get("/healthz").json()["role"] == "all"
    assert observed.service.get("/readyz").json() == {"ready": True, "reasons": []}
    until(lambda: left_behind(platform, CLIENT) == [], 10, "the end of the clean-up")


def test_the_run_is_told_whole_by_the_api(observed: Observed) -> None:
    told = observed.json(f"/api/v1/runs/{observed.run['run_id']}")

    assert (told["run"]["probe"], told["run"]["outcome"]) == ("cold-start", "passed")
    assert told["run"]["took_seconds"] == pytest.approx(observed.run["took_seconds"], abs=0.001)
    assert [step["outcome"] for step in told["steps"]] == ["passed"] * 8
    assert {check["case"]: check["outcome"] for check in told["checks"]} == observed.run["checks"]
    timings = {timing["name"]: timing for timing in told["timings"]}
    assert set(timings) == {"cold_start", "warm_start", "shutdown"}
    for timing in timings.values():
        whole = sum(phase["seconds"] for phase in timing["phases"])
        assert whole == pytest.approx(timing["seconds"], abs=0.001)
    assert [phase["name"] for phase in timings["cold_start"]["phases"]][:3] == [
        "request",
        "schedule",
        "network",
    ]
    assert {entry["state"] for entry in told["resources"]} == {"gone"}
    assert told["cleanup_errors"] == []
    assert told["trace_id"] == observed.run["trace_id"]


def test_status_probes_and_the_pages_of_runs_know_it(observed: Observed) -> None:
    run_id = observed.run["run_id"]

    status = observed.json("/api/v1/status")
    listed = observed.json("/api/v1/probes/cold-start/runs?limit=20")
    names = {probe["name"] for probe in observed.json("/api/v1/probes")["probes"]}
    newest = observed.json("/api/v1/timings/cold_start?probe=cold-start")

    assert "cold-start" in {probe["name"] for probe in status["probes"]}
    assert run_id in {run["id"] for run in listed["runs"]}
    assert names == {probe.name for probe in probes.CATALOGUE}
    assert newest["name"] == "cold_start"
    page = observed.service.get("/")
    assert all(name in page.text for name in names)
    shown = observed.service.get(f"/runs/{run_id}")
    assert "the_preview_appears" in shown.text or "the preview appears" in shown.text


def test_metrics_carry_its_timings_and_its_cases(observed: Observed) -> None:
    text = observed.service.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(name: str, **labels: str) -> float:
        (found,) = (
            sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
        return found

    assert value("synthetics_runs_total", probe="cold-start", outcome="passed") >= 1
    assert value("synthetics_timing_seconds_count", probe="cold-start", timing="cold_start") >= 1
    assert value("synthetics_timing_seconds_sum", timing="cold_start") > 0
    assert value("synthetics_phase_seconds_sum", timing="cold_start", phase="pull") > 0
    assert value("synthetics_check_passed", probe="cold-start", case="CS-01") == 1
    assert value("synthetics_probe_up", probe="cold-start") == 1


def test_it_waits_for_a_database_that_is_not_there_yet_says_so_and_then_works(
    tmp_path: Path, platform: RunningSandbox, postgres: Cluster, empty_database_url: str
) -> None:
    # The database is away until its socket can be found where the setting says.
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    url = empty_database_url.replace(quote(str(postgres.socket_directory), ""), quote(str(sockets), ""))
    settings = environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=url)
    with serving(tmp_path, settings, role="api") as service:
        until(lambda: len(service.events("store.awaited")) >= 3, 20, "three tries")
        before = service.get("/readyz")
        alive = service.get("/healthz")
        (sockets / ".s.PGSQL.5432").symlink_to(postgres.socket_directory / ".s.PGSQL.5432")
        service.until_ready()
        page = service.get("/")

    tried = [event["why"].rpartition("again in ")[2] for event in service.events("store.awaited")]
    assert tried[:3] == ["0.2 s", "0.4 s", "0.8 s"]
    assert (alive.status_code, page.status_code) == (200, 200)
    assert before.status_code == 503
    assert "cannot be used: connection" in before.json()["reasons"][0]


def test_told_to_stop_while_it_waits_for_the_database_it_stops(tmp_path: Path) -> None:
    nowhere = environment(
        tmp_path,
        SYNTHETICS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
        ALB_ENDPOINT="http://127.0.0.1:1",
    )
    with serving(tmp_path, nowhere, role="worker") as service:
        service.wait_for("store.awaited")
        service.terminate()
        assert service.wait(5) == 0


def test_two_services_may_make_the_schema_of_one_database_at_once(
    tmp_path: Path, platform: RunningSandbox, empty_database_url: str
) -> None:
    settings = environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=empty_database_url)
    with (
        serving(tmp_path / "one", settings, role="api") as one,
        serving(tmp_path / "other", settings, role="api") as other,
    ):
        one.until_ready()
        other.until_ready()

    told = call(tmp_path, settings, "migrate")
    assert "already" in told.stdout


#: Metrics that a healthy service has no series of, or of one run alone, and why.
EMPTY = {
    "synthetics_resources_stuck": "everything that the run made is gone",
    "synthetics_resources_leaked_total": "the sweep found nothing",
    "synthetics_orphans": "the platform forgot nothing",
    "synthetics_notices_total": "no notifier is configured",
    "synthetics_incidents_open": "nothing is wrong",
    "synthetics_slo_burn_rate": "a window without a run of a timing with a target burns nothing",
    'timing="wake"': "cold starts alone run here",
    "synthetics_timing_baseline_seconds": "two runs are too few to say what is usual",
}
#: What asks for the bad alone finds nothing of a healthy service.
BAD_ALONE = re.compile(r"(== 1|== 0|< 1)\)?$|outcome!=")


@pytest.fixture(scope="module")
def watched(observed: Observed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    """A Prometheus that has looked on while a run ended, and has evaluated every rule since."""
    with prometheus(
        tmp_path_factory.mktemp("prometheus"), observed.service.url.removeprefix("http://")
    ) as running:
        until(lambda: running.query("synthetics_build_info"), 20, "a scrape")
        observed.run_once_more()
        until(lambda: running.query("sum(increase(synthetics_runs_total[5m])) > 0"), 20, "that run's scrape")
        until(lambda: running.query("synthetics:phase_seconds:mean1h"), 20, "what is recorded")
        yield running


def test_a_real_prometheus_finds_what_its_rules_ask_for(observed: Observed, watched: RunningPrometheus) -> None:
    rules = watched.rules()
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = {rule["name"] for rule in rules if rule["type"] == "alerting" and rule["state"] == "firing"}
    assert firing <= {"SyntheticsIdle"}, "while all is well"
    asked = {found for rule in rules for found in SELECTOR.findall(rule["query"])}
    assert len(asked) > 15
    declared = observed.service.get("/metrics").text
    for selector in sorted(asked):
        name = selector.partition("{")[0]
        family = re.sub("_(total|bucket|sum|count)$", "", name)
        assert ":" in name or f"# TYPE {family} " in declared or f"# TYPE {name} " in declared
        assert name in EMPTY or watched.query(selector), f"no series for {selector}"


def test_every_question_of_every_board_has_an_answer(watched: RunningPrometheus) -> None:
    silent = [expression for expression in expressions() if not watched.query(expression)]
    unexplained = [
        expression
        for expression in silent
        if not BAD_ALONE.search(expression) and not any(name in expression for name in EMPTY)
    ]
    assert len(expressions()) > 45
    assert unexplained == []
