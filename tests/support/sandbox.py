"""Fixtures: a sandbox in a process of its own; one for the whole test run, special ones for tests."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import boto3
import httpx
import pytest
from botocore.config import Config

from sandbox.settings import CONTAINER_NAME, SandboxSettings
from sandbox.truth import Event, find, load

T = TypeVar("T")

SPEED = 0.05
START_SECONDS = 60.0
STOP_SECONDS = 20.0
WAIT_SECONDS = 20.0


class RunningSandbox:
    """A sandbox process: where it is, and how a test asks and breaks it."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._clients: dict[str, Any] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        try:
            told = self._handshake(settings)
        except BaseException:
            self.kill()
            raise
        self.settings = SandboxSettings.model_validate(told["settings"])
        #: the environment that points a monitor at this sandbox
        self.environment: dict[str, str] = told["environment"]
        self._control = httpx.Client(base_url=self.settings.control_url, timeout=10, trust_env=False)

    def client(self, service: str) -> Any:
        """A boto3 client of this sandbox, closed with it."""
        if service not in self._clients:
            aws: Any = boto3  # its type knows four hundred services by name
            self._clients[service] = aws.client(
                service,
                endpoint_url=self.settings.aws_url,
                region_name="us-west-2",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}, read_timeout=40),
            )
        return self._clients[service]

    @cached_property
    def ecs(self) -> Any:
        return self.client("ecs")

    @cached_property
    def sqs(self) -> Any:
        return self.client("sqs")

    @cached_property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    def set_fault(self, name: str, **parameters: object) -> None:
        """Switch a fault on; `for_` stands for the parameter `for`."""
        body = {key.rstrip("_"): value for key, value in parameters.items()}
        self._control.put(f"/faults/{name}", json=body).raise_for_status()

    def clear_faults(self) -> None:
        self._control.delete("/faults").raise_for_status()

    def truth(self, event: str | None = None, **fields: str | bool | None) -> list[Event]:
        """What really happened, in order: all of it, or the events of this name with these fields."""
        events = load(self.settings.truth_path)
        return events if event is None else list(find(events, event, **fields))

    def wait_for(self, event: str, within: float = WAIT_SECONDS, **fields: str | bool | None) -> Event:
        """The first event of this name, once it is there. Raises AssertionError if it does not come."""
        return until(lambda: self.truth(event, **fields), within, f"{event} {fields}")[0]

    def run_task(self, environment: Mapping[str, str], **arguments: Any) -> str:
        """Start an edit task and return its ARN."""
        pairs = [{"name": name, "value": value} for name, value in environment.items()]
        answer = self.ecs.run_task(
            cluster=self.settings.cluster_name,
            taskDefinition=self.settings.edit_family,
            overrides={"containerOverrides": [{"name": CONTAINER_NAME, "environment": pairs}]},
            **arguments,
        )
        arn: str = answer["tasks"][0]["taskArn"]
        return arn

    def task(self, arn: str) -> dict[str, Any]:
        """The task as DescribeTasks tells it, tags included."""
        answer = self.ecs.describe_tasks(cluster=self.settings.cluster_name, tasks=[arn], include=["TAGS"])
        described: dict[str, Any] = answer["tasks"][0]
        return described

    def wait_for_status(self, arn: str, status: str, within: float = WAIT_SECONDS) -> dict[str, Any]:
        """The task once it has this status."""

        def seen() -> list[dict[str, Any]]:
            return [task for task in [self.task(arn)] if task["lastStatus"] == status]

        return until(seen, within, f"{arn} {status}")[0]

    def stop(self) -> int:
        """Ask the sandbox to end, and return its exit code."""
        self._close_clients()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the sandbox with SIGKILL."""
        self._close_clients()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _handshake(self, settings: SandboxSettings) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(settings.model_dump_json().encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"the sandbox did not start within {START_SECONDS:g} s (exit code {self.process.poll()})"
        return json.loads(line)

    def _close_clients(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if hasattr(self, "_control"):
            self._control.close()


class StartSandbox(Protocol):
    """Starts a special sandbox; it ends with the test."""

    def __call__(self, **settings: Any) -> RunningSandbox: ...


def until(look: Callable[[], T], within: float, what: str) -> T:
    """What `look` finds, as soon as it finds something. Raises AssertionError if it never does."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox for the whole test run, twenty times as fast as the platform.

    Tests share it: each uses clients of its own, and switches faults on `for` those alone.
    """
    running = RunningSandbox(SandboxSettings(directory=tmp_path_factory.mktemp("sandbox"), speed=SPEED))
    yield running
    assert running.stop() == 0, "the sandbox did not end cleanly"


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[StartSandbox]:
    """Starts sandboxes with settings of their own."""
    started: list[RunningSandbox] = []

    def start(**settings: Any) -> RunningSandbox:
        directory = tmp_path / f"sandbox-{len(started)}"
        given = {"directory": directory, "speed": SPEED, **settings}
        started.append(RunningSandbox(SandboxSettings.model_validate(given)))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def processes_of(running: RunningSandbox) -> list[int]:
    """Every process that descends from this sandbox, itself included."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [running.process.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found
