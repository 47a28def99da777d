"""Queues without a container (contract §4.6), told from those that are in use, whoever made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.platform.values import ContainerRow
from probes.platform.webordinary import Webordinary

#: After this time without a container, a queue counts as an orphan.
ORPHANED_AFTER = timedelta(hours=1)
#: States of a row whose container has a use for its queues, or will have until it has ended.
IN_USE = frozenset({"starting", "running", "idle", "stopping"})
#: How many containers' rows one look reads to tell orphans.
MOST_CONTAINERS = 200


@dataclass(frozen=True, slots=True)
class OrphanedQueues:
    """The age of every queue that nothing needs, by name, and of how many containers queues were found.

    No more than `MOST_CONTAINERS` of those were looked at.
    """

    ages: dict[str, timedelta]
    containers: int


async def orphaned_queues(web: Webordinary, now: datetime) -> OrphanedQueues:
    """Hold all queues of containers against the containers' rows. Raises PlatformError."""
    queues = await web.queues.of_containers()
    ages: dict[str, timedelta] = {}
    for container_id in sorted(queues)[:MOST_CONTAINERS]:
        ages |= await _orphans_of(web, now, container_id, queues[container_id])
    return OrphanedQueues(ages, len(queues))


async def _orphans_of(
    web: Webordinary, now: datetime, container_id: str, names: Sequence[str]
) -> dict[str, timedelta]:
    """Those of a container's queues that nothing needs any more, and how old they are."""
    if _in_use(await web.tables.container(container_id)):
        return {}
    after = min(ORPHANED_AFTER, web.settings.max_queue_age)
    ages = {name: _age(now, await web.queues.made(name)) for name in names}
    return {name: age for name, age in ages.items() if age > after}


def _in_use(row: ContainerRow | None) -> bool:
    return row is not None and row.status in IN_USE


def _age(now: datetime, made: datetime | None) -> timedelta:
    return timedelta(0) if made is None else now - made
