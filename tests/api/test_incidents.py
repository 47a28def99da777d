"""Incidents through the API and on the pages."""

from httpx import AsyncClient

from synthetics.model.run import Outcome
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.runs import a_probe, a_run, publish, tick


async def test_open_and_resolved_ones_are_listed_newest_first(client: AsyncClient, store: Database) -> None:
    court = Court(store)
    await court.keep(*outage(tick(200)), a_run(tick(199)), a_run(tick(198)), *outage(tick(8)))

    listed = (await client.get("/api/v1/incidents")).json()
    assert [found["state"] for found in listed["incidents"]] == ["open", "resolved"]
    assert listed["next"] is None
    newest = listed["incidents"][0]
    assert (newest["probe"], newest["rule"], newest["severity"]) == ("open_document", "failing", "page")
    assert newest["evidence"]["step"] == "wait_for_it"

    for query, count in (("open=true", 1), ("open=false", 1), ("rule=stale", 0), ("probe=open-document", 2)):
        assert len((await client.get(f"/api/v1/incidents?{query}")).json()["incidents"]) == count, query


async def test_pages_follow_each_other(client: AsyncClient, store: Database) -> None:
    await Court(store).keep(*outage(tick(200)), a_run(tick(199)), a_run(tick(198)), *outage(tick(8)))

    first = await client.get("/api/v1/incidents?limit=1")
    following = first.json()["next"]
    assert first.headers["Link"] == f'<{following}>; rel="next"'
    second = (await client.get(following)).json()
    assert second["incidents"][0]["state"] == "resolved"
    assert second["next"] is None


async def test_one_comes_with_its_history_its_notices_and_what_it_explains(
    client: AsyncClient, store: Database
) -> None:
    await publish(store, a_probe("door"), a_probe("room", leans_on=("door",)))
    court = Court(store)
    await court.keep(*outage(tick(8), name="door"), *outage(tick(8), name="room"))
    door, room = sorted(await court.incidents(), key=lambda one: one.probe)

    found = (await client.get(f"/api/v1/incidents/{door.id}")).json()
    assert [happened["event"] for happened in found["history"]] == ["opened"]
    assert [(notice["notifier"], notice["attempts"]) for notice in found["notices"]] == [("on-call", 0)]
    assert [child["id"] for child in found["explains"]] == [str(room.id)]
    folded = (await client.get(f"/api/v1/incidents/{room.id}")).json()
    assert folded["incident"]["folded_under"] == str(door.id)
    assert [happened["event"] for happened in folded["history"]] == ["opened", "folded"]


async def test_one_that_is_not_there_is_a_problem(client: AsyncClient) -> None:
    answer = await client.get("/api/v1/incidents/7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no incident 7a0f3a52-1c58-4e0e-9c55-3b1b2f6f0d77"
    assert (await client.get("/api/v1/incidents?rule=nonsense")).status_code == 422


async def test_the_status_page_shows_what_is_open_and_leads_to_its_page(
    client: AsyncClient, store: Database
) -> None:
    assert "Open incidents" not in (await client.get("/")).text
    await publish(store, a_probe("door"), a_probe("room", leans_on=("door",)))
    court = Court(store)
    reason = "wanted <b>200</b>, got 500"
    await court.keep(*outage(tick(8), name="door", reason=reason), *outage(tick(8), name="room"))
    door = next(one for one in await court.incidents() if one.probe == "door")

    page = (await client.get("/")).text
    assert "Open incidents" in page
    assert f"/incidents/{door.id}" in page
    assert "explains 1 more" in page
    single = await client.get(f"/incidents/{door.id}", headers={"Accept": "text/html"})
    assert "Failing step" in single.text
    assert "wanted &lt;b&gt;200" in single.text or "wanted 200, got 500" in single.text
    assert "<b>200</b>" not in single.text
    assert "room failed 2 times in a row" in single.text
    assert (await client.get("/incidents")).text.count("/incidents/") >= 2


async def test_gauges_count_what_is_open_by_rule_and_severity(client: AsyncClient, store: Database) -> None:
    await Court(store).keep(
        *outage(tick(8)), *(a_run(tick(back), Outcome.BROKEN, location="north") for back in (3, 2, 1))
    )

    scraped = (await client.get("/metrics")).text
    assert 'synthetics_incidents_open{rule="failing",severity="page"} 1.0' in scraped
    assert 'synthetics_incidents_open{rule="broken",severity="ticket"} 1.0' in scraped
    assert 'synthetics_incidents_open{rule="stale",severity="page"} 0.0' in scraped
