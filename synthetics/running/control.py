"""The control: before a failure is laid at the platform's door, were we ourselves all right?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import httpx

from synthetics.contract.context import StallWatch
from synthetics.contract.platform import Platform
from synthetics.contract.tracing import USER_AGENT
from synthetics.errors import SyntheticsError

#: A loop that stood still for longer than this may have made requests time out by itself.
FATAL_STALL = timedelta(seconds=1)
_PATIENCE = 5.0


class Control:
    """Asks, all at once and briefly: our event loop, our database, a target of ours, our way out."""

    def __init__(
        self,
        *,
        platform: Platform,
        stalls: StallWatch,
        database_answers: Callable[[], Awaitable[None]],
        url: str | None = None,
    ) -> None:
        self._platform = platform
        self._stalls = stalls
        self._database_answers = database_answers
        self._url = url

    async def trouble(self, since: float) -> list[str]:
        """What was or is wrong on our side since this monotonic instant, one sentence each; [] if nothing."""
        found = await asyncio.gather(
            self._loop(since), self._database(), self._target(), self._way_to_the_platform()
        )
        return [sentence for sentences in found for sentence in sentences]

    async def _loop(self, since: float) -> Sequence[str]:
        stall = self._stalls.longest_since(since)
        return [f"our event loop stood still for {stall.total_seconds():.1f} s"] if stall > FATAL_STALL else []

    async def _database(self) -> Sequence[str]:
        return await _asked("our database", self._database_answers)

    async def _way_to_the_platform(self) -> Sequence[str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._platform.own_trouble()
        except TimeoutError:
            return [f"our control request to the platform's provider took longer than {_PATIENCE:g} s"]

    async def _target(self) -> Sequence[str]:
        url = self._url
        if url is None:
            return []

        async def fetch() -> None:
            async with (
                httpx.AsyncClient(
                    timeout=_PATIENCE, headers={"User-Agent": USER_AGENT}, trust_env=False
                ) as client,
                client.stream("GET", url) as answer,
            ):
                answer.raise_for_status()

        return await _asked(f"our control target {url}", fetch)


async def _asked(what: str, ask: Callable[[], Awaitable[None]]) -> Sequence[str]:
    try:
        async with asyncio.timeout(_PATIENCE):
            await ask()
    except TimeoutError:
        return [f"{what} did not answer within {_PATIENCE:g} s"]
    except (SyntheticsError, httpx.HTTPError) as error:
        return [f"{what} did not answer: {error}"]
    return []
