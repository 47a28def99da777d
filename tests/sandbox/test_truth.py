"""The truth log: whole lines from many processes, in the order of their instants."""

import multiprocessing
from pathlib import Path

from sandbox.truth import Tail, Truth, find, load

LINES = 200


def _write(path: Path, writer: int) -> None:
    truth = Truth(path)
    for number in range(LINES):
        truth.write("thing.happened", writer=writer, number=number, padding="x" * 500)
    truth.close()


def test_lines_of_many_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    events = load(path)

    assert len(events) == 3 * LINES
    assert [event.at for event in events] == sorted(event.at for event in events)
    for number in range(3):
        told = [event.fields["number"] for event in find(events, "thing.happened", writer=number)]
        assert told == list(range(LINES))


def test_reading_from_an_instant_on(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth.jsonl")
    truth.write("first", at=10.0)
    truth.write("third", at=30.0)
    truth.write("second", at=20.0)
    assert [event.event for event in load(truth.path, since=15.0)] == ["second", "third"]
    truth.close()


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth.jsonl")
    truth.write("whole")
    with truth.path.open("a") as half:
        half.write('{"at": 1')
    assert [event.event for event in load(truth.path)] == ["whole"]
    truth.close()


def test_what_is_new_is_read_once_and_in_whole_lines(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth.jsonl")
    truth.write("before")
    tail = Tail(truth.path)
    truth.write("one")
    with truth.path.open("a") as log:
        log.write('{"at":1.0,"eve')
    assert [event.event for event in tail.more()] == ["one"]
    with truth.path.open("a") as log:
        log.write('nt":"two"}\n')
    assert [event.event for event in tail.more()] == ["two"]
    assert tail.more() == []


def test_nothing_was_written_yet(tmp_path: Path) -> None:
    assert load(tmp_path / "truth.jsonl") == []
