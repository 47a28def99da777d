"""How people write durations and names."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.words import LONGEST_PRINTED, did_you_mean, duration, in_words, nearest, plain, printable


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1H 30M", 5400),
        ("250ms", 0.25),
        ("2d", 172800),
        ("1.5h", 5400),
        ("PT15M", 900),
        ("PT1H30M", 5400),
        ("P1DT1S", 86401),
        (" 15m ", 900),
        (timedelta(seconds=3), 3),
    ],
)
def test_durations_are_read_as_people_write_them(written: object, seconds: float) -> None:
    assert duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", " ", "soon", "15 minutes", "-3s", "1h30", "P", "PT", "m", "1e3", "nan", "99999999999999d",
     True, None, [], float("inf"), float("nan")],
)  # fmt: skip
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration|long"):
        duration(written)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_duration_in_iso_8601_comes_back_the_same(took: timedelta) -> None:
    written = f"P{took.days}DT{took.seconds}.{took.microseconds:06d}S"

    assert abs(duration(written) - took) <= timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("took", "words"),
    [
        (timedelta(milliseconds=340), "340 ms"),
        (timedelta(seconds=4.214), "4.21 s"),
        (timedelta(seconds=125), "2 min 5 s"),
        (timedelta(minutes=15), "15 min"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
    ],
)
def test_durations_are_told_shortly(took: timedelta, words: str) -> None:
    assert in_words(took) == words


def test_a_name_that_is_nearly_right_is_recognised() -> None:
    assert plain(" Cold_Start") == "cold-start"
    assert nearest("cold_strat", ["cold-start", "session-resumption"]) == "cold-start"
    assert nearest("mail", ["cold-start"]) is None
    assert did_you_mean("cold_strat", ["cold-start"]) == "did you mean cold-start?"
    assert did_you_mean("mail", ["b", "a"]) == "known: a, b"
    assert did_you_mean("mail", []) == "there is none"


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("wanted 'ä', got “…” 🙂", "wanted 'ä', got “…” 🙂"),
        ("\x1b]0;mine\x07\x1b[2J", r"\x1b]0;mine\x07\x1b[2J"),
        ("\x9b31m, \x7f, \0", r"\x9b31m, \x7f, \x00"),
        ("one\r\n\ttwo", "one two"),
        ("\u202egpj.exe\u2066", r"\u202egpj.exe\u2066"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_printed(said: str, printed: str) -> None:
    assert printable(said) == printed
    assert printable(printed) == printed


def test_what_is_printed_is_cut_unless_all_is_wanted() -> None:
    assert printable("x" * 5000) == "x" * LONGEST_PRINTED + "…"
    assert printable("x" * LONGEST_PRINTED) == "x" * LONGEST_PRINTED
    assert printable("x" * 5000, most=None) == "x" * 5000
