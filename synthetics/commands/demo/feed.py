"""What the demo shows, read from the service's own API."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import httpx
from pydantic import ValidationError

from api.models.probes import ProbeStatusOut, StatusOut
from api.models.runs import RunDetailOut, TimingOut


@dataclass(slots=True)
class Story:
    """Everything seen since the demo began. `runs` are the finished ones, oldest first."""

    status: StatusOut | None = None
    runs: dict[UUID, RunDetailOut] = field(default_factory=dict)
    trouble: str | None = None

    def timings_of(self, probe: str) -> Iterator[tuple[TimingOut, list[float]]]:
        """The newest value of each timing of this probe, and all its values, oldest first."""
        newest: dict[tuple[str, str], TimingOut] = {}
        values: dict[tuple[str, str], list[float]] = {}
        for detail in self.runs.values():
            if detail.run.probe == probe:
                for timing in detail.timings:
                    newest[timing.name, timing.path] = timing
                    values.setdefault((timing.name, timing.path), []).append(timing.seconds)
        for series, timing in newest.items():
            yield timing, values[series]


class Feed:
    """Asks the API again and again, each finished run in full once."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
        self.story = Story()

    async def ready(self) -> bool:
        """Whether the service is able to answer everything."""
        try:
            return (await self._client.get("/readyz")).is_success
        except httpx.HTTPError:
            return False

    async def refresh(self) -> list[RunDetailOut]:
        """Look again; the answer is what finished since the last look. Trouble is kept in the story."""
        try:
            self.story.status = StatusOut.model_validate_json(await self._text("/api/v1/status"))
            news = [
                RunDetailOut.model_validate_json(await self._text(f"/api/v1/runs/{run}"))
                for run in self._unseen(self.story.status.probes)
            ]
        except (httpx.HTTPError, ValidationError) as error:
            self.story.trouble = f"the API does not answer ({type(error).__name__})"
            return []
        self.story.trouble = None
        news.sort(key=lambda detail: detail.run.finished_at or detail.run.tick)
        self.story.runs.update((detail.run.id, detail) for detail in news)
        return news

    async def close(self) -> None:
        await self._client.aclose()

    def _unseen(self, probes: list[ProbeStatusOut]) -> list[UUID]:
        ended = (run for probe in probes for run in probe.recent_runs if run.outcome is not None)
        return [run.id for run in ended if run.id not in self.story.runs]

    async def _text(self, path: str) -> str:
        answer = await self._client.get(path)
        answer.raise_for_status()
        return answer.text
