"""Every error is a problem document, and a page for those who look at pages."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api.problems import LONGEST, Problem
from synthetics.access import Access
from synthetics.clock import SystemClock
from synthetics.errors import StoreError
from synthetics.model.token import Scope
from synthetics.queries import Reads
from synthetics.store.engine import Database
from tests.support.runs import a_probe, publish

NOBODY = "00000000-0000-5000-8000-000000000000"


def problem(answer: Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = Problem.model_validate(answer.json())
    assert (told.status, told.type) == (status, "about:blank")
    return told


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/v1/probes/open-documnet", "there is no probe 'open-documnet'; did you mean 'open_document'?"),
        ("/api/v1/probes/xyz/runs", "there is no probe 'xyz'; there are: open_document"),
        ("/api/v1/timings/opening?probe=xyz", "there is no probe 'xyz'; there are: open_document"),
        (f"/api/v1/runs/{NOBODY}", f"there is no run {NOBODY}; runs are kept for a limited time"),
        ("/api/v1/nowhere", "there is nothing at /api/v1/nowhere"),
        ("/api/v1/probes/", "there is nothing at /api/v1/probes/"),
        ("/static/secret.txt", "there is nothing at /static/secret.txt"),
        ("/static/../main.py", "there is nothing at /main.py"),
        ("/static/%2e%2e/main.py", "there is nothing at /static/../main.py"),
    ],
)
async def test_what_does_not_exist_is_404(client: AsyncClient, store: Database, path: str, detail: str) -> None:
    assert problem(await client.get(path), 404).detail == detail


async def test_names_are_found_with_hyphens_and_in_any_case(client: AsyncClient, store: Database) -> None:
    answer = await client.get("/api/v1/probes/Open-Document")

    assert answer.json()["probe"]["name"] == "open_document"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("path", "allowed"), [("/api/v1/probes/open_document/runs", "GET, POST"), ("/api/v1/status", "GET")]
)
async def test_other_methods_are_told_which_there_are(
    client: AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert problem(answer, 405).detail == f"{method} is not possible at {path}"
    assert answer.headers["allow"] == allowed


async def test_a_field_that_there_is_not_is_named(client: AsyncClient, store: Database) -> None:
    _, secret = await Access(store, SystemClock()).create("robot", (Scope.ACT,), lasts=None)
    told = problem(
        await client.post(
            "/api/v1/probes/open_document/runs",
            json={"place": "east"},
            headers={"Authorization": f"Bearer {secret}"},
        ),
        422,
    )
    assert [(error.parameter, error.detail) for error in told.errors] == [("place", "there is no such field")]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/runs/17", "run_id"),
        ("/api/v1/probes/open_document/runs?limit=0", "limit"),
        ("/api/v1/probes/open_document/runs?limit=201", "limit"),
        ("/api/v1/probes/open_document/runs?limit=many", "limit"),
        ("/api/v1/probes/open_document/runs?outcome=fine", "outcome"),
        ("/api/v1/probes/open_document/runs?" + "&".join(["outcome=passed"] * 9), "outcome"),
        ("/api/v1/probes/open_document/runs?page=2", "page"),
        ("/api/v1/probes/open_document/runs?location=%00", "location"),
        ("/api/v1/timings/opening?path=%00", "path"),
        ("/api/v1/probes/" + "x" * 201, "name"),
    ],
)
async def test_parameters_out_of_bounds_are_422_and_named(
    client: AsyncClient, path: str, parameter: str
) -> None:
    told = problem(await client.get(path), 422)

    assert [wrong.parameter for wrong in told.errors] == [parameter]
    assert told.detail.startswith(f"{parameter}: ")


async def test_several_wrong_parameters_are_told_together(client: AsyncClient) -> None:
    told = problem(await client.get("/api/v1/probes/a/runs?limit=0&cursor=x&page=2"), 422)

    assert {wrong.parameter for wrong in told.errors} == {"limit", "cursor", "page"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (
            "/api/v1/probes/a/runs?page=2",
            "page: there is no such parameter; allowed are limit, cursor, outcome, location",
        ),
        ("/api/v1/timings?pro=a", "pro: there is no such parameter; allowed are probe"),
        (
            "/api/v1/timings/opening?form=a",
            "form: there is no such parameter; allowed are since, until, bucket, probe, path",
        ),
    ],
)
async def test_an_unknown_parameter_is_told_with_those_there_are(
    client: AsyncClient, path: str, wanted: str
) -> None:
    assert problem(await client.get(path), 422).detail == wanted


async def test_a_database_that_is_away_is_503(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def overview(self, **_: int) -> Any:
            raise StoreError("the database does not answer")

    app.state.reads = _with(app.state.reads, status=Away())
    async with _client(app) as client:
        answer = await client.get("/api/v1/status")

    assert problem(answer, 503).detail == "the database does not answer; try again shortly"
    assert answer.headers["retry-after"] == "5"


async def test_a_mistake_of_ours_is_500_and_tells_nothing(app: FastAPI) -> None:
    class Wrong:
        async def overview(self, **_: int) -> Any:
            raise RuntimeError("the password is tulip")

    app.state.reads = _with(app.state.reads, status=Wrong())
    async with _client(app) as client:
        answer = await client.get("/api/v1/status")

    assert "tulip" not in answer.text
    assert problem(answer, 500).detail == "something went wrong on our side; the log of this service says what"


async def test_who_looks_at_a_page_gets_a_page(client: AsyncClient, store: Database) -> None:
    await publish(store, a_probe())

    answer = await client.get("/probes/<script>", headers={"accept": "text/html,*/*"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "there is no probe &#39;&lt;script&gt;&#39;" in answer.text
    problem(await client.get("/probes/nobody", headers={"accept": "application/json"}), 404)


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml;q=0.9", None])
async def test_a_page_that_cannot_be_made_is_a_page_that_tries_again(app: FastAPI, accept: str | None) -> None:
    class Away:
        async def overview(self, **_: int) -> Any:
            raise StoreError("the database does not answer")

    app.state.reads = _with(app.state.reads, status=Away())
    async with _client(app) as client:
        if accept is None:
            del client.headers["accept"]
        answer = await client.get("/", headers={} if accept is None else {"accept": accept})

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["retry-after"] == "5"
    assert "the database does not answer; try again shortly" in answer.text
    assert 'http-equiv="refresh"' in answer.text


def _with(reads: Reads, **changes: Any) -> Reads:
    return Reads(**{**{name: getattr(reads, name) for name in Reads.__slots__}, **changes})


def _client(app: FastAPI) -> AsyncClient:
    transport = ASGITransport(app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://status.test")


async def test_what_a_caller_sent_comes_back_in_brief(client: AsyncClient, store: Database) -> None:
    nowhere = problem(await client.get("/api/v1/" + "x" * 20_000), 404)
    too_long = problem(await client.get("/api/v1/probes/" + "x" * 20_000), 422)

    assert len(nowhere.detail) == len(nowhere.instance) == len(too_long.instance) == LONGEST + 1
