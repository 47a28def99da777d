"""Runs as JSON documents, for machines that read the command line."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from synthetics.commands.shell import ExitCode
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run, StepResult
from synthetics.model.timing import Timing

Document = dict[str, object]


def run_document(run: Run) -> Document:
    """One run, whole: the run itself, its steps, its checks and its timings with their phases."""
    return {
        "run": run_head(run),
        "steps": [_step(step) for step in run.steps],
        "checks": [
            {
                "case": check.case,
                "outcome": check.outcome.value,
                "reason": check.reason,
                "evidence": dict(check.evidence),
            }
            for check in run.checks
        ],
        "timings": [_timing(timing) for timing in run.timings],
    }


def runs_document(runs: Sequence[Run]) -> Document:
    """Several runs, and how many ended in which way."""
    outcomes = Counter(run.outcome for run in runs)
    cases = Counter(check.outcome for run in runs for check in run.checks)
    return {
        "runs": [run_document(run) for run in runs],
        "summary": {
            "total": len(runs),
            **{outcome.value: outcomes[outcome] for outcome in Outcome},
            "cost_dollars": round(sum(run.cost.dollars for run in runs), 9),
            "cases": {outcome.value: cases[outcome] for outcome in CheckOutcome},
        },
    }


def run_head(run: Run) -> Document:
    """A run without what happened inside it."""
    return {
        "id": str(run.id),
        "probe": run.key.probe,
        "location": run.key.location,
        "tick": run.key.tick.isoformat(),
        "trigger": run.key.trigger.value,
        "attempt": run.key.attempt,
        "outcome": run.outcome.value,
        "reason": run.reason,
        "started": _moment(run.started),
        "finished": _moment(run.finished),
        "took_seconds": _seconds(run.took),
        "waited_seconds": _seconds(run.waited),
        "worker": run.worker,
        "tag": run.tag,
        "trace_id": run.trace_id,
        "confirms": None if run.confirms is None else str(run.confirms),
        "cleanup_errors": list(run.cleanup_errors),
        "versions": dict(run.versions),
        "facts": dict(run.facts),
        "usage": dict(run.usage),
        "cost_dollars": round(run.cost.dollars, 9),
    }


def exit_code(runs: Sequence[Run]) -> ExitCode:
    """Failed if the platform broke any promise; else broken if any run could not tell; else passed."""
    outcomes = {run.outcome for run in runs}
    if Outcome.FAILED in outcomes:
        return ExitCode.FAILED
    return ExitCode.PASSED if outcomes == {Outcome.PASSED} else ExitCode.BROKEN


def _step(step: StepResult) -> Document:
    return {
        "name": step.name,
        "outcome": step.outcome.value,
        "budget_seconds": _seconds(step.budget),
        "offset_seconds": _seconds(step.offset),
        "took_seconds": _seconds(step.took),
        "over_budget": step.over_budget,
    }


def _timing(timing: Timing) -> Document:
    return {
        "name": timing.name,
        "path": timing.path,
        "seconds": _seconds(timing.took),
        "offset_seconds": _seconds(timing.offset),
        "resolution_seconds": _seconds(timing.resolution),
        "stalled": timing.stalled,
        "phases": [{"name": phase.name, "seconds": _seconds(phase.took)} for phase in timing.phases],
    }


def _seconds(took: timedelta | None) -> float | None:
    return None if took is None else round(took.total_seconds(), 6)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
