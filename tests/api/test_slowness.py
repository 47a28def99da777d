"""What is usual for each timing and what is slower: over the API, in the metrics and on the command line."""

from httpx import AsyncClient

from synthetics.store.engine import Database
from tests.alerting.test_slowness import LEARNT, history
from tests.support.alerting import Court

NAMES = {"probe": "open_document", "location": "default", "timing": "opening", "path": "near"}


async def test_what_is_slower_is_told_with_what_is_usual(client: AsyncClient, store: Database) -> None:
    court = Court(store)
    await court.keep(*history(20, first=100))
    (learning,) = (await client.get("/api/v1/regressions")).json()["timings"]
    assert learning.items() >= {**NAMES, "state": "learning", "usual_seconds": None, "ways": []}.items()

    await court.keep(*history(LEARNT - 20, first=80, seed=4))
    (usual,) = (await client.get("/api/v1/regressions")).json()["timings"]
    assert usual["state"] == "usual"
    assert 4.8 < usual["usual_seconds"] < 5.2
    assert (await client.get("/api/v1/regressions?slower=true")).json() == {"timings": []}

    slower = history(8, first=100 - LEARNT, seed=2, pull=4.0)
    await court.keep(*slower)
    (told,) = (await client.get("/api/v1/regressions?slower=true&probe=open-document")).json()["timings"]
    assert told["state"] == "slower"
    assert "level" in told["ways"]
    assert told["judged"] == slower[-1].key.tick.isoformat().replace("+00:00", "Z")

    metrics = (await client.get("/metrics")).text
    labels = 'location="default",path="near",probe="open_document",timing="opening"'
    assert f"synthetics_regression_active{{{labels}}} 1.0" in metrics
    assert f"synthetics_timing_baseline_seconds{{{labels}}} " in metrics


async def test_an_unknown_probe_is_named_with_the_nearest(client: AsyncClient) -> None:
    answer = await client.get("/api/v1/regressions?probe=open_documents")
    assert answer.status_code == 404
    assert "did you mean 'open_document'?" in answer.json()["detail"]
