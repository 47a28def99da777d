"""Maintenance is declared and ended over the API, by the same rules as on the command line."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient

from synthetics.access import Access
from synthetics.model.token import Scope
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.runs import NOW

PLACE = "/api/v1/maintenance"


@pytest.fixture
async def headers(store: Database, clock: FakeClock) -> dict[str, str]:
    _, secret = await Access(store, clock).create("robot", (Scope.ACT,), lasts=None)
    return {"Authorization": f"Bearer {secret}"}


async def declared(client: AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(PLACE)).json()["maintenance"]
    return found


async def test_a_time_is_declared_and_ended(
    client: AsyncClient, clock: FakeClock, headers: dict[str, str]
) -> None:
    asked = {"reason": "new disks", "lasts_seconds": 3600, "probes": ["open-document"]}
    answer = await client.post(PLACE, json=asked, headers=headers)

    assert answer.status_code == 201
    window = answer.json()
    assert (window["reason"], window["probes"]) == ("new disks", ["open_document"])
    assert (window["created_by"], window["weekly"]) == ("robot", None)
    assert window["over_at"] == (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert await declared(client) == [window]

    clock.advance(timedelta(minutes=10))
    ended = await client.delete(answer.headers["Location"], headers=headers)
    assert ended.status_code == 200
    assert ended.json()["over_at"] == (NOW + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    assert await declared(client) == []


async def test_it_may_come_every_week(client: AsyncClient, headers: dict[str, str]) -> None:
    asked = {
        "reason": "patches", "lasts_seconds": 7200, "days": ["sun"], "at": "03:00", "zone": "Europe/Berlin",
    }  # fmt: skip
    answer = await client.post(PLACE, json=asked, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["weekly"] == {"days": ["sun"], "at": "03:00", "zone": "Europe/Berlin"}
    assert answer.json()["over_at"] is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lasts_seconds": 0}, "lasts_seconds"),
        ({"lasts_seconds": 1e9}, "lasts_seconds"),
        ({"reason": "  "}, "reason: wanted some words"),
        ({"probes": ["open_documents"]}, "did you mean open_document?"),
        ({"days": ["sun"], "at": "25:00"}, "at: wanted a time of day"),
        ({"days": ["sun"], "at": "03:00", "zone": "Mars/Base"}, "zone: wanted a time zone"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, "over already"),
        ({"starts_at": "2026-03-10T00:00:00"}, "starts_at"),
        ({"who": "me"}, "who"),
    ],
)
async def test_what_cannot_be_is_told(
    client: AsyncClient, headers: dict[str, str], wrong: dict[str, object], told: str
) -> None:
    asked = {"reason": "new disks", "lasts_seconds": 3600, **wrong}
    answer = await client.post(PLACE, json=asked, headers=headers)
    assert answer.status_code == 422
    assert told in answer.text
    assert await declared(client) == []


async def test_it_needs_the_scope_and_an_id_that_exists(client: AsyncClient, headers: dict[str, str]) -> None:
    asked = {"reason": "new disks", "lasts_seconds": 3600}
    assert (await client.post(PLACE, json=asked)).status_code == 401
    assert (await client.delete(f"{PLACE}/{uuid4()}")).status_code == 401
    assert (await client.delete(f"{PLACE}/{uuid4()}", headers=headers)).status_code == 404
