"""Who may read and act, with which token, how often, and how much may be sent."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import select

from api.access import ACTS_A_MINUTE
from api.middleware import MOST_BYTES
from synthetics.access import Access
from synthetics.model.token import Scope
from synthetics.redaction import clean_text
from synthetics.store.engine import Database
from synthetics.store.tables import tokens
from tests.support.alerting import Court, outage
from tests.support.clock import FakeClock
from tests.support.runs import tick


@pytest.fixture
def access(store: Database, clock: FakeClock) -> Access:
    return Access(store, clock)


async def _headers(access: Access, *scopes: Scope, lasts: timedelta | None = None) -> dict[str, str]:
    _, secret = await access.create("robot", scopes, lasts=lasts)
    return {"Authorization": f"Bearer {secret}"}


async def _incident(store: Database) -> str:
    court = Court(store)
    await court.keep(*outage(tick(8)))
    return f"/api/v1/incidents/{(await court.incidents())[0].id}"


async def test_an_incident_is_acknowledged_and_noted_under_the_tokens_name(
    client: AsyncClient, store: Database, access: Access
) -> None:
    incident, headers = await _incident(store), await _headers(access, Scope.ACT)

    answer = await client.post(f"{incident}/acknowledge", json={"note": "at it"}, headers=headers)
    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "robot")
    noted = await client.post(f"{incident}/notes", json={"text": "disk full"}, headers=headers)
    assert noted.status_code == 204
    history = (await client.get(incident)).json()["history"]
    assert [(one["event"], one["author"], one["reason"]) for one in history][1:] == [
        ("acknowledged", "robot", "at it"),
        ("noted", "robot", "disk full"),
    ]


async def test_nothing_is_done_without_the_scope(client: AsyncClient, store: Database, access: Access) -> None:
    incident = await _incident(store)
    wrong = {"Authorization": f"Bearer syn_{'0' * 32}_{'a' * 43}"}
    for headers, status in (({}, 401), (wrong, 401), (await _headers(access, Scope.READ), 403)):
        for act, body in (("acknowledge", {}), ("notes", {"text": "mine"})):
            answer = await client.post(f"{incident}/{act}", json=body, headers=headers)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert [one["event"] for one in (await client.get(incident)).json()["history"]] == ["opened"]


async def test_a_token_ends_when_it_expires_and_when_it_is_revoked(access: Access, clock: FakeClock) -> None:
    _, short = await access.create("short", [Scope.READ], lasts=timedelta(hours=1))
    token, revoked = await access.create("revoked", [Scope.READ], lasts=None)
    assert await access.bearer(short) is not None
    assert await access.bearer(revoked) is not None
    assert await access.bearer(revoked[:-1] + ("A" if revoked[-1] != "A" else "B")) is None

    await access.revoke(token.id)
    await clock.sleep(timedelta(hours=1))
    assert await access.bearer(short) is None
    assert await access.bearer(revoked) is None
    assert [one.last_used_at is not None for one in await access.every()] == [True, True]


async def test_only_a_salted_hash_is_kept(access: Access, store: Database) -> None:
    _, secret = await access.create("robot", [Scope.READ], lasts=None)
    async with store.transaction() as connection:
        row = (await connection.execute(select(tokens))).one()
    assert secret.rpartition("_")[2] not in str(tuple(row))
    assert len(row.hash) == 16 + 32
    assert secret not in clean_text(f"somebody sent {secret} by mistake")


async def test_reading_needs_a_token_where_the_settings_want_one(
    client: AsyncClient, app: FastAPI, access: Access
) -> None:
    app.state.public_reading = False
    headers = await _headers(access, Scope.READ)
    for path in ("/api/v1/status", "/api/v1/costs", "/metrics", "/"):
        assert (await client.get(path)).status_code == 401, path
        assert (await client.get(path, headers=headers)).status_code == 200, path
    assert (await client.get("/healthz")).status_code == 200


async def test_a_token_that_acts_too_often_has_to_wait(
    client: AsyncClient, store: Database, access: Access, clock: FakeClock
) -> None:
    incident, headers = await _incident(store), await _headers(access, Scope.ACT)
    for _ in range(ACTS_A_MINUTE):
        assert (await client.post(f"{incident}/acknowledge", json={}, headers=headers)).status_code == 200
    refused = await client.post(f"{incident}/acknowledge", json={}, headers=headers)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")

    await clock.sleep(timedelta(seconds=60))
    assert (await client.post(f"{incident}/acknowledge", json={}, headers=headers)).status_code == 200


async def test_a_body_that_is_too_long_is_refused(client: AsyncClient, store: Database, access: Access) -> None:
    incident, headers = await _incident(store), await _headers(access, Scope.ACT)
    answer = await client.post(f"{incident}/notes", content=b"x" * (MOST_BYTES + 1), headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
