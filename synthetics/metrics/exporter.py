"""The text of a scrape, in the format the scraper asked for."""

import asyncio

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from synthetics.metrics.states import StateGauges


def new_registry() -> CollectorRegistry:
    """A registry that already tells of this process: memory, descriptors, CPU, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Exporter:
    """Answers scrapes: Prometheus text, or OpenMetrics (with exemplars) where the scraper accepts it."""

    def __init__(self, registry: CollectorRegistry, states: StateGauges | None = None) -> None:
        self._registry = registry
        self._states = states
        if states is not None:
            registry.register(states)

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type. It is rendered in a thread: thousands of series take a while."""
        if self._states is not None:
            await self._states.refresh()
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, self._registry), content_type
