"""New runs held against earlier ones: what is read, what is said, and how it ends."""

import json
from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from api.report import Report, report_page
from synthetics.commands.comparing import (
    compared,
    comparison_document,
    comparison_table,
    earlier_of_file,
    span_or_file,
    verdict,
)
from synthetics.commands.documents import run_document, runs_document
from synthetics.commands.junit import junit_document
from synthetics.commands.shell import ExitCode, Refused
from synthetics.model.run import Outcome, Run
from synthetics.regression.comparing import Compared
from tests.support.runs import NOW, a_run, a_timing, tick


def runs(seconds: Sequence[float], **changes: object) -> list[Run]:
    """A run for each, with one timing that took so long."""
    return [a_run(tick(back), timings=[a_timing(took)], **changes) for back, took in enumerate(seconds, 1)]


BEFORE = [4.0 + 0.01 * number for number in range(12)]


def written(tmp_path: Path, earlier: Sequence[Run]) -> Path:
    file = tmp_path / "before.json"
    file.write_text(json.dumps(runs_document(earlier)))
    return file


def against(tmp_path: Path, seconds: Sequence[float]) -> list[Compared]:
    return compared(earlier_of_file(written(tmp_path, runs(BEFORE))), runs(seconds))


def test_slower_runs_fail_and_are_told_everywhere(tmp_path: Path) -> None:
    found = against(tmp_path, [6.0, 6.1, 6.2, 6.3])
    (one,) = found

    assert verdict(found) is ExitCode.FAILED
    assert one.sentence.startswith("opening/near of open-document took 4.05 s, takes 6.15 s: 52% longer")
    told = comparison_document(one)
    assert (told["slower"], told["before_count"], told["after_count"]) == (True, 12, 4)
    console = Console(width=160, record=True, file=StringIO())
    console.print(comparison_table(found))
    assert "slower: 50% in fetch, 40% in draw, 10% in request" in console.export_text()
    junit = tmp_path / "junit.xml"
    junit_document(runs([6.0]), {}, found).write(str(junit))
    assert f'message="{one.sentence}"' in junit.read_text()
    page = report_page(Report(runs([6.0]), {}, {}, found), NOW)
    assert one.sentence in page


def test_as_before_passes_and_too_few_runs_tell_nothing(tmp_path: Path) -> None:
    assert verdict(against(tmp_path, [4.0, 4.05, 4.02, 3.9])) is ExitCode.PASSED
    assert verdict(against(tmp_path, [9.0])) is ExitCode.BROKEN
    assert verdict([]) is ExitCode.BROKEN


def test_only_what_speaks_about_the_platform_is_compared(tmp_path: Path) -> None:
    stalled = a_run(tick(1), timings=[a_timing(50.0, stalled=True)])
    unfinished = runs([60.0], outcome=Outcome.INTERRUPTED)
    earlier = earlier_of_file(written(tmp_path, [*runs(BEFORE), stalled, *unfinished]))
    ((_, took),) = earlier.items()
    assert sorted(one.seconds for one in took) == pytest.approx(BEFORE)
    assert compared(earlier, [stalled, *unfinished]) == []


def test_the_document_of_one_run_will_do(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(run_document(runs([4.0])[0])))
    assert len(earlier_of_file(file)) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"runs": 3}', '{"runs": [{}]}', "[1]", '"no"', "null"])
def test_another_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(Refused, match=r"other\.json: wanted what `synthetics run --json` wrote"):
        earlier_of_file(file)


def test_a_span_a_file_or_neither(tmp_path: Path) -> None:
    assert span_or_file("7d") == timedelta(days=7)
    assert span_or_file(str(written(tmp_path, []))) == tmp_path / "before.json"
    with pytest.raises(Refused, match="wanted how far back, such as 7d"):
        span_or_file(str(tmp_path / "nowhere.json"))
