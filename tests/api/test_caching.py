"""What is known already is not sent again; badges, and who may keep what for how long."""

from xml.etree.ElementTree import fromstring

import pytest
from httpx import AsyncClient

from synthetics.model.run import Outcome
from synthetics.store.engine import Database
from tests.support.runs import a_run, record, tick


@pytest.mark.parametrize("path", ["/api/v1/probes", "/api/v1/probes/open_document/runs"])
async def test_an_answer_that_is_known_is_not_sent_again(
    client: AsyncClient, store: Database, path: str
) -> None:
    first = await client.get(path)
    etag = first.headers["etag"]
    again = await client.get(path, headers={"If-None-Match": f'"another", {etag}'})
    strong = await client.get(path, headers={"If-None-Match": etag.removeprefix("W/")})
    headed = await client.head(path, headers={"If-None-Match": etag})

    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache")
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert "content-length" not in again.headers
    assert (strong.status_code, headed.status_code) == (304, 304), "compared weakly, HEAD like GET"

    await record(store, a_run(tick(1)))
    changed = await client.get("/api/v1/probes/open_document/runs", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.headers["etag"] != etag) == (200, True)


async def test_compressed_or_not_it_is_the_same(client: AsyncClient) -> None:
    packed = await client.get("/", headers={"accept-encoding": "gzip"})
    plain = await client.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["etag"] == plain.headers["etag"]
    assert packed.headers["vary"] == "Accept-Encoding"


async def test_errors_and_acts_are_kept_by_nobody(client: AsyncClient) -> None:
    missing = await client.get("/api/v1/probes/nothing_of_the_kind", headers={"If-None-Match": "*"})
    refused = await client.post("/api/v1/probes/open_document/runs", json={})
    for answer in (missing, refused):
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("outcome", "state"), [(Outcome.PASSED, "up"), (Outcome.FAILED, "down"), (Outcome.BROKEN, "broken")]
)
async def test_a_badge_shows_a_probes_state(
    client: AsyncClient, store: Database, outcome: Outcome, state: str
) -> None:
    await record(store, a_run(tick(0), outcome))
    answer = await client.get("/badge/open-document.svg")

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "max-age=30"
    picture = fromstring(answer.text)
    assert picture.attrib["aria-label"] == f"open-document: {state}"
    assert [part.text for part in picture.iter("{http://www.w3.org/2000/svg}text")] == ["open-document", state]


async def test_a_badge_of_nothing_is_a_problem(client: AsyncClient) -> None:
    answer = await client.get("/badge/nothing_of_the_kind.svg")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_scripts_are_kept_and_styles_are_asked_for_again(client: AsyncClient) -> None:
    script = await client.get("/static/vendor/htmx-2.0.11.min.js")
    style = await client.get("/static/style.css")
    again = await client.get("/static/style.css", headers={"If-None-Match": style.headers["etag"]})

    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert style.headers["cache-control"] == "no-cache"
    assert again.status_code == 304
