"""A look through the router may start a task: there are few while nothing is coming, and many once it is."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from probes.looks import RouterLooks
from probes.platform import Context
from probes.platform.replies import Reply
from synthetics.contract.waiting import FINE, sight
from tests.support.clock import FakeClock

STARTING_PAGE = frozenset({202, 503})


@dataclass
class Router:
    """A router whose container is there `after` some seconds; its row says what `states` say by then."""

    clock: FakeClock
    after: float
    states: dict[float, str] = field(default_factory=dict)
    retry_after: str | None = "5"
    looks: list[float] = field(default_factory=list)
    row_reads: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.born = self.clock.monotonic()

    @property
    def age(self) -> float:
        return self.clock.monotonic() - self.born

    async def ask(self) -> Reply:
        self.looks.append(self.age)
        self.clock.advance(timedelta(milliseconds=5))
        headers = {"retry-after": self.retry_after} if self.retry_after else {}
        if self.age < self.after:
            return Reply("GET preview", 202, timedelta(0), headers)
        return Reply("GET preview", 200, timedelta(0))

    async def container(self, container_id: str) -> object:
        self.row_reads.append(self.age)
        past = [state for moment, state in sorted(self.states.items()) if moment <= self.age]
        return SimpleNamespace(status=past[-1]) if past else None

    async def pause(self, duration: timedelta) -> None:
        self.pauses.append(duration.total_seconds())
        await self.clock.sleep(duration)

    def context(self) -> Context:
        settings = SimpleNamespace(starting_page_status=STARTING_PAGE)
        platform = SimpleNamespace(tables=SimpleNamespace(container=self.container), settings=settings)
        told: Any = SimpleNamespace(
            instant=self.clock.monotonic, now=self.clock.now, pause=self.pause, platform=platform
        )
        return cast(Context, told)


async def seen(router: Router, container_id: str | None = "c-1") -> timedelta:
    """Look until the answer is 200; how finely that was watched."""
    looks = RouterLooks(router.context(), container_id, router.ask)
    sighting = await sight(
        router.clock,
        looks.look,
        until=lambda reply: reply.status == 200,
        within=timedelta(seconds=120),
        what="the preview",
        pace=FINE,
    )
    return sighting.resolution


async def test_while_the_row_says_that_the_container_comes_the_watch_is_fine() -> None:
    router = Router(FakeClock(), after=4.0, states={0.0: "starting", 3.9: "running"})

    resolution = await seen(router)

    assert resolution < timedelta(milliseconds=100)
    assert len(router.looks) > 50


async def test_a_row_that_never_changes_gets_as_few_looks_as_a_browser_would_make() -> None:
    router = Router(FakeClock(), after=42.0, states={0.0: "stopped"}, retry_after=None)

    resolution = await seen(router)

    assert len(router.looks) <= 10
    assert min(later - earlier for earlier, later in zip(router.looks, router.looks[1:], strict=False)) >= 5.0
    assert resolution >= timedelta(seconds=5)


async def test_the_watch_becomes_fine_as_soon_as_the_row_says_so() -> None:
    router = Router(FakeClock(), after=6.0, states={0.0: "stopped", 2.5: "starting"}, retry_after="30")

    resolution = await seen(router)

    early = [look for look in router.looks if look < 2.5]
    assert len(early) == 1
    assert resolution < timedelta(milliseconds=100)


async def test_the_row_is_read_at_most_once_a_second() -> None:
    router = Router(FakeClock(), after=20.0, states={0.0: "starting"})

    await seen(router)

    assert len(router.row_reads) <= 21


async def test_without_a_known_container_the_waking_page_sets_the_pace() -> None:
    router = Router(FakeClock(), after=12.0, states={0.0: "starting"}, retry_after="2")

    await seen(router, container_id=None)

    assert router.row_reads == []
    assert len(router.looks) <= 7
    assert len(router.pauses) <= len(router.looks), "there is nothing to wake up for between two looks"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("2", 2.0),
        (" 7 ", 7.0),
        ("0", 1.0),
        ("3600", 60.0),
        ("9" * 400, 60.0),
        ("\N{SUPERSCRIPT TWO}", 5.0),
        ("\N{ARABIC-INDIC DIGIT THREE}", 5.0),
        ("-3", 5.0),
        ("1.5", 5.0),
        ("soon", 5.0),
        ("", 5.0),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1.0),
        ("Sun, 01 Mar 99999 11:00:00 GMT", 5.0),
    ],
)
async def test_whatever_retry_after_says_the_next_look_comes_in_reason(told: str, seconds: float) -> None:
    router = Router(FakeClock(), after=1.0, retry_after=told)
    looks = RouterLooks(router.context(), None, router.ask)

    await looks.look()
    await looks.look()

    assert router.looks[1] - router.looks[0] == pytest.approx(seconds, abs=0.05)
