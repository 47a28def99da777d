"""Stopping what works for this run, one container or all, so that it must come back."""

from functools import partial

from probes.container_sharing import tasks_of
from probes.platform import Context
from probes.platform.values import TaskView
from synthetics.contract.waiting import DEAR, Sighting

REASON = "Synthetic monitoring: the container is stopped"


async def stop_everything(ctx: Context) -> None:
    """The edit service scaled to 0 and this run's own tasks stopped, until none is left (contract §5.4, §12.2).

    ECS counts tasks launched with RunTask for no service, so both are needed. Raises TimedOut.
    """
    web = ctx.platform
    await web.tasks.scale_edit(0)
    tasks = await web.tasks.every_own()
    for task in tasks:
        await web.tasks.stop(task, REASON)
    await ctx.eventually(
        web.tasks.count,
        until=lambda count: count.total == 0,
        within=web.settings.scale_down_timeout,
        what="edit tasks after scaling to 0 and stopping this run's own to be 0",
        pace=DEAR,
    )
    for arn in (task.arn for task in tasks):
        await ctx.eventually(
            lambda arn=arn: web.tasks.describe(arn),  # type: ignore[misc]
            until=lambda task: task is None or task.stopped,
            within=web.settings.task_stop_wait,
            what=f"task {arn.rsplit('/', 1)[-1]} stopped",
            pace=DEAR,
        )


async def stop_container(ctx: Context, container_id: str) -> Sighting[TaskView | None]:
    """Stop the container's tasks, and see that the last one has stopped. Raises TimedOut."""
    web = ctx.platform
    for task in await tasks_of(ctx, container_id):
        await web.tasks.stop(task, REASON)
        seen = await ctx.sighting(
            partial(web.tasks.describe, task.arn),
            until=lambda found: found is None or found.stopped,
            within=web.settings.task_stop_wait,
            what=f"{task} of container {container_id} stopped",
            pace=DEAR,
        )
    return seen
