"""The cleanup Lambdas: what becomes of rows and queues when tasks stop and containers are forgotten."""

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from sandbox.faults import Faults
from sandbox.hermes.answers import now_ms
from sandbox.hermes.cloud import CloudError, Row, Value, number, text
from sandbox.hermes.containers import ContainerLocks
from sandbox.hermes.queues import Queues
from sandbox.hermes.sessions import Sessions
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import IDLE_TIMEOUT, EcsTasks, Ending
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth
from sandbox.workspace import workspace_path

CONTAINER_CLEANUP_EVERY = 10 * 60.0
IDLE_FOR = 20 * 60.0
QUEUE_CLEANUP_EVERY = 6 * 3600.0
MISBEHAVE_EVERY = 20.0
FORGET_EVERY = 1.0
METRICS_EVERY = 60.0
STALE_AFTER = 24 * 3600.0
"""All in seconds of the platform."""
FORGOTTEN = "forgotten-site-somebody"
"""The container whose queue a broken cleanup passes over."""
IN_USE = ("running", "starting", "idle", "stopping")


class Jobs:
    """Runs the three jobs until closed."""

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        queues: Queues,
        tasks: EcsTasks,
        sessions: Sessions,
        locks: ContainerLocks,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._queues = queues
        self._tasks = tasks
        self._sessions = sessions
        self._locks = locks
        self._faults = faults
        self._truth = truth
        self._running: set[asyncio.Task[None]] = set()
        self._forgotten = ""
        self._queue_name = re.compile(rf"{re.escape(settings.queue_prefix)}-(input|output|dlq)-(.+)")

    def start(self) -> None:
        """Begin the periodic jobs: two, two that do something only on a broken platform, and the metric.

        Activate and deactivate tell the metric too; where a service scales by it, it may not fall silent.
        """
        self._run(self._every(CONTAINER_CLEANUP_EVERY, self.clean_containers))
        self._run(self._every(QUEUE_CLEANUP_EVERY, self.clean_queues))
        self._run(self._every(MISBEHAVE_EVERY, self.swallow_unserved))
        self._run(self._every(FORGET_EVERY, self.forget_a_queue))
        if self._settings.launch == "service":
            self._run(self._every(METRICS_EVERY, self._sessions.publish_active_count))

    async def close(self) -> None:
        for job in self._running:
            job.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def task_stopped(self, container: str, task_arn: str) -> None:
        """The event that ECS sends when a task reached STOPPED; returns at once."""
        if container:
            self._run(self._guarded("task-state-handler", lambda: self._after_stop(container, task_arn)))

    async def _after_stop(self, container: str, task_arn: str) -> None:
        """Row `stopped`, its sessions expired, its queues gone, unless another task took the container over."""
        task = await self._tasks.describe(task_arn)
        crashed = task is not None and task.crashed
        ended: Ending = "error" if task is None else task.ended
        async with self._locks.held(container):
            row = await self._tables.containers.row(container)
            if row is not None:
                if text(row, "taskArn") not in ("", "unknown", task_arn):
                    return
                stopped: dict[str, Value] = {"status": "stopped", "sessionCount": 0}
                stopped["stoppedAt"] = number(row, "stoppedAt") or now_ms()
                await self._tables.containers.update(row, stopped, only_if={"containerId": container})
            served = await self._tables.sessions.having("containerId", container) if crashed else []
            expired = await self._expire_sessions(container, task_arn, ended)
            if self._settings.queue_cleanup_on == "container-termination" and not self._leaves_queues(row):
                await self._queues.remove(container)
            if crashed:
                await self._lose(row or {}, served)
            self._truth.write(
                "container.cleaned", container=container, task=task_arn, sessions=expired, ended=ended
            )
        if expired:
            await self._sessions.publish_active_count()
        if crashed and self._settings.restarts_crashed:
            await self._sessions.restart(served)

    async def _lose(self, row: Row, sessions: list[Row]) -> None:
        """Lose what should outlive a crash, if such a fault strikes."""
        client = text(row, "clientId")
        if self._faults.strikes("row-lost-after-crash", client=client) is not None:
            for session in sessions:
                await self._tables.sessions.delete(session)
        if client and self._faults.strikes("workspace-lost-after-crash", client=client) is not None:
            path = workspace_path(self._settings, client, text(row, "userId"), text(row, "projectId"))
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    def _leaves_queues(self, row: Row | None) -> bool:
        client = text(row, "clientId") if row is not None else ""
        return self._faults.strikes("queues-outlive-container", client=client) is not None

    async def _expire_sessions(self, container: str, task_arn: str, ended: Ending) -> int:
        expired = 0
        for row in await self._tables.sessions.having("containerId", container):
            waits_for_another = text(row, "fargateTaskArn") == "" and text(row, "status") == "initializing"
            if not waits_for_another and text(row, "fargateTaskArn") in ("", task_arn):
                expired += await self._sessions.expire(row, ended)
        return expired

    async def clean_containers(self) -> None:
        """Stop containers that nobody has used for long; put rows right whose task is long gone."""
        for row in await self._tables.containers.all():
            status = text(row, "status")
            if status not in IN_USE or self._age(number(row, "lastActivity")) < IDLE_FOR:
                continue
            task = await self._tasks.describe(text(row, "taskArn"))
            if task is None or task.last_status == "STOPPED":
                gone: dict[str, Value] = {"status": "stopped", "stoppedAt": now_ms()}
                await self._tables.containers.update(row, gone, only_if={"status": status})
            elif status in ("running", "idle") and not await self._has_sessions(row):
                self._truth.write("container.reaped", container=text(row, "containerId"), task=task.arn)
                stopping: dict[str, Value] = {"status": "stopping", "stoppedAt": now_ms()}
                if await self._tables.containers.update(row, stopping, only_if={"status": status}):
                    await self._tasks.stop(task.arn, IDLE_TIMEOUT)

    async def _has_sessions(self, row: Row) -> bool:
        if number(row, "sessionCount") > 0:
            return True
        return bool(await self._tables.mappings.having("containerId", text(row, "containerId")))

    async def clean_queues(self) -> None:
        """Delete the queues and rows of containers stale for a day, then queues orphaned for a day."""
        in_use: set[str] = set()
        for row in await self._tables.containers.all():
            container = text(row, "containerId")
            if text(row, "status") in IN_USE:
                in_use.add(container)
            elif self._age(number(row, "lastActivity")) > STALE_AFTER:
                async with self._locks.held(container):
                    await self._queues.remove(container)
                    await self._tables.containers.delete(row)
        for name in await self._queues.names():
            found = self._queue_name.fullmatch(name)
            if found is None or found[2] in in_use or found[2] == self._forgotten:
                continue
            if await self._queues.age_seconds(name) > self._settings.seconds(STALE_AFTER):
                await self._queues.remove_queue(name)
                self._truth.write("queue.orphan_removed", queue=name)

    async def swallow_unserved(self) -> None:
        """Throw away what lies on queues that no container serves: what a broken platform does."""
        if "unserved-command-swallowed" not in self._faults.active():
            return
        served = {text(row, "containerId") for row in await self._tables.containers.all()}
        for name in await self._queues.names():
            found = self._queue_name.fullmatch(name)
            if found is None or found[1] != "input" or found[2] in served:
                continue
            if self._faults.strikes("unserved-command-swallowed", client=found[2]) is not None:
                await self._queues.empty(name)

    async def forget_a_queue(self) -> None:
        """Let a queue without a container lie about, as long as the cleanup is to pass one over."""
        forgets = self._faults.is_on("orphans-kept")
        name = self._queues.name("input", FORGOTTEN)
        if forgets and not self._forgotten:
            self._forgotten = FORGOTTEN
            await self._queues.make_bare(name)
        elif self._forgotten and not forgets:
            self._forgotten = ""
            await self._queues.remove_queue(name)

    def _age(self, epoch_ms: int) -> float:
        """Seconds of the platform since an instant in a row."""
        return (time.time() - epoch_ms / 1000) / self._settings.speed

    async def _every(self, platform_seconds: float, job: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._settings.seconds(platform_seconds))
            await self._guarded(job.__name__, job)

    async def _guarded(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job; that AWS refused something is told, and the next run will do it."""
        try:
            await job()
        except CloudError as error:
            self._truth.write("job.failed", job=name, reason=str(error))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.create_task(work)
        self._running.add(job)
        job.add_done_callback(self._running.discard)
