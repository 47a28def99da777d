"""Answers as values: which of them say that nobody was there, and what a person reads of them."""

from datetime import timedelta

import pytest

from probes.platform.replies import Reply
from synthetics.errors import Unavailable, Unexpected

NO_TARGET = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>…</body></html>"


def reply(status: int, text: str = "", failure: str | None = None, of: str = "Hermes") -> Reply:
    return Reply("GET /hermes/health", status, timedelta(0), text=text, failure=failure, of=of)


@pytest.mark.parametrize(
    ("answer", "away"),
    [
        (reply(503, NO_TARGET), True),
        (reply(502, "<html>…"), True),
        (reply(0, failure="connection refused"), True),
        (reply(503, '{"message": "busy"}'), False),
        (reply(504, "<html>…"), False),
        (reply(0, failure="timeout: nothing complete within 10 s"), False),
        (reply(503, NO_TARGET, of=""), False),
        (reply(200, "{}"), False),
    ],
)
def test_a_part_is_away_where_the_load_balancer_or_nobody_answers_for_it(answer: Reply, away: bool) -> None:
    assert answer.away is away


def test_what_is_away_is_told_as_that_and_a_page_by_its_title() -> None:
    with pytest.raises(Unavailable) as told:
        reply(503, NO_TARGET).expect("health", 200)

    assert str(told.value) == (
        "Hermes is away: health: wanted 200, got 503: page '503 Service Temporarily Unavailable'"
    )


def test_an_answer_of_its_own_is_a_broken_expectation() -> None:
    with pytest.raises(Unexpected, match="unexpected: health: wanted 200, got 503: busy"):
        reply(503, '{"message": "busy"}').expect("health", 200)
