"""The pages show what is known, work without a script, and never run what a platform said."""

import re
from datetime import timedelta
from html.parser import HTMLParser

from httpx import AsyncClient

from synthetics.model.check import Check, CheckOutcome
from synthetics.model.log_line import LogLine
from synthetics.model.run import Outcome, RunKey
from synthetics.store.engine import Database
from tests.support.runs import a_probe, a_run, a_timing, claim, publish, record, tick

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"


class Page(HTMLParser):
    """A page's text, links and tags; refuses tags that are not closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href" and value]
        self.scripts += [value for name, value in attrs if tag == "script" and name == "src" and value]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"{tag} closed out of order"

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


async def page(client: AsyncClient, path: str) -> Page:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    shown = Page(answer.text)
    assert shown.tags.count("script") == len(shown.scripts), "none is written into the page itself"
    assert all(source.startswith("/static/vendor/") for source in shown.scripts)
    assert not [name for name in shown.attributes if name.startswith("on") or name == "style"]
    return shown


async def test_the_status_page_shows_every_probe(client: AsyncClient, store: Database) -> None:
    passed = a_run(tick(1), timings=[a_timing(4.2), a_timing(12, path="far")])
    await record(store, passed, a_run(tick(2), Outcome.FAILED))
    await claim(store, RunKey("open_document", "default", tick(0)))

    shown = await page(client, "/")

    assert "The one promise holds." in shown.words
    assert "Someone who opens a document can read it." in shown.words
    assert "running now" in shown.words
    assert "4.20 s" in shown.words
    assert "12.0 s" in shown.words
    assert f"/runs/{passed.id}" in shown.links
    assert "/probes/open_document" in shown.links
    assert "alert" not in shown.words


async def test_an_empty_status_page_says_what_comes(client: AsyncClient, store: Database) -> None:
    await publish(store)

    assert "As soon as a worker starts, its probes appear here." in (await page(client, "/")).words


async def test_the_page_of_a_probe_shows_its_timings_and_runs(client: AsyncClient, store: Database) -> None:
    runs = [a_run(tick(back), timings=[a_timing(back / 10)]) for back in range(1, 31)]
    await record(store, *runs)

    first = await page(client, "/probes/open-document")
    [older] = [link for link in first.links if "cursor=" in link]
    second = await page(client, older)

    assert "open document up" in first.words
    assert "Median of each phase" in first.words
    assert "polyline" in first.tags
    assert f"/runs/{runs[24].id}" in first.links
    listed = {link for link in second.links if link.startswith("/runs/")}
    assert {f"/runs/{run.id}" for run in runs[25:]} <= listed


async def test_the_page_of_a_run_shows_steps_checks_and_phases(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1), Outcome.FAILED, timings=[a_timing(4.2)])
    await record(store, run)

    shown = await page(client, f"/runs/{run.id}")

    assert "open document failed" in shown.words
    assert "unexpected: status: wanted 200, got 500" in shown.words
    for words in (
        "ask for it",
        "wait for it",
        "OD-01",
        "A document opens in time.",
        "request 420 ms",
        "± 25 ms",
    ):
        assert words in shown.words, words
    assert '"status": 500' in shown.text


async def test_the_page_of_a_run_shows_what_was_logged(client: AsyncClient, store: Database) -> None:
    took = timedelta(milliseconds=12)
    said = (
        LogLine(took, "debug", "request.ended", {"service": "ecs", "outcome": "<b>ok"}, took=took, times=3),
        LogLine(took, "error", "probe.crashed", {"exception": "Traceback:\n  it broke"}),
    )
    run = a_run(tick(1), Outcome.FAILED, log=said)
    await record(store, run)

    shown = await page(client, f"/runs/{run.id}")

    assert "2 lines, counted from the run's start" in shown.words
    assert "0.012 s request.ended ×3 service ecs outcome <b>ok longest 12 ms" in shown.words
    assert "Traceback:\n  it broke" in shown.text


async def test_the_page_of_a_run_in_flight_or_never_started_is_shown(
    client: AsyncClient, store: Database
) -> None:
    flying = RunKey("open_document", "default", tick(0))
    missed = a_run(tick(1), Outcome.MISSED)
    await claim(store, flying)
    await record(store, missed)

    assert "running" in (await page(client, f"/runs/{flying.id}")).words
    assert "missed" in (await page(client, f"/runs/{missed.id}")).words


async def test_hostile_text_is_shown_and_never_run(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe(owner=HOSTILE))
    run = a_run(
        tick(1),
        Outcome.FAILED,
        reason=HOSTILE,
        worker=HOSTILE,
        checks=(Check("OD-01", CheckOutcome.FAILED, HOSTILE, {HOSTILE: [HOSTILE]}),),
        timings=[a_timing(3)],
        cleanup_errors=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        facts={HOSTILE: HOSTILE},
    )
    await record(store, run)

    for path in ("/", "/probes/open_document", f"/runs/{run.id}"):
        answer = await client.get(path)
        shown = await page(client, path)
        assert "alert('x')" in shown.text, path
        assert "img" not in shown.tags, path
        assert "{{ 7*7 }}" in shown.text, path
        assert "<script>" not in answer.text, path


async def test_the_api_is_described_on_a_page(client: AsyncClient) -> None:
    shown = await page(client, "/docs")

    assert "GET /api/v1/probes/{name}/runs" in shown.words
    assert "How many runs a page has at most. optional" in shown.words
    assert "/api/v1/openapi.json" in shown.links


async def test_links_of_the_pages_lead_somewhere(client: AsyncClient, store: Database) -> None:
    run = a_run(tick(1), timings=[a_timing(3)])
    await record(store, run)

    for path in ("/", "/docs", "/probes/open_document", f"/runs/{run.id}"):
        for link in (await page(client, path)).links:
            assert (await client.get(link)).status_code == 200, (path, link)


async def test_a_probe_that_is_not_scheduled_here_takes_no_room(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe("alpha"), disabled=[a_probe("beta")])

    page = (await client.get("/")).text

    assert page.count('<article class="card"') == 1
    assert re.search(r'Not scheduled here:\s+<a href="/probes/beta">beta</a>', page)


async def test_the_page_of_a_probe_has_its_cases_run_by_run_and_a_span_to_choose(
    client: AsyncClient, store: Database
) -> None:
    failed = a_run(tick(1), Outcome.FAILED, timings=[a_timing(4.2)])
    await record(store, failed, a_run(tick(2)), a_run(tick(3), Outcome.MISSED))

    answer = await client.get("/probes/open_document?span=30d")
    cells = re.findall(r'class="cell (\w+)" href="/runs/([0-9a-f-]+)" title="OD-01', answer.text)

    assert [outcome for outcome, _ in cells] == ["passed", "failed"], (
        "oldest first, and what tells nothing left out"
    )
    assert cells[1][1] == str(failed.id)
    assert "last 30d" in answer.text
    assert '<a href="/probes/open_document?span=30d" aria-current="true">30d</a>' in answer.text
    assert (await client.get("/probes/open_document?span=2h")).status_code == 422
