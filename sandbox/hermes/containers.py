"""Containers: which one a session lives in, started once for all who wait, and let go (contract §7.2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from sandbox.faults import Faults
from sandbox.hermes.answers import in_seconds, now_ms
from sandbox.hermes.cloud import CloudError, Row, Value, text
from sandbox.hermes.queues import Owner, Queues, QueueSet
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import STOPPED_BY_HERMES, EcsTask, EcsTasks, Identity, StartFailed
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 120.0
STOPPING_PATIENCE_SECONDS = 60.0
ROUGHLY = 2.0
"""Real seconds added to every patience: this machine is not faster because its platform is."""
ROW_TTL_SECONDS = 24 * 3600
HEALTH_TIMEOUT_SECONDS = 2.0
ALIVE = ("running", "idle")
UNUSED = ("expired", "draining", "terminated", "inactive", "error")


class ContainerLocks:
    """One lock per container: whoever changes its row, task and queues together holds it."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    @asynccontextmanager
    async def held(self, container: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(container, asyncio.Lock())
        self._waiting[container] = self._waiting.get(container, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[container] -= 1
            if not self._waiting[container]:
                del self._waiting[container], self._locks[container]


@dataclass(frozen=True, slots=True)
class Start:
    """A container that is up or on its way there."""

    container: str
    task_arn: str
    ip: str
    queues: QueueSet
    done: asyncio.Future[None]

    async def up(self) -> None:
        """Return when the container is up; raises StartFailed. Any number may wait, and leave off waiting."""
        await asyncio.shield(self.done)


class Containers:
    """Starts containers and lets them go."""

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        queues: Queues,
        tasks: EcsTasks,
        locks: ContainerLocks,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._queues = queues
        self._tasks = tasks
        self._locks = locks
        self._faults = faults
        self._truth = truth
        self._starts: dict[str, Start] = {}
        self._counted: set[str] = set()
        self._orphaned: set[str] = set()
        self._http = httpx.AsyncClient(verify=False, trust_env=False, timeout=HEALTH_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Stop watching starts that are under way; the tasks themselves live on."""
        watchers = [start.done for start in self._starts.values()]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await self._http.aclose()

    async def row(self, container: str) -> Row | None:
        return await self._tables.containers.row(container)

    async def crashed(self, row: Row) -> bool:
        """Whether the container's last task ended by itself or by others' hands, and not asleep."""
        task = await self._tasks.describe(text(row, "taskArn"))
        return task is not None and task.crashed

    def starting(self, container: str) -> Start | None:
        """The start under way, if there is one."""
        start = self._starts.get(container)
        return None if start is None or start.done.done() else start

    async def joined(self, container: str) -> Start | None:
        """The start under way, once whoever begins it knows its task; None if there is none."""
        async with self._locks.held(container):
            return self.starting(container)

    async def ensure(self, identity: Identity) -> Start:
        """The container, running or being started; all callers share one start. Raises StartFailed."""
        async with self._locks.held(identity.container):
            under_way = self.starting(identity.container)
            if under_way is not None:
                return under_way
            row = await self._settled(identity.container)
            if row is not None and text(row, "status") in ALIVE:
                task = await self._tasks.describe(text(row, "taskArn"))
                alive = task is not None and task.last_status == "RUNNING"
                if alive or self._faults.strikes("stale-row-trusted", client=identity.owner.client) is not None:
                    return await self._reuse(identity, row)
            return await self._start(identity, row)

    async def start_anew(self, identity: Identity) -> Start:
        """One more task for the container, whatever there is of it already. Raises StartFailed."""
        async with self._locks.held(identity.container):
            return await self._start(identity, await self.row(identity.container))

    async def _settled(self, container: str) -> Row | None:
        """The row once it no longer says `stopping`; StartFailed if it says so for too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience(STOPPING_PATIENCE_SECONDS)
        while True:
            row = await self.row(container)
            if row is None or text(row, "status") != "stopping":
                return row
            task = await self._tasks.describe(text(row, "taskArn"))
            if task is None or task.last_status == "STOPPED":
                return row
            if loop.time() > until:
                raise StartFailed(f"timeout: container {container} is still stopping")
            await self._pause()

    async def _reuse(self, identity: Identity, row: Row) -> Start:
        await self.touch(row)
        queues = await self._queues.ensure(identity.container, identity.owner)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return Start(identity.container, text(row, "taskArn"), text(row, "containerIp"), queues, done)

    async def touch(self, row: Row) -> None:
        """Note that somebody uses this live container; an idle one is told that somebody is back."""
        changes: dict[str, Value] = {"lastActivity": now_ms(), "status": "running"}
        wake_queue = text(row, "managementQueueUrl") if text(row, "status") == "idle" else ""
        if wake_queue and self._faults.strikes("idle-wake-lost", client=text(row, "clientId")) is None:
            await self._queues.wake(wake_queue)
        await self._tables.containers.update(row, changes, only_if={"status": ALIVE})

    async def _start(self, identity: Identity, row: Row | None) -> Start:
        queues = await self._queues.ensure(identity.container, identity.owner)
        await self._write_starting(identity, queues, row)
        if self._faults.strikes("refusal-leaves-starting", client=identity.owner.client) is not None:
            raise StartFailed("Capacity is unavailable at this time")
        try:
            task = await self._tasks.run(identity, queues)
        except StartFailed:
            await self._write_stopped(identity.container)
            raise
        address: dict[str, Value] = {"taskArn": task.arn, "containerIp": task.ip or None}
        key: Row = {"containerId": identity.container}
        await self._tables.containers.update(key, address, only_if=key)
        watcher = asyncio.create_task(self._watch(identity, task))
        watcher.add_done_callback(_told)
        if self._faults.strikes("new-session-ends-others", client=identity.owner.client) is not None:
            await self._tasks.stop_all_but(task.arn, "Scaling activity initiated by Hermes", older=5.0)
        start = Start(identity.container, task.arn, task.ip, queues, watcher)
        self._starts[identity.container] = start
        return start

    async def start_another(self, identity: Identity, queues: QueueSet) -> None:
        """One more task for a container that has one: what a broken platform does."""
        with contextlib.suppress(StartFailed):
            await self._tasks.run(identity, queues)

    async def start_orphan(self, client: str) -> None:
        """A task that serves nobody and never goes to sleep, once per customer: what a broken platform does."""
        if client in self._orphaned:
            return
        self._orphaned.add(client)
        nobody = Identity("", Owner(client, "", ""), "", "")
        await self.start_another(nobody, QueueSet("", "", ""))

    async def _write_starting(self, identity: Identity, queues: QueueSet, row: Row | None) -> None:
        owner, now = identity.owner, now_ms()
        values: dict[str, Value] = {
            "status": "starting",
            "clientId": owner.client,
            "projectId": owner.project,
            "userId": owner.user,
            "clientProjectId": f"{owner.client}-{owner.project}",
            "inputQueueUrl": queues.input,
            "outputQueueUrl": queues.output,
            "dlqUrl": queues.dlq,
            "lastActivity": now,
            "ttl": in_seconds(ROW_TTL_SECONDS),
            "createdAt": now if row is None else row.get("createdAt", now),
        }
        if row is None or "sessionCount" not in row:
            values["sessionCount"] = 0
        asleep = row is not None and text(row, "status") == "stopped"
        if asleep and self._faults.strikes("wake-leaves-row-stopped", client=owner.client) is not None:
            values["status"] = "stopped"
        key: Row = {"containerId": identity.container}
        await self._tables.containers.update(key, values, remove=("stoppedAt", "taskArn", "containerIp"))
        self._truth.write("container.starting", container=identity.container, client=owner.client)

    async def _watch(self, identity: Identity, task: EcsTask) -> None:
        """Wait until the task runs and answers, and write that down; StartFailed if it does not."""
        try:
            ip = await self._until_healthy(task)
        except (StartFailed, CloudError) as error:
            with contextlib.suppress(CloudError):
                await self._give_up(identity, task)
            raise StartFailed(str(error)) from error
        if await self._sticks(identity.owner.client):
            return
        now = now_ms()
        running: dict[str, Value] = {
            "status": "running",
            "containerIp": ip,
            "lastStarted": now,
            "lastActivity": now,
        }
        key: Row = {"containerId": identity.container}
        on_its_way: dict[str, Value | tuple[Value, ...]] = {
            "taskArn": task.arn,
            "status": ("starting", "running"),  # the container may have said so itself
        }
        if await self._tables.containers.update(key, running, only_if=on_its_way):
            self._truth.write("container.running", container=identity.container, task=task.arn)

    async def _sticks(self, client: str) -> bool:
        """Whether the row shall stay `starting`; the container, which asks too, is left to ask first."""
        if not self._faults.is_on("stuck-starting", client=client):
            return False
        await self._pause()
        return self._faults.strikes("stuck-starting", client=client) is not None

    async def _give_up(self, identity: Identity, task: EcsTask) -> None:
        await self._tasks.stop(task.arn, STOPPED_BY_HERMES)
        await self._write_stopped(identity.container, task.arn)

    async def _until_healthy(self, task: EcsTask) -> str:
        """The task's address once it answers its health check."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience(PATIENCE_SECONDS)
        now: EcsTask | None = task
        while now is not None and now.last_status != "RUNNING":
            if now.last_status == "STOPPED":
                raise StartFailed(now.stopped_reason or "the task stopped")
            if loop.time() > until:
                raise StartFailed(f"timeout: the task is still {now.last_status}")
            await self._pause()
            now = await self._tasks.describe(task.arn)
        if now is None:
            raise StartFailed("the task is gone")
        until = loop.time() + self._patience(PATIENCE_SECONDS)
        while not await self._answers(now.ip):
            if loop.time() > until:
                raise StartFailed("timeout: the container does not answer its health check")
            await self._pause()
            again = await self._tasks.describe(task.arn)
            if again is None or again.last_status != "RUNNING":
                raise StartFailed(
                    "the task stopped before it answered" if again is None else again.stopped_reason
                )
        return now.ip

    async def _answers(self, ip: str) -> bool:
        if not ip:
            return False
        try:
            answer = await self._http.get(f"http://{ip}:{self._settings.container_port}/health")
        except httpx.TransportError:
            return False
        return answer.is_success

    async def _write_stopped(self, container: str, task_arn: str = "") -> None:
        stopped: dict[str, Value] = {"status": "stopped", "stoppedAt": now_ms()}
        key: Row = {"containerId": container}
        await self._tables.containers.update(key, stopped, only_if={"taskArn": task_arn} if task_arn else key)

    async def assign(self, container: str, session: str) -> None:
        """Count the session on its container, once."""
        if session not in self._counted:
            self._counted.add(session)
            key: Row = {"containerId": container}
            await self._tables.containers.update(key, add={"sessionCount": 1}, only_if=key)
            self._truth.write("container.counted", container=container, session=session, change=1)

    async def release(self, container: str, session: str) -> None:
        """Count the session no more, and stop its container if it was the last session on it."""
        async with self._locks.held(container):
            await self.uncount(container, session)
            row = await self.row(container)
            if row is None or await self._stays(row, session):
                return
            if text(row, "status") in (*ALIVE, "starting"):
                stopping: dict[str, Value] = {"status": "stopping", "stoppedAt": now_ms()}
                await self._tables.containers.update(row, stopping, only_if={"status": row["status"]})
            if not await self._tasks.stop(text(row, "taskArn"), STOPPED_BY_HERMES):
                await self._write_stopped(container)

    async def uncount(self, container: str, session: str) -> None:
        """Take back an `assign`; a session that was never counted here changes nothing."""
        if session in self._counted:
            self._counted.discard(session)
            if self._faults.strikes("session-not-counted-off", client=container) is not None:
                return
            key: Row = {"containerId": container}
            await self._tables.containers.update(key, add={"sessionCount": -1}, only_if=key)
            self._truth.write("container.counted", container=container, session=session, change=-1)

    def forget(self, session: str) -> None:
        """The session's container is gone and its count with it."""
        self._counted.discard(session)

    async def _stays(self, row: Row, session: str) -> bool:
        """Whether a container is let live when this session on it closes."""
        container, client = text(row, "containerId"), text(row, "clientId")
        if self._faults.is_on("never-sleeps", client=client):
            return True
        used = await self._used_by_others(container, session)
        return used and self._faults.strikes("container-ends-with-first-chat", client=client) is None

    async def _used_by_others(self, container: str, session: str) -> bool:
        sessions = await self._tables.sessions.having("containerId", container)
        return any(text(s, "sessionId") != session and text(s, "status") not in UNUSED for s in sessions)

    def _patience(self, platform_seconds: float) -> float:
        return self._settings.seconds(platform_seconds) + ROUGHLY

    async def _pause(self) -> None:
        await asyncio.sleep(self._settings.seconds(POLL_SECONDS))


def _told(task: asyncio.Future[None]) -> None:
    """Take note of a start's failure, so that one nobody waited for is no loose end."""
    if not task.cancelled():
        task.exception()
