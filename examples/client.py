"""A client of the API in one file, to copy or to learn from; it needs httpx and nothing of synthetics.

    python client.py http://127.0.0.1:8080               # how everything stands
    python client.py http://127.0.0.1:8080 cold-start    # have it run now, and wait; exit code 1 if it failed

The token is read from SYNTHETICS_TOKEN: `synthetics token create ci --scope act`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self
from uuid import UUID

import httpx

API = "/api/v1"


class Refused(Exception):
    """The API did not do it: its problem document, with a sentence for people in `detail`."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('status')} {problem.get('title')}: {problem.get('detail')}")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Answer:
    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From JSON; fields that a newer version may have added are passed over."""
        return cls(**{field.name: document[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Run(_Answer):
    """A run in one line. `outcome` is None while it is in flight; moments are ISO 8601."""

    id: str
    probe: str
    location: str
    tick: str
    outcome: str | None
    reason: str | None
    took_seconds: float | None


@dataclass(frozen=True, slots=True)
class ProbeStatus(_Answer):
    """How a probe stands: up, down, broken or unknown."""

    name: str
    promise: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Incident(_Answer):
    """Something that is or was wrong; `resolved_at` is None while it is."""

    id: str
    probe: str
    rule: str
    severity: str
    state: str
    summary: str
    opened_at: str
    resolved_at: str | None


class Synthetics:
    """The API at `url`; `token` is needed for acting, and for reading where that is not public."""

    def __init__(self, url: str, token: str | None = None, *, timeout_seconds: float = 10.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def status(self) -> tuple[str, list[ProbeStatus]]:
        """The whole in one sentence, and every probe."""
        told = self._get(f"{API}/status")
        return told["summary"], [ProbeStatus.of(one) for one in told["probes"]]

    def runs(self, probe: str, **only: str) -> Iterator[Run]:
        """All runs of a probe, newest first, page after page; `outcome="failed"` for some of them."""
        address: str | None = f"{API}/probes/{probe}/runs?{httpx.QueryParams(only)}"
        while address:
            page = self._get(address)
            yield from (Run.of(one) for one in page["runs"])
            address = page["next"]

    def run(self, run_id: UUID | str) -> Run:
        """One run."""
        return Run.of(self._get(f"{API}/runs/{run_id}")["run"])

    def run_now(self, probe: str, *, within_seconds: float = 600.0) -> Run:
        """Have a probe run once, and wait for its end. Raises Refused, or TimeoutError with its address."""
        asked = self._checked(self._http.post(f"{API}/probes/{probe}/runs", json={}))
        address, until = asked.headers["Location"], time.monotonic() + within_seconds
        while time.monotonic() < until:
            run = Run.of(self._get(address)["run"])
            if run.outcome is not None:
                return run
            time.sleep(1)
        raise TimeoutError(f"{probe} has not ended within {within_seconds:g} s: {address}")

    def incidents(self, *, is_open: bool | None = None) -> Iterator[Incident]:
        """Incidents, newest first."""
        address: str | None = f"{API}/incidents" + ("" if is_open is None else f"?open={str(is_open).lower()}")
        while address:
            page = self._get(address)
            yield from (Incident.of(one) for one in page["incidents"])
            address = page["next"]

    def acknowledge(self, incident_id: UUID | str, note: str = "") -> None:
        """Say that somebody is at it."""
        self._checked(self._http.post(f"{API}/incidents/{incident_id}/acknowledge", json={"note": note}))

    def events(self) -> Iterator[Run | Incident]:
        """What happens from now on, for as long as one listens."""
        with self._http.stream("GET", f"{API}/events", timeout=httpx.Timeout(10, read=60)) as stream:
            kind = ""
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield (Run if kind == "run" else Incident).of(json.loads(value))

    def _get(self, address: str) -> dict[str, Any]:
        told: dict[str, Any] = self._checked(self._http.get(address)).json()
        return told

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        if answer.headers.get("Content-Type") == "application/problem+json":
            raise Refused(answer.json())
        raise Refused(
            {"status": answer.status_code, "title": answer.reason_phrase, "detail": answer.text[:200]}
        )


def main(url: str, probe: str | None = None) -> int:
    """What the command line asks for; its exit code."""
    with Synthetics(url, os.environ.get("SYNTHETICS_TOKEN")) as api:
        if probe is None:
            sentence, statuses = api.status()
            print(sentence)
            for status in statuses:
                print(f"  {status.state:8} {status.name}  {status.why if status.state != 'up' else ''}")
            return 0
        run = api.run_now(probe)
        print(
            f"{run.probe} {run.outcome}"
            + (f": {run.reason}" if run.reason else f" in {run.took_seconds:.1f} s")
        )
        return 0 if run.outcome == "passed" else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (Refused, TimeoutError, httpx.HTTPError) as error:
        sys.exit(str(error))
