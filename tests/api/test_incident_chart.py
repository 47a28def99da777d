"""The picture on an incident's page shows what its evidence says."""

import re

from httpx import AsyncClient

from synthetics.store.engine import Database
from tests.alerting.test_slowness import LEARNT, history
from tests.support.alerting import Court, outage
from tests.support.runs import tick


async def test_it_shows_values_levels_onset_and_the_deploy(client: AsyncClient, store: Database) -> None:
    court = Court(store)
    await court.keep(*history(LEARNT, first=100))
    await court.keep(*history(10, first=100 - LEARNT, seed=2, pull=4.0, versions={"revision": "58"}))
    (incident,) = await court.incidents()

    page = (await client.get(f"/incidents/{incident.id}")).text

    (dots,) = re.findall(r'class="dots" d="([^"]*)"', page)
    assert dots.count("M") == LEARNT + 10
    heights = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h0", dots)]
    assert min(heights) >= 0
    assert max(heights) <= 120
    levels = re.findall(r'class="level" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', page)
    (usual_begins, usual_ends, usual), (slow_begins, slow_ends, slow) = levels
    assert (float(usual_begins), float(slow_ends)) == (0.0, 1000.0)
    assert usual_ends == slow_begins
    assert float(slow) < float(usual), "slower is drawn higher"
    assert 'class="onset"' in page
    assert page.count('class="deploy" x1') == 1
    assert "revision 57 → 58" in page
    assert "Slower in" in page
    assert "fetch 100%" in page


async def test_an_incident_about_no_timing_has_none(client: AsyncClient, store: Database) -> None:
    court = Court(store)
    await court.keep(*outage(tick(5)))
    (incident,) = await court.incidents()
    assert 'class="dots"' not in (await client.get(f"/incidents/{incident.id}")).text
