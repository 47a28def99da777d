"""What a preview may show until the site is there, and what is told of anything else."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from probes.between import Between
from probes.platform import Context
from probes.platform.replies import Reply
from synthetics.contract.context import CheckNote
from synthetics.errors import Unexpected
from synthetics.model.check import CheckOutcome
from tests.support.clock import FakeClock

WAKING = "<title>Waking Up Edit Session</title><p>chat-1"
SITE = "<html><h1>A shop</h1>"


def answer(status: int, text: str = "", failure: str | None = None) -> Reply:
    return Reply("GET preview", status, timedelta(0), text=text, failure=failure)


def seen(*answers: Reply, codes: frozenset[int] = frozenset({202, 503})) -> tuple[Between, CheckNote]:
    """A wait that saw these answers, one a second."""
    clock = FakeClock()
    platform = SimpleNamespace(settings=SimpleNamespace(starting_page_status=codes))
    told: Any = SimpleNamespace(instant=clock.monotonic, platform=platform)
    between = Between(cast(Context, told), "chat-1", since=clock.monotonic())
    for one in answers:
        clock.advance(timedelta(seconds=1))
        between.note(one)
    return between, CheckNote()


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [answer(202, WAKING), answer(503, WAKING)],
        [answer(404, "<h1>Edit Session Starting</h1>")],
        [answer(502, "Container unreachable")],
        [answer(200, SITE)],
    ],
    ids=["nothing", "waking", "site-not-built", "unreachable", "site"],
)
def test_what_is_promised_passes(answers: list[Reply]) -> None:
    between, check = seen(*answers)

    between.judge(check)

    assert (check.outcome, check.reason) == (CheckOutcome.PASSED, None)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (answer(502, "<h1>502 Bad Gateway</h1>"), "502: page '502 Bad Gateway' (once, after 2.0 s)"),
        (answer(503, "<h1>503 Slow down</h1>"), "503: page '503 Slow down' (once, after 2.0 s)"),
        (answer(200), "200 with an empty body (once, after 2.0 s)"),
        (answer(0, failure="timeout"), "no answer (timeout) (once, after 2.0 s)"),
    ],
)
def test_what_the_broad_set_allows_is_tolerated_and_told(odd: Reply, said: str) -> None:
    between, check = seen(answer(202, WAKING), odd, answer(200, SITE))
    check.degrade("no Retry-After")

    between.judge(check)

    assert check.outcome is CheckOutcome.DEGRADED
    assert str(check.reason).startswith("no Retry-After; preview while the chat woke: wanted the waking page")
    assert str(check.reason).endswith(f"accepted {said}")


@pytest.mark.parametrize(
    "wrong",
    [
        answer(500, "<h1>500</h1>"),
        answer(504, "<h1>504</h1>"),
        answer(404, "<h1>404</h1>"),
        answer(202, "<h1>202</h1>"),
    ],
    ids=["500", "504", "unknown-session", "not-the-waking-page"],
)
def test_anything_else_is_a_broken_promise_told_by_answer_time_and_number(wrong: Reply) -> None:
    between, check = seen(answer(202, WAKING), wrong, wrong, answer(502, "<p>502"), wrong)

    with pytest.raises(Unexpected) as told:
        between.judge(check)

    assert str(told.value).endswith(f"got {wrong.told()} (3 times, from 2.0 s to 5.0 s)")
    assert len(between.told()) == 3


def test_a_waking_page_with_a_status_that_this_deployment_does_not_use_is_only_tolerated() -> None:
    between, check = seen(answer(503, WAKING), codes=frozenset({202}))

    between.judge(check)

    assert check.outcome is CheckOutcome.DEGRADED
