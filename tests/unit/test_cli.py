"""The command line in this process: what it prints, where, and how it ends."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import synthetics
from synthetics import cli
from synthetics.commands.documents import exit_code, run_document, runs_document
from synthetics.commands.progress import Lines, Picture
from synthetics.commands.rendering import bar, print_runs
from synthetics.commands.run import choose
from synthetics.commands.shell import ExitCode, Refused
from synthetics.contract.context import ProbeContext
from synthetics.contract.probe import Probe, ProbeSpec, Severity, Step, TimingSpec, probe
from synthetics.contract.progress import Progress
from synthetics.errors import SettingsError, StoreError
from synthetics.log import LogFormat, LogLevel
from synthetics.model.check import Case, Check, CheckOutcome
from synthetics.model.run import Outcome, Run, RunKey, StepOutcome, StepResult, Trigger
from synthetics.model.timing import ZERO, Phase, Timing
from synthetics.queries.values import RunSummary
from synthetics.scheduling.catalogue import scheduled
from tests.support.logs import logs_restored

AT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
ASK = Step("ask", timedelta(seconds=2))
READ = Step("read", timedelta(seconds=1))


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    with logs_restored():
        yield


def make_probe(name: str) -> Probe:
    @probe(
        ProbeSpec(
            name=name,
            owner="somebody",
            severity=Severity.PAGE,
            every=timedelta(minutes=5),
            timeout=timedelta(minutes=1),
            steps=(ASK, READ),
            cases=(Case("AB-01", "An answer comes."), Case("AB-02", "It is right.")),
            timings=(TimingSpec("answer", "Asked to answered.", phases=("request", "pull")),),
        )
    )
    async def scenario(ctx: ProbeContext[object]) -> None:
        """Someone who asks gets an answer."""

    return scenario


ONE, OTHER = make_probe("one-answer"), make_probe("other-answer")


def make_run(outcome: Outcome = Outcome.PASSED, name: str = "one-answer", reason: str | None = None) -> Run:
    failed = outcome is Outcome.FAILED
    return Run(
        key=RunKey(name, "default", AT, Trigger.MANUAL),
        outcome=outcome,
        finished=AT + timedelta(seconds=3),
        reason=reason,
        started=AT,
        took=timedelta(seconds=3),
        tag="abc",
        steps=(
            StepResult("ask", StepOutcome.PASSED, ASK.budget, timedelta(0), timedelta(seconds=2.5)),
            StepResult("read", StepOutcome.NOT_REACHED, READ.budget),
        ),
        checks=(
            Check("AB-01", CheckOutcome.PASSED, evidence={"status": 200}),
            Check("AB-02", CheckOutcome.FAILED if failed else CheckOutcome.SKIPPED, reason),
        ),
        timings=(
            Timing(
                "answer",
                timedelta(seconds=2),
                resolution=timedelta(milliseconds=25),
                phases=(Phase("request", timedelta(seconds=0.5)), Phase("pull", timedelta(seconds=1.5))),
            ),
        ),
    )


def summary(run: Run) -> RunSummary:
    return RunSummary(
        run.id, run.key.probe, "default", AT, Trigger.MANUAL, 0, run.outcome, run.reason,
        run.started, run.finished, run.took, timedelta(0), "worker-1", None, False,
    )  # fmt: skip


class Service:
    """Stands in for the service behind the command line: answers with what it was given."""

    CATALOGUE = (ONE, OTHER)
    state_dir = Path("nowhere")

    def __init__(self, runs: Sequence[Run] = (), error: Exception | None = None) -> None:
        self.runs = list(runs)
        self.error = error
        self.asked: list[str] = []

    def load(self, config: Path | None, *, asking: bool = True) -> SimpleNamespace:
        settings = self.load_own(config)
        return SimpleNamespace(settings=settings, plan=scheduled(self.CATALOGUE, {}, sleep_patience=ZERO))

    def load_own(self, config: Path | None) -> SimpleNamespace:
        if isinstance(self.error, SettingsError):
            raise self.error
        return SimpleNamespace(
            log_format=LogFormat.JSON, log_level=LogLevel.INFO, state_dir=self.state_dir, database_url=None
        )

    def database_in_words(self, settings: SimpleNamespace) -> str:
        return f"the embedded database in {settings.state_dir}"

    async def run_probes(
        self, configuration: object, names: Sequence[str], progress: Progress, *, times: int
    ) -> list[Run]:
        assert times == 1
        if self.error:
            raise self.error
        self.asked = list(names)
        sys.stdout.write("chatter that must not reach standard output\n")
        for run in self.runs:
            progress.finished(run)
        return self.runs

    async def recent_runs(self, settings: object, name: str | None, limit: int) -> list[RunSummary]:
        return [summary(run) for run in self.runs if name in (None, run.key.probe)][:limit]


def call(monkeypatch: pytest.MonkeyPatch, service: Service, *arguments: str) -> int:
    """Call the command line as a person does; the answer is its exit code."""
    monkeypatch.setitem(sys.modules, "synthetics.main", service)
    monkeypatch.setattr(synthetics, "main", service, raising=False)
    monkeypatch.setattr(sys, "argv", ["synthetics", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.PASSED, 0),
        (Outcome.FAILED, 1),
        (Outcome.BROKEN, 2),
        (Outcome.MISSED, 2),
        (Outcome.INTERRUPTED, 2),
    ],
)
def test_the_exit_code_tells_how_the_run_ended(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, code: int
) -> None:
    assert call(monkeypatch, Service([make_run(outcome)]), "run", "one-answer") == code


def test_a_broken_promise_weighs_more_than_a_broken_probe() -> None:
    assert exit_code([make_run(Outcome.BROKEN), make_run(Outcome.FAILED)]) is ExitCode.FAILED
    assert exit_code([make_run(Outcome.BROKEN), make_run()]) is ExitCode.BROKEN
    assert exit_code([]) is ExitCode.BROKEN


def test_json_is_one_document_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service([make_run(Outcome.FAILED, reason="unexpected: answer: wanted 1, got 2")])

    assert call(monkeypatch, service, "run", "One_Answer", "--json") == 1

    told = capsys.readouterr()
    document = json.loads(told.out)
    assert service.asked == ["one-answer"]
    assert "chatter" in told.err
    assert list(document) == ["run", "steps", "checks", "timings"]
    assert document["run"]["outcome"] == "failed"
    assert document["run"]["reason"] == "unexpected: answer: wanted 1, got 2"
    assert document["run"]["took_seconds"] == 3.0
    assert document["steps"] == [
        {"name": "ask", "outcome": "passed", "budget_seconds": 2.0, "offset_seconds": 0.0, "took_seconds": 2.5,
         "over_budget": True},
        {"name": "read", "outcome": "not_reached", "budget_seconds": 1.0, "offset_seconds": None,
         "took_seconds": None, "over_budget": False},
    ]  # fmt: skip
    assert document["checks"][0] == {
        "case": "AB-01", "outcome": "passed", "reason": None, "evidence": {"status": 200}
    }  # fmt: skip
    assert document["timings"] == [
        {"name": "answer", "path": "", "seconds": 2.0, "offset_seconds": 0.0, "resolution_seconds": 0.025,
         "stalled": False, "phases": [{"name": "request", "seconds": 0.5}, {"name": "pull", "seconds": 1.5}]}
    ]  # fmt: skip


def test_json_of_all_has_every_run_and_a_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [make_run(), make_run(Outcome.FAILED, "other-answer")]

    assert call(monkeypatch, Service(runs), "run", "--all", "--json") == 1

    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == [json.loads(json.dumps(run_document(run))) for run in runs]
    assert document["summary"] == {
        "total": 2, "passed": 1, "failed": 1, "broken": 0, "missed": 0, "interrupted": 0,
        "cost_dollars": 0.0, "cases": {"passed": 2, "degraded": 0, "failed": 1, "skipped": 1},
    }  # fmt: skip
    assert runs_document(runs) == document


def test_people_read_cases_timings_and_phases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "unexpected: answer: wanted [bold]1[/bold], got 2"

    assert call(monkeypatch, Service([make_run(Outcome.FAILED, reason=reason)]), "run", "one-answer") == 1

    told = capsys.readouterr()
    assert "✗ one-answer failed in 3.00 s" in told.out
    assert "It is right." in told.out
    assert told.out.count(reason) == 2
    assert "■ request 0.50  ■ pull 1.50" in told.out
    assert "one-answer: failed in 3.00 s" in told.err


@pytest.mark.parametrize("arguments", [["run", "one-answer"], ["runs"]])
def test_what_a_platform_said_never_commands_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    reason = "\x1b]0;mine\x07\x1b[2Junexpected \ud800: " + "y" * 5000

    call(monkeypatch, Service([make_run(Outcome.FAILED, reason=reason)]), *arguments)

    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    assert "\x07" not in told.out + told.err
    assert r"\x1b]0;mine" in told.out
    assert "…" in told.out
    assert len(told.out) < 4000


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["run", "one-anwser"], "There is no probe called 'one-anwser'; did you mean one-answer?"),
        (["runs", "zzz"], "There is no probe called 'zzz'; known: one-answer, other-answer"),
        (["run"], "Which probe? Name one or more of one-answer, other-answer, or say --all."),
        (["run", "one-answer", "--all"], "Name probes or say --all, not both."),
        (["rnu"], "No such command 'rnu'"),
        (["runs", "--limit", "none"], "Invalid value for '--limit'"),
    ],
)
def test_a_bad_call_gets_a_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], wanted: str
) -> None:
    assert call(monkeypatch, Service(), *arguments) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert wanted in told.err


def test_every_unknown_probe_is_named() -> None:
    with pytest.raises(Refused) as refused:
        choose(["one-anwser", "othr-answer"], every=False, catalogue=(ONE, OTHER))

    assert str(refused.value).count("did you mean") == 2


def test_a_probe_named_twice_runs_once() -> None:
    assert choose(["other_answer", "one-answer", "other-answer"], every=False, catalogue=(ONE, OTHER)) == [
        OTHER,
        ONE,
    ]


def test_all_mistakes_in_settings_are_told_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(error=SettingsError(["a: found [red]1[/red]", "b: found 2"]))

    assert call(monkeypatch, service, "run", "--all") == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["2 things are wrong:", "  • a: found [red]1[/red]", "  • b: found 2"]


def test_an_error_of_ours_is_a_sentence_and_never_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        call(monkeypatch, Service(error=StoreError("the database is away")), "run", "one-answer", "--json") == 2
    )

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("the database is away\n")
    assert "Traceback" not in told.err


def test_an_error_of_several_lines_is_still_one_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, Service(error=StoreError("it does not answer\n\tIs it there?")), "run", "one-answer")

    assert capsys.readouterr().err.endswith("it does not answer\n Is it there?\n")


def test_a_mistake_of_ours_is_a_sentence_and_the_rest_is_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert call(monkeypatch, Service(error=KeyError("nothing")), "run", "one-answer") == 2

    told = capsys.readouterr().err
    assert "synthetics made a mistake of its own: KeyError: 'nothing'" in told
    assert "Traceback" not in told
    assert "Traceback" in (tmp_path / ".state" / "synthetics-error.log").read_text()


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert call(monkeypatch, Service(error=KeyError("nothing")), "--debug", "run", "one-answer") == 2

    assert "Traceback" in capsys.readouterr().err
    assert not (tmp_path / ".state").exists()


def test_probes_are_listed_with_promise_interval_and_cases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, Service(), "probes") == 0
    told = capsys.readouterr().out
    assert "one-answer" in told
    assert "Someone who asks gets an answer." in told
    assert "5 min" in told
    assert "AB-01 AB-02" in told

    assert call(monkeypatch, Service(), "probes", "--json") == 0
    (first, _) = json.loads(capsys.readouterr().out)
    assert (first["name"], first["every_seconds"], first["timings"][0]["phases"]) == (
        "one-answer", 300.0, ["request", "pull"]
    )  # fmt: skip


def test_runs_are_listed_newest_first_and_limited(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service([make_run(Outcome.FAILED, reason="[red]late"), make_run(name="other-answer"), make_run()])

    assert call(monkeypatch, service, "runs", "--limit", "2", "--json") == 0
    assert [run["outcome"] for run in json.loads(capsys.readouterr().out)] == ["failed", "passed"]
    assert call(monkeypatch, service, "runs", "one_answer") == 0
    told = capsys.readouterr()
    assert "2026-11-20 14:05:00Z" in told.out
    assert "[red]late" in told.out
    assert "other-answer" not in told.out
    assert told.err == "They are in the embedded database in nowhere.\n"


def test_without_runs_it_is_told_where_they_were_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service = Service()
    service.state_dir = tmp_path / "a state"

    assert call(monkeypatch, service, "runs") == 0
    assert (
        "".join(capsys.readouterr().out.split("\n"))
        == f"No runs yet in the embedded database in {service.state_dir}."
    )

    (service.state_dir / "demo" / "postgres").mkdir(parents=True)
    monkeypatch.setenv("COLUMNS", "1000")
    assert call(monkeypatch, service, "runs") == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "A demo keeps its runs in a database of its own: "
        f"SYNTHETICS_STATE_DIR='{service.state_dir}/demo' synthetics runs"
    )


@pytest.mark.parametrize(
    "arguments", [["run", "one-answer"], ["runs"], ["probes"], ["run", "one-answer", "--json"]]
)
def test_what_standard_output_cannot_write_is_spelled(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))

    call(monkeypatch, Service([make_run(Outcome.FAILED, reason="wanted 'ä🙂'")]), *arguments)

    sys.stdout.flush()
    told = written.getvalue().decode("ascii")
    assert told
    if "--json" in arguments:
        assert json.loads(told)["run"]["reason"] == "wanted 'ä🙂'"


def test_a_mistake_of_ours_is_written_down_in_the_state_directory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHETICS_STATE_DIR", str(tmp_path / "kept"))

    call(monkeypatch, Service(error=KeyError("nothing")), "run", "one-answer")

    assert "kept/synthetics-error.log" in "".join(capsys.readouterr().err.split())
    assert "Traceback" in (tmp_path / "kept" / "synthetics-error.log").read_text()
    assert not (tmp_path / ".state").exists()


def test_progress_in_lines_tells_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Console(width=200, highlight=False))
    run = make_run(Outcome.FAILED, reason="late")
    lines.started(ONE)
    lines.step_started(ONE, ASK)
    lines.step_ended(ONE, run.steps[0])
    for check in run.checks:
        lines.check_ended(ONE, check)
    lines.timing_taken(ONE, run.timings[0])
    lines.finished(run)

    assert capsys.readouterr().out.splitlines() == [
        "one-answer: started",
        "one-answer: step ask passed in 2.50 s (over its budget of 2.00 s)",
        "one-answer: AB-02 failed: late",
        "one-answer: answer took 2.00 s",
        "one-answer: failed in 3.00 s: late",
    ]


def test_the_picture_shows_steps_against_their_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    picture, run = Picture(), make_run(Outcome.FAILED, reason="late")
    console = Console(width=100, highlight=False, color_system=None)
    console.print(picture.render())
    picture.started(ONE)
    picture.step_started(ONE, ASK)
    console.print(picture.render())
    under_way = capsys.readouterr().out
    picture.step_ended(ONE, run.steps[0])
    for check in run.checks:
        picture.check_ended(ONE, check)
    picture.timing_taken(ONE, run.timings[0])
    picture.finished(run)
    console.print(picture.render())
    done = capsys.readouterr().out

    assert "Getting ready" in under_way
    assert "Someone who asks gets an answer." in under_way
    assert "of 2.00 s" in under_way
    assert "✓   ask" in done
    assert "2.50 s" in done
    assert "cases: 1 passed  1 failed  of 2" in done
    assert "✗ AB-02: late" in done
    assert "answer 2.00 s" in done


def test_a_bar_fills_its_width_whatever_the_rounding() -> None:
    phases = [("request", 0.3), ("pull", 0.3), ("start", 0.4)]

    assert bar(phases, width=10).plain == "█" * 10
    assert bar(phases, width=10, whole=2.0).plain == "█" * 5 + " " * 5
    assert bar([("request", 0.0)], width=4).plain == " " * 4
    assert bar(phases, width=10, whole=0.5).plain == "█" * 10


def test_several_runs_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_runs(Console(width=120), [make_run(), make_run(Outcome.BROKEN, reason="no credentials")], {})

    assert "2 runs: 1 passed, 1 broken" in capsys.readouterr().out
