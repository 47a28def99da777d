"""Runs as JUnit XML, for build servers: a suite for each run, a test for each case."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from synthetics.model.check import Check, CheckOutcome
from synthetics.model.run import Outcome, Run
from synthetics.regression.comparing import Compared
from synthetics.words import printable

if TYPE_CHECKING:
    from junitparser import JUnitXml, TestCase, TestSuite


def junit_document(
    runs: Sequence[Run], promises: Mapping[str, str], compared: Sequence[Compared] = ()
) -> "JUnitXml":
    """The document. What is degraded passes, with its reason as output: within what is tolerated is no failure.

    What was compared with earlier runs is a suite of its own, a test for each timing.
    A run that ended badly without a case of its own to say so has one more test, which carries its name.
    """
    from junitparser import JUnitXml  # only where a report is written

    document = JUnitXml(name="synthetics")
    for run in runs:
        document.add_testsuite(_suite(run, promises))
    if compared:
        document.add_testsuite(_comparison(compared))
    return document


def _suite(run: Run, promises: Mapping[str, str]) -> "TestSuite":
    from junitparser import TestSuite  # see above

    suite = TestSuite(run.key.probe)
    suite.add_property("outcome", run.outcome.value)
    for name, value in {"run": str(run.id), "tag": run.tag, "trace_id": run.trace_id, **run.versions}.items():
        suite.add_property(name, str(value))
    for timing in run.timings:
        name = "_".join(filter(None, (timing.name, timing.path)))
        suite.add_property(f"{name}_seconds", f"{timing.took.total_seconds():.3f}")
    if run.started is not None:
        suite.timestamp = run.started.isoformat()
    suite.add_testcases([_case(run, check, promises) for check in run.checks])
    if run.outcome is not Outcome.PASSED and not any(_failed(check) for check in run.checks):
        suite.add_testcase(_run_itself(run))
    suite.time = run.took.total_seconds()  # cases do not share it out: they overlap
    return suite


def _comparison(compared: Sequence[Compared]) -> "TestSuite":
    from junitparser import Failure, Skipped, TestCase, TestSuite  # see above

    suite = TestSuite("comparison")
    for one in compared:
        case = TestCase(f"{one.of} is not slower than before", classname="comparison")
        case.system_out = one.sentence
        if one.comparison.slower:
            case.result = [Failure(one.sentence, "Slower")]
        elif not one.comparison.can_tell:
            case.result = [Skipped("too few runs to tell")]
        suite.add_testcase(case)
    return suite


def _case(run: Run, check: Check, promises: Mapping[str, str]) -> "TestCase":
    from junitparser import Failure, Skipped, TestCase  # see above

    case = TestCase(f"{check.case} {promises.get(check.case, '')}".strip(), classname=run.key.probe)
    reason = printable(check.reason or "", most=None)
    if _failed(check):
        failure = Failure(reason, "PromiseBroken")
        failure.text = "\n".join(
            f"{name}: {printable(str(value), most=None)}" for name, value in check.evidence.items()
        )
        case.result = [failure]
    elif check.outcome is CheckOutcome.SKIPPED:
        case.result = [Skipped(reason)]
    elif check.outcome is CheckOutcome.DEGRADED:
        case.system_out = f"degraded: {reason}"
    return case


def _run_itself(run: Run) -> "TestCase":
    from junitparser import Error, Failure, TestCase  # see above

    case = TestCase(f"{run.key.probe} {run.outcome}", classname=run.key.probe)
    kind = Failure if run.outcome is Outcome.FAILED else Error
    case.result = [kind(printable(run.reason or "", most=None), run.outcome.value)]
    return case


def _failed(check: Check) -> bool:
    return check.outcome is CheckOutcome.FAILED
