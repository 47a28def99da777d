"""A sandbox begins and ends as one thing, however it ends."""

import errno
import socket
import time
from pathlib import Path

import httpx
import pytest

from sandbox.main import sandbox as in_process
from sandbox.monitor import monitor_settings
from sandbox.settings import SandboxSettings
from tests.sandbox.tasks_support import Container
from tests.support.sandbox import RunningSandbox, StartSandbox, alive, processes_of, until


def _with_container(running: RunningSandbox) -> list[int]:
    container = Container(running).launch().ready()
    container.send("long", "refactor all components")
    until((container.workspace / "src/content/edits.md").exists, 10, "the agent is at work")
    pids = processes_of(running)
    assert container.pid() in pids
    return pids


def test_it_ends_with_everything_it_started_when_its_starter_is_gone(start_sandbox: StartSandbox) -> None:
    running = start_sandbox()
    pids = _with_container(running)
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.process.wait(15) == 0
    assert [pid for pid in pids if alive(pid)] == []


def test_two_run_side_by_side_and_a_killed_one_leaves_no_process_behind(
    sandbox: RunningSandbox, start_sandbox: StartSandbox
) -> None:
    other = start_sandbox()
    assert other.settings.subnet != sandbox.settings.subnet
    pids = _with_container(other)
    assert len(pids) >= 4, "the sandbox, the forking helper, the container, its agent"
    here = Container(sandbox).launch().ready()
    other.kill()
    until(lambda: not [pid for pid in pids if alive(pid)], 5, "every process is gone")
    assert here.get("/health").json()["client"] == here.client


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = SandboxSettings(directory=tmp_path, alb_port=port)
        with pytest.raises(OSError, match=f"127.0.0.1:{port} is taken") as told:
            async with in_process(settings):
                pytest.fail("it started on a port that is taken")
        assert told.value.errno == errno.EADDRINUSE


def test_what_a_monitor_is_told(tmp_path: Path) -> None:
    settings = SandboxSettings(directory=tmp_path, speed=0.05, alb_port=1, aws_port=2, control_port=3)
    told = monitor_settings(settings)
    assert told["HERMES_ENDPOINT"] == "http://127.0.0.1:1/hermes"
    assert told["AWS_ENDPOINT_URL"] == "http://127.0.0.1:2"
    assert told["TARGET_COLD_START_S"] == "4"
    assert told["CONTAINER_READY_TIMEOUT"] == "4000"
    assert told["IDLE_TIMEOUT_S"] == "3"
    assert told["SESSION_EXPIRY_TIMEOUT"] == "7000"
    assert told["WORKSPACE_ROOT"] == str(tmp_path / "workspace")


def test_the_control_endpoint(sandbox: RunningSandbox) -> None:
    with httpx.Client(base_url=sandbox.settings.control_url, trust_env=False) as control:
        assert control.get("/health").json() == {"status": "healthy"}
        assert control.get("/settings").json() == sandbox.environment
        assert len(control.get("/faults").json()["declared"]) >= 13
        unknown = control.put("/faults/slow-boat", json={})
        assert (unknown.status_code, unknown.json()["detail"]) == (
            404,
            "There is no fault 'slow-boat'. Did you mean 'slow-boot'?",
        )
        assert control.put("/faults/slow-boot", json={"amuont": 1}).status_code == 422
        assert control.put("/faults/slow-boot", content=b"{").status_code == 422
        assert control.put("/faults/slow-boot", json=[1]).status_code == 422
        assert control.delete("/faults/slow-boat").status_code == 404
        began = time.time()
        put = control.put("/faults/slow-boot", json={"for": "nobody", "factor": 1.4})
        assert put.json()["parameters"]["amount"] == 0
        assert control.get("/faults").json()["active"]["slow-boot"]["for"] == "nobody"
        assert control.delete("/faults/slow-boot").json() == {"name": "slow-boot", "was_active": True}
        told = control.get("/truth", params={"since": began}).json()
        events = [event["event"] for event in told if event.get("fault") == "slow-boot"]
        assert events == ["fault.set", "fault.cleared"]
        assert control.get("/truth", params={"since": "yesterday"}).status_code == 422


def test_a_waiting_receiver_gets_a_message_at_once(sandbox: RunningSandbox) -> None:
    container = Container(sandbox)
    with httpx.Client(trust_env=False):
        sandbox.sqs.send_message(QueueUrl=container.output, MessageBody="first")
        first = sandbox.sqs.receive_message(QueueUrl=container.output, VisibilityTimeout=1)["Messages"][0]
        began = time.monotonic()
        again = sandbox.sqs.receive_message(QueueUrl=container.output, WaitTimeSeconds=10)["Messages"][0]
        assert again["Body"] == first["Body"]
        assert 0.5 < time.monotonic() - began < 4, "a message that became visible again is seen in time"
