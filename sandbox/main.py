"""A sandbox, started and stopped as one thing."""

import asyncio
import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ailing import Ailing
from sandbox.aws import AwsEndpoint
from sandbox.control import Control
from sandbox.ecs import TARGET as ECS
from sandbox.ecs import Ecs
from sandbox.faults import Faults
from sandbox.front import front_half
from sandbox.logs import TARGET as LOGS
from sandbox.logs import Logs
from sandbox.monitor import monitor_settings
from sandbox.processes import Launcher
from sandbox.provision import provision
from sandbox.serving import bind, port_of, served
from sandbox.settings import TURN_SECONDS, SandboxSettings
from sandbox.tasks import Subnet, Task, Tasks
from sandbox.truth import Truth
from sandbox.workspace import make_template


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that runs in this event loop. One process can hold one at a time: moto's state is global."""

    settings: SandboxSettings
    faults: Faults
    truth: Truth
    tasks: Tasks
    ecs: Ecs

    def monitor_settings(self) -> dict[str, str]:
        """The environment that points a monitor at this sandbox."""
        return monitor_settings(self.settings)


class DirectoryInUse(Exception):
    """Another sandbox lives in this directory; two would write over each other's workspaces and truth."""

    def __init__(self, directory: Path, pid: str) -> None:
        super().__init__(f"another sandbox runs in {directory}" + (f" (process {pid})" if pid else ""))


@dataclass(frozen=True, slots=True)
class _Listeners:
    alb: socket.socket
    aws: socket.socket
    control: socket.socket
    hermes: socket.socket


@asynccontextmanager
async def sandbox(settings: SandboxSettings) -> AsyncIterator[Sandbox]:
    """A sandbox that is ready to be used; everything it started is gone afterwards.

    Raises OSError naming the address if a port is taken, DirectoryInUse if another sandbox lives where this
    one is to live.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(settings.directory))
        listeners = stack.enter_context(_listeners(settings))
        subnet = Subnet(settings.subnet)
        stack.callback(subnet.close)
        settings = settings.model_copy(
            update={
                "directory": settings.directory.resolve(),
                "subnet": subnet.prefix,
                "alb_port": port_of(listeners.alb),
                "aws_port": port_of(listeners.aws),
                "control_port": port_of(listeners.control),
                "hermes_port": port_of(listeners.hermes),
            }
        )
        await asyncio.to_thread(make_template, settings)
        truth = Truth(settings.truth_path)
        stack.callback(truth.close)
        faults = Faults(settings.directory, seed=settings.seed)
        faults.clear_all()
        launcher = Launcher(settings)
        tasks = Tasks(settings, launcher, subnet, faults, truth)
        ecs = Ecs(settings, tasks, faults)
        aws = AwsEndpoint({ECS: ecs, LOGS: Logs(settings)}, Ailing(settings, faults))
        stack.callback(aws.close)
        await stack.enter_async_context(served(aws, listeners.aws))
        stack.push_async_callback(launcher.close)
        stack.push_async_callback(tasks.close)
        await asyncio.gather(launcher.start(), asyncio.to_thread(provision, settings))
        ecs.start_services()
        front = await stack.enter_async_context(
            front_half(
                settings,
                faults,
                truth,
                alb_listener=listeners.alb,
                hermes_listener=listeners.hermes,
                running_count=ecs.running_count,
                query=aws.query,
            )
        )
        stack.callback(aws.hang_up)

        def tell_jobs(task: Task) -> None:
            front.jobs.task_stopped(task.environment.get("CONTAINER_ID", ""), task.arn)

        tasks.on_stopped.append(tell_jobs)
        stack.callback(tasks.on_stopped.remove, tell_jobs)
        control = Control(faults, truth, monitor_settings(settings))
        await stack.enter_async_context(served(control.app(), listeners.control))
        yield Sandbox(settings, faults, truth, tasks, ecs)


async def serve(settings: SandboxSettings, *, ready: Callable[[Sandbox], None]) -> None:
    """Run a sandbox until cancelled, or until SIGTERM or SIGINT; `ready` is called once it can be used."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with sandbox(settings) as running:
            _settle()
            ready(running)
            await stopped.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _settle() -> None:
    """Spare full garbage collections what was loaded for good, and have threads take short turns."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(TURN_SECONDS)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory for this sandbox: the kernel lets it go with the process, however that ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DirectoryInUse(directory, lock.read().strip()) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def _listeners(settings: SandboxSettings) -> Iterator[_Listeners]:
    with contextlib.ExitStack() as stack:
        opened = []
        for port in (settings.alb_port, settings.aws_port, settings.control_port, settings.hermes_port):
            try:
                listener = bind(settings.host, port)
            except OSError as error:
                raise OSError(error.errno, f"{settings.host}:{port} is taken ({error.strerror})") from error
            opened.append(stack.enter_context(contextlib.closing(listener)))
        yield _Listeners(*opened)


def _announce(running: Sandbox) -> None:
    """Tell whoever started this process how to reach the sandbox, as one JSON line."""
    told = {"settings": running.settings.model_dump(mode="json"), "environment": running.monitor_settings()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def _serve_until_left(settings: SandboxSettings) -> None:
    """Run until told to stop, or until standard input ends: whoever started this process is gone then."""
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(serve(settings, ready=_announce))

    def left() -> None:
        loop.remove_reader(sys.stdin.fileno())
        serving.cancel()

    loop.add_reader(sys.stdin.fileno(), left)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    asyncio.run(_serve_until_left(SandboxSettings.model_validate_json(sys.stdin.readline())))
