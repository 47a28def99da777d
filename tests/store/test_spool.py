"""Entries on disk: in order, once, and whatever happens to the process or the file."""

import errno
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetics.model.check import Check, CheckOutcome
from synthetics.model.log_line import LogLine
from synthetics.model.resource import Resource, ResourceState
from synthetics.model.run import Outcome, Run, RunKey, Trigger
from synthetics.model.timing import Phase, Timing
from synthetics.store.entries import Created, Entry, Finished, Gone, Intended
from synthetics.store.spool import UNREADABLE, Spool, SpoolFull
from synthetics.store.storable import storable
from tests.store.builders import a_run, key


def finished(minute: int = 0) -> Finished:
    return Finished(a_run(key(minute)))


def drained(spool: Spool) -> list[Entry]:
    """Everything that waits, each let go after it was read."""
    entries = []
    while (entry := spool.first()) is not None:
        entries.append(entry)
        spool.done()
    return entries


def reopened(directory: Path) -> Spool:
    spool = Spool(directory)
    spool.adopt()
    return spool


texts = st.text(st.characters(exclude_categories=()), max_size=20)
durations = st.timedeltas(timedelta(0), timedelta(days=2))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
runs = st.builds(
    Run,
    key=st.builds(RunKey, texts, texts, moments, st.sampled_from(Trigger), st.integers(0, 3)),
    outcome=st.sampled_from(Outcome),
    finished=moments,
    reason=st.none() | texts,
    started=st.none() | moments,
    took=durations,
    confirms=st.none() | st.uuids(),
    checks=st.builds(
        Check,
        texts,
        st.sampled_from(CheckOutcome),
        st.none() | texts,
        st.dictionaries(texts, values, max_size=3),
    ).map(lambda check: (check,)),
    timings=st.builds(
        Timing, texts, durations, phases=st.builds(Phase, texts, durations).map(lambda phase: (phase,))
    ).map(lambda timing: (timing,)),
    facts=st.dictionaries(texts, texts, max_size=2),
    log=st.builds(
        LogLine,
        durations,
        texts,
        texts,
        st.dictionaries(texts, values, max_size=2),
        took=st.none() | durations,
        times=st.integers(1, 9),
    ).map(lambda line: (line,)),
)
things = st.builds(
    Resource,
    *(st.uuids(), st.uuids(), texts, texts, texts, texts, st.sampled_from(ResourceState), moments),
    details=st.dictionaries(texts, texts, max_size=2),
)
entries = (
    st.builds(Finished, runs)
    | st.builds(Intended, things)
    | st.builds(Created, st.uuids(), texts, st.dictionaries(texts, texts, max_size=2))
    | st.builds(Gone, st.uuids())
)


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, max_size=6))
def test_what_went_in_comes_out_as_the_database_would_keep_it(
    tmp_path_factory: Any, given: list[Entry]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"))
    for entry in given:
        spool.append(entry)
    assert len(spool) == len(given)

    assert drained(spool) == given
    assert len(spool) == 0
    spool.close()


def test_evidence_that_is_no_json_comes_out_as_the_database_would_keep_it(tmp_path: Path) -> None:
    odd = {"took": timedelta(seconds=1.5), "who": UUID(int=7), "states": ("a", "b")}
    spool = Spool(tmp_path)
    spool.append(Finished(a_run(key(), checks=(Check("CS-01", CheckOutcome.FAILED, "x", odd),))))

    (entry,) = drained(spool)

    assert isinstance(entry, Finished)
    kept = storable(entry.run.checks[0].evidence)
    assert kept == {"took": 1.5, "who": str(UUID(int=7)), "states": ["a", "b"]}


def test_what_a_process_left_is_adopted_in_order(tmp_path: Path) -> None:
    left = Spool(tmp_path)
    for minute in range(3):
        left.append(finished(minute))
    left.done()
    left.close()

    spool = reopened(tmp_path)
    spool.append(finished(3))

    # The first was let go only in the memory of its process: it is read once more, and kept but once.
    assert drained(spool) == [finished(minute) for minute in range(4)]
    spool.close()
    assert list(tmp_path.iterdir()) == [], "nothing waits, and no file stays"


def test_a_file_that_is_in_use_is_left_to_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from synthetics.store.spool import Spool; "
        "from tests.store.test_spool import finished; "
        f"spool = Spool(pathlib.Path({str(tmp_path)!r})); spool.append(finished(5)); "
        "print('written', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "written\n"
    spool = Spool(tmp_path)
    assert spool.adopt() == 0

    other.kill()
    other.wait()
    other.communicate()

    assert spool.adopt() == 1
    assert drained(spool) == [finished(5)]


def test_a_torn_tail_is_nothing_that_was_promised(tmp_path: Path) -> None:
    (path,) = written(tmp_path, 2)
    path.write_bytes(path.read_bytes()[:-20])

    assert drained(reopened(tmp_path)) == [finished(0)]


@pytest.mark.parametrize(
    "spoil", [lambda line: line.replace(b"cold", b"warm"), lambda line: b"\0" * 40 + b"\n"]
)
def test_a_line_that_cannot_be_read_is_put_aside_and_the_others_pass(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    (path,) = written(tmp_path, 3)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + spoil(second) + third)

    assert drained(reopened(tmp_path)) == [finished(0), finished(2)]
    assert (tmp_path / UNREADABLE).read_bytes() == spoil(second)


def test_a_line_of_another_version_is_put_aside_and_the_others_pass(tmp_path: Path) -> None:
    (path,) = written(tmp_path, 1)
    body = b'["forgotten", {"of": "a later version"}]'
    line = b"%08x %b\n" % (zlib.crc32(body), body)
    path.write_bytes(line + path.read_bytes())

    assert drained(reopened(tmp_path)) == [finished(0)]
    assert (tmp_path / UNREADABLE).read_bytes() == line


def test_one_that_the_database_will_never_take_is_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(finished(0))
    spool.append(finished(1))
    assert spool.first() == finished(0)

    spool.refuse("no partition of its month")

    assert drained(spool) == [finished(1)]
    assert b"cold-start" in (tmp_path / UNREADABLE).read_bytes()


def test_a_full_spool_keeps_the_oldest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=4_000)
    spool.append(finished(0))
    spool.append(finished(1))
    with pytest.raises(SpoolFull, match="is full: 2 entries"):
        spool.append(Finished(a_run(key(2), reason="a long story" * 300)))

    assert drained(spool) == [finished(0), finished(1)]
    spool.append(finished(99))
    assert drained(spool) == [finished(99)], "there is room again"


def test_a_full_disk_leaves_no_half_a_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(finished(0))
    with (
        a_disk_of(next(tmp_path.iterdir()).stat().st_size + 100),
        pytest.raises(OSError, match="large") as full,
    ):
        spool.append(finished(1))
    assert full.value.errno == errno.EFBIG

    spool.append(finished(2))

    assert drained(spool) == [finished(0), finished(2)]


@contextmanager
def a_disk_of(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes; Python ignores the signal, so that writing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def written(directory: Path, count: int) -> list[Path]:
    """The files of a process that wrote so many runs and ended."""
    spool = Spool(directory)
    for minute in range(count):
        spool.append(finished(minute))
    spool.close()
    return list(directory.iterdir())


def test_an_empty_place_is_an_empty_spool(tmp_path: Path) -> None:
    spool = reopened(tmp_path / str(uuid4()))
    assert (spool.first(), len(spool)) == (None, 0)
    spool.close()
