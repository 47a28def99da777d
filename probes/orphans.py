"""Queues without a container (contract §4.6), told from those that are in use, whoever made them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from probes.platform import Context
from probes.platform.values import ContainerRow
from synthetics.contract import expect

#: After this time without a container, a queue counts as an orphan.
ORPHANED_AFTER = timedelta(hours=1)
#: States of a row whose container has a use for its queues, or will have until it has ended.
IN_USE = frozenset({"starting", "running", "idle", "stopping"})
#: How many containers' rows one run reads to tell orphans.
MOST_CONTAINERS = 200


async def no_queue_is_forgotten(ctx: Context) -> None:
    """QM-07, as far as it can be seen: queues that nothing needs are listed, and none is older than it may be.

    Ages cannot be waited for. What lies about, whoever left it, is held against the containers' rows; the
    platform deletes orphans that are a day old, at the latest when it looks the next time.
    """
    web = ctx.platform
    with ctx.check("QM-07") as check:
        queues = await web.queues.of_containers()
        check.saw(containers_with_queues=len(queues))
        if len(queues) > MOST_CONTAINERS:
            check.degrade(f"{len(queues)} containers have queues; only {MOST_CONTAINERS} were looked at")
        orphans: dict[str, timedelta] = {}
        for container_id in sorted(queues)[:MOST_CONTAINERS]:
            orphans |= await _orphans_of(ctx, container_id, queues[container_id])
        ctx.fact("orphaned_queues", len(orphans))
        check.saw(orphans={name: str(age) for name, age in orphans.items()})
        # The job may be as late again as it is due, before anybody says that it does not come at all.
        oldest = web.settings.max_queue_age + 2 * web.settings.queue_cleanup_every
        expect.empty(
            f"queues without a container, older than {oldest} (the platform's queue cleanup, due every "
            f"{web.settings.queue_cleanup_every}, should have deleted them)",
            sorted(name for name, age in orphans.items() if age > oldest),
        )


async def _orphans_of(ctx: Context, container_id: str, names: Sequence[str]) -> dict[str, timedelta]:
    """Those of a container's queues that nothing needs any more, and how old they are."""
    web = ctx.platform
    if _in_use(await web.tables.container(container_id)):
        return {}
    after = min(ORPHANED_AFTER, web.settings.max_queue_age)
    ages = {name: _age(ctx.now(), await web.queues.made(name)) for name in names}
    return {name: age for name, age in ages.items() if age > after}


def _in_use(row: ContainerRow | None) -> bool:
    return row is not None and row.status in IN_USE


def _age(now: datetime, made: datetime | None) -> timedelta:
    return timedelta(0) if made is None else now - made
