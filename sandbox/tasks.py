"""The life of a task: from PROVISIONING to STOPPED in the profile's times, with one real process in it."""

import asyncio
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox import serving
from sandbox.container.launch import Launch
from sandbox.faults import Faults
from sandbox.processes import Launcher, Process
from sandbox.profile import STOP_GRACE, PhaseSeconds, Profile
from sandbox.settings import ACCOUNT, REGION, SandboxSettings
from sandbox.truth import Scalar, Truth

SHORTEST_GRACE = 2.0  # real seconds: a process cannot be asked to be quicker than this machine
KEEP_STOPPED = 3600.0  # a stopped task stays describable for an hour
FIRST_HOST, LAST_HOST = 2, 254
RESERVATION_PORT = (
    8079  # held on the first address of a subnet: it is how sandboxes keep out of each other's way
)


@dataclass(slots=True, eq=False)
class Task:
    """One task as DescribeTasks tells it; instants are epoch seconds."""

    id: str
    arn: str
    definition: str
    group: str
    address: str
    environment: Mapping[str, str]
    overrides: Mapping[str, object]
    tags: dict[str, str]
    started_by: str
    created_at: float
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    health: str = "UNKNOWN"
    connectivity_at: float | None = None
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    stopping_at: float | None = None
    execution_stopped_at: float | None = None
    stopped_at: float | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None
    version: int = 1
    process: Process | None = None
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def client(self) -> str:
        return self.environment.get("CLIENT_ID", "")

    @property
    def running(self) -> bool:
        return self.last_status == "RUNNING"

    @property
    def stopped(self) -> bool:
        return self.last_status == "STOPPED"


class Subnet:
    """A /24 of loopback addresses that no other sandbox on this machine uses."""

    def __init__(self, wanted: str = "") -> None:
        self.prefix, self._reservation = _reserve(wanted)
        self._next = FIRST_HOST
        self._taken: set[str] = set()

    def take(self) -> str:
        """An address that no living task has. Raises RuntimeError when all are taken."""
        for _ in range(FIRST_HOST, LAST_HOST + 1):
            address = f"{self.prefix}.{self._next}"
            self._next = FIRST_HOST if self._next == LAST_HOST else self._next + 1
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise RuntimeError(f"no address is left in {self.prefix}.0/24")

    def give_back(self, address: str) -> None:
        self._taken.discard(address)

    def close(self) -> None:
        """Let another sandbox have the subnet."""
        self._reservation.close()


class Tasks:
    """All tasks of the cluster."""

    def __init__(
        self,
        settings: SandboxSettings,
        launcher: Launcher,
        subnet: Subnet,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._launcher = launcher
        self._subnet = subnet
        self._faults = faults
        self._truth = truth
        self._profile = Profile(settings, faults)
        self._tasks: dict[str, Task] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self.on_stopped: list[Callable[[Task], None]] = []  # called in the loop when a task reached STOPPED

    def __iter__(self) -> Iterator[Task]:
        """Every task that can be described, oldest first."""
        self._forget()
        return iter(list(self._tasks.values()))

    def get(self, name: str) -> Task | None:
        """The task of this id or ARN."""
        return self._tasks.get(name.rpartition("/")[2])

    def run(
        self,
        definition: str,
        *,
        group: str,
        environment: Mapping[str, str],
        overrides: Mapping[str, object],
        tags: Mapping[str, str],
        started_by: str = "",
        real: bool = True,
    ) -> Task:
        """Make a task and let it live; a task that is not `real` has no process (Hermes' own)."""
        identity = uuid.uuid4().hex
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{self._settings.cluster_name}/{identity}"
        task = Task(
            id=identity,
            arn=arn,
            definition=definition,
            group=group,
            address=self._subnet.take(),
            environment=environment,
            overrides=overrides,
            tags=dict(tags),
            started_by=started_by,
            created_at=time.time(),
        )
        self._tasks[identity] = task
        self._tell("task.created", task, at=task.created_at)
        life = asyncio.create_task(self._live(task, real=real))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return task

    def adopt_running(self, definition: str, *, group: str) -> Task:
        """A task without a process that has been running since before the sandbox started."""
        task = self.run(definition, group=group, environment={}, overrides={}, tags={}, real=False)
        now = time.time()
        task.connectivity_at = task.pull_started_at = task.pull_stopped_at = task.started_at = now
        task.last_status, task.health = "RUNNING", "HEALTHY"
        return task

    def stop(self, task: Task, reason: str, *, code: str = "UserInitiated") -> None:
        """Ask a task to stop; one that is stopping already keeps its reason."""
        if task.stop_asked.is_set() or task.stopped:
            return
        task.stop_code, task.stopped_reason = task.stop_code or code, task.stopped_reason or reason
        task.desired_status = "STOPPED"
        task.stop_asked.set()

    async def close(self) -> None:
        """Drop every task without ceremony; the launcher ends the processes."""
        for life in list(self._lives):
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _live(self, task: Task, *, real: bool) -> None:
        phases = self._profile.draw(task.client)
        starting = asyncio.create_task(self._start(task, phases, real=real))
        asked = asyncio.create_task(task.stop_asked.wait())
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await self._until_ended(task, asked)
        finally:
            starting.cancel()
            asked.cancel()
        await self._end(task, phases)

    async def _start(self, task: Task, phases: PhaseSeconds, *, real: bool) -> None:
        if task.running:
            return
        due = task.created_at + phases.network
        task.connectivity_at = await self._reach(task, due, "task.connected", "PENDING")
        if self._faults.strikes("task-never-starts", client=task.client) is not None:
            await asyncio.Event().wait()
        due += phases.queued
        task.pull_started_at = await self._reach(task, due, "task.pull_started")
        due += phases.pull
        task.pull_stopped_at = await self._reach(task, due, "task.pull_stopped", "ACTIVATING")
        due += phases.start
        await _until(due)
        if real:
            task.process = self._launch(task, phases, due + phases.health)
        task.started_at = await self._reach(task, due, "task.started", "RUNNING")
        if not real:
            task.health = "HEALTHY"

    def _launch(self, task: Task, phases: PhaseSeconds, serve_at: float) -> Process:
        environment = {
            **task.environment,
            "TASK_ARN": task.arn,
            "CONTAINER_IP": task.address,
            "AWS_REGION": REGION,
        }
        return self._launcher.launch(Launch(task.id, task.address, serve_at, phases.preview, environment))

    async def _until_ended(self, task: Task, asked: "asyncio.Task[bool]") -> None:
        """Return when the process has ended or the task shall stop; meanwhile see to its health."""
        if task.process is None:
            await asked
            return
        healthy = asyncio.create_task(task.process.serving.wait())
        ends: set[asyncio.Future[Any]] = {asked, task.process.exit_code}
        try:
            await asyncio.wait({healthy, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if healthy.done():
                self._set(task, health="HEALTHY")
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            healthy.cancel()

    async def _end(self, task: Task, phases: PhaseSeconds) -> None:
        """From the first sign of the end to STOPPED."""
        exited = task.process is not None and task.process.exit_code.done()
        if exited and not task.stop_asked.is_set():
            task.stop_code, task.stopped_reason = (
                "EssentialContainerExited",
                "Essential container in task exited",
            )
            task.desired_status = "STOPPED"
            task.stop_asked.set()
        task.stopping_at = self._tell("task.stopping", task)
        self._set(task, last_status="DEACTIVATING")
        if task.process is not None:
            if not exited:
                await asyncio.sleep(phases.drain)
                self._set(task, last_status="STOPPING")
                await self._end_process(task.process)
            task.exit_code = task.process.exit_code.result()
        task.execution_stopped_at = self._tell("task.execution_stopped", task)
        self._set(task, last_status="DEPROVISIONING", health="UNKNOWN")
        await asyncio.sleep(phases.deprovision)
        self._subnet.give_back(task.address)
        task.stopped_at = time.time()
        self._set(task, last_status="STOPPED")
        self._tell(
            "task.stopped",
            task,
            at=task.stopped_at,
            reason=task.stopped_reason,
            code=task.stop_code,
            exit=task.exit_code,
        )
        for listener in self.on_stopped:
            listener(task)

    async def _end_process(self, process: Process) -> None:
        self._launcher.signal(process, signal.SIGTERM)
        grace = max(self._settings.seconds(STOP_GRACE), SHORTEST_GRACE)
        await asyncio.wait({process.exit_code}, timeout=grace)
        if not process.exit_code.done():
            self._launcher.signal(process, signal.SIGKILL)
            await asyncio.wait({process.exit_code})

    async def _reach(self, task: Task, due: float, event: str, status: str | None = None) -> float:
        """Wait until an instant, tell what happened then, and return when that really was."""
        await _until(due)
        if status is not None:
            self._set(task, last_status=status)
        return self._tell(event, task)

    def _set(self, task: Task, *, last_status: str | None = None, health: str | None = None) -> None:
        task.last_status = last_status or task.last_status
        task.health = health or task.health
        task.version += 1

    def _tell(self, event: str, task: Task, *, at: float | None = None, **fields: Scalar) -> float:
        environment = task.environment
        return self._truth.write(
            event,
            at=at,
            task=task.arn,
            client=task.client,
            container=environment.get("CONTAINER_ID", ""),
            session=environment.get("SESSION_ID", ""),
            group=task.group,
            **fields,
        )

    def _forget(self) -> None:
        horizon = time.time() - KEEP_STOPPED
        for task in list(self._tasks.values()):
            if task.stopped_at is not None and task.stopped_at < horizon:
                del self._tasks[task.id]


async def _until(instant: float) -> None:
    await asyncio.sleep(max(0.0, instant - time.time()))


def _reserve(wanted: str) -> tuple[str, socket.socket]:
    """A free subnet and the socket that keeps it ours. Raises RuntimeError if there is none."""
    chosen = (
        [wanted] if wanted else [f"127.{second}.{third}" for second in range(20, 250) for third in range(256)]
    )
    offset = 0 if wanted else (os.getpid() * 7919) % len(chosen)
    for number in range(len(chosen)):
        prefix = chosen[(number + offset) % len(chosen)]
        try:
            return prefix, serving.bind(f"{prefix}.1", RESERVATION_PORT)
        except OSError:
            continue
    raise RuntimeError(f"subnet {wanted or '127.0.0.0/8'} is taken by another sandbox")
