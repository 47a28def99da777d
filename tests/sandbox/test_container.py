"""What a container does: HTTP, commands with real git, interrupts, sleep (contract §2.5–2.8, §5.6, §6, §7)."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from sandbox.container.activity import Activity
from sandbox.container.commands import Executor
from sandbox.container.git import Workspace
from sandbox.container.launch import Launch
from sandbox.container.site import Site
from sandbox.faults import Faults
from sandbox.settings import SandboxSettings
from tests.sandbox.tasks_support import Container
from tests.support.sandbox import SPEED, RunningSandbox, until

TEST_PAGE = 'Add a new page called "Test Page"'


def git(container: Container, *arguments: str) -> str:
    """What git says in the workspace."""
    done = subprocess.run(
        ["git", "-C", str(container.workspace), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def map_thread(container: Container) -> str:
    """Map a chat to the container, which keeps it awake."""
    thread = f"thread-{container.client}"
    container.sandbox.dynamodb.put_item(
        TableName=container.sandbox.settings.thread_mapping_table,
        Item={"threadId": {"S": thread}, "containerId": {"S": container.id}},
    )
    return thread


def in_flight(container: Container) -> int:
    """How many messages of the input queue somebody has received and not deleted."""
    name = "ApproximateNumberOfMessagesNotVisible"
    told = container.sandbox.sqs.get_queue_attributes(QueueUrl=container.input, AttributeNames=[name])
    return int(told["Attributes"][name])


@pytest.fixture(scope="module")
def container(sandbox: RunningSandbox) -> Container:
    """One container for the tests that only look."""
    shared = Container(sandbox)
    map_thread(shared)
    return shared.launch().ready()


@pytest.fixture(scope="module")
def sleepy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox whose containers go to sleep after a second."""
    directory = tmp_path_factory.mktemp("sleepy")
    running = RunningSandbox(SandboxSettings(directory=directory, speed=SPEED, idle_seconds=1.0))
    yield running
    running.stop()


def test_it_registers_itself(container: Container) -> None:
    row = until(container.row, 5, "the row")
    assert row["status"]["S"] == "running"
    assert row["taskArn"]["S"] == container.arn
    assert f"http://{row['containerIp']['S']}:8080" == container.url


def test_health_and_the_small_api(container: Container) -> None:
    health = container.get("/health").json()
    assert (health["status"], health["client"], health["version"]) == ("healthy", container.client, "1.0.0")
    assert container.get("/session/any/health").json()["status"] == "healthy"
    assert container.get("/api/health").text == "OK"
    told = container.get("/api/session/s-1").json()
    assert (told["sessionId"], told["status"], told["clientId"]) == ("s-1", "active", container.client)
    assert container.get("/api/status").json() == {"status": "ok"}
    assert container.get("/api/sessions").json() == {"status": "ok"}
    assert container.get("/api/files").status_code == 404
    listed = httpx.get(f"{container.url}/api/files", headers={"X-Session-ID": "s-1"}, trust_env=False).json()
    assert "package.json" in listed["files"]


def test_files_and_commands_are_looked_at_in_the_workspace(container: Container) -> None:
    mounted = f"/workspace/{container.client}/jane/project/package.json"
    for path, exists in (("package.json", True), (mounted, True), ("missing.txt", False)):
        assert container.post("/api/files/exists", {"filePath": path}).json() == {"exists": exists}, path
    ran = container.post("/api/exec", {"command": f'test -f "{mounted}" && echo EXISTS || echo MISSING'}).json()
    assert ran == {"output": "EXISTS\n", "exitCode": 0}
    assert container.post("/api/exec", {"command": "exit 3"}).json()["exitCode"] == 3
    assert container.post("/api/exec", {}).status_code == 400
    assert container.post("/api/files/exists", {}).status_code == 400


def test_pages_come_from_the_workspace(container: Container) -> None:
    for path in ("/", "/session/abc", "/session/abc/"):
        answer = container.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert container.get("/session/abc/no-such-page").status_code == 404
    assert container.get("/session/abc/..%2f..%2f..%2fpackage.json").status_code == 404


async def test_before_the_site_is_built_it_says_so(tmp_path: Path) -> None:
    settings = SandboxSettings(directory=tmp_path)
    launch = Launch("task", "127.0.0.1", 0.0, 0.0, {"CLIENT_ID": "acme", "SESSION_ID": "own-id"})
    workspace = Workspace(tmp_path, protected=frozenset())
    executor = Executor(settings, launch, workspace, Faults(tmp_path))
    site = Site(settings, launch, workspace, executor, Activity(), Faults(tmp_path))
    transport = httpx.ASGITransport(site.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://container") as visitor:
        for path, asked in (("/session/some-id/", "some-id"), ("/session/some-id", "some-id"), ("/", "own-id")):
            answer = await visitor.get(path)
            assert answer.status_code == 404
            assert "Edit Session Starting" in answer.text
            assert asked in answer.text
        assert (await visitor.get("/session/some-id/health")).status_code == 200


async def test_the_hot_reload_socket_opens(container: Container) -> None:
    for path in ("/ws/hmr?sessionId=x", "/_astro/hmr"):
        async with asyncio.timeout(5):
            async with websockets.connect(container.url.replace("http", "ws") + path, proxy=None) as socket:
                await socket.ping()


def test_a_broken_preview_leaves_health_alone(sandbox: RunningSandbox, container: Container) -> None:
    sandbox.set_fault("preview-broken", for_=container.client)
    assert container.get("/session/x/").status_code == 500
    assert container.get("/session/x/health").status_code == 200
    sandbox.clear_faults()
    assert container.get("/session/x/").status_code == 200


def test_a_command_edits_and_commits_on_the_threads_branch(container: Container) -> None:
    container.send("page", TEST_PAGE, session="s1", thread="t1")
    answer = container.answer("page")
    assert answer["success"] is True
    assert answer["sessionId"] == "s1"
    assert "interrupted" not in answer
    assert answer["filesChanged"] == ["src/pages/test-page.astro"]
    assert answer["branch"] == "thread-t1"
    assert answer["gitCommit"] == git(container, "rev-parse", "thread-t1")
    assert (container.workspace / "src/pages/test-page.astro").exists()
    assert container.get("/session/s1/test-page").status_code == 200

    container.send("component", "Create a Header component", session="s1", thread="t1")
    assert container.answer("component")["success"] is True
    assert git(container, "log", "-1", "--format=%s", "thread-t1") == "Create Header component"


def test_sessions_of_one_container_never_see_each_others_files(container: Container) -> None:
    container.send("one", 'Create session1.txt with content "first"', session="a", thread="ta")
    assert "session1.txt" in container.answer("one")["summary"]
    container.send("two", 'Create session2.txt with content "second"', session="b", thread="tb")
    assert "session2.txt" in container.answer("two")["summary"]
    assert "session1.txt" in git(container, "ls-tree", "--name-only", "thread-ta")
    assert git(container, "show", "thread-tb:session2.txt") == "second"
    assert "session1.txt" not in git(container, "ls-tree", "--name-only", "thread-tb")


def test_a_newer_message_interrupts_and_partial_work_is_saved(container: Container) -> None:
    container.send("long", "refactor all components", session="a", thread="ia")
    container.sandbox.wait_for("command.received", command="long")
    until(lambda: git(container, "status", "--porcelain"), 10, "partial work")
    container.send("short", "Create file9.txt", session="b", thread="ib")

    interrupted, short = container.answer("long"), container.answer("short")

    assert (interrupted["success"], interrupted["interrupted"]) == (False, True)
    assert "interrupted" in interrupted["summary"]
    assert short["success"] is True
    assert git(container, "log", "-1", "--format=%s", "thread-ia") == "Auto-save: Interrupted by new message"
    assert git(container, "status", "--porcelain") == ""
    depth = container.sandbox.sqs.get_queue_attributes(
        QueueUrl=container.input,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert set(depth.values()) == {"0"}, "handled messages are deleted"


def test_a_container_that_does_not_interrupt_carries_out_one_after_the_other(container: Container) -> None:
    container.sandbox.set_fault("interrupt-ignored", for_=container.client)
    container.send("slow", "Tidy the site up", session="a", thread="na")
    container.sandbox.wait_for("command.received", command="slow")
    container.send("next-one", "Create next-one.txt", session="b", thread="nb")

    slow, after = container.answer("slow"), container.answer("next-one")

    container.sandbox.clear_faults()
    assert (slow["success"], after["success"]) == (True, True)
    assert "interrupted" not in slow
    assert slow["timestamp"] <= after["timestamp"]


def test_git_that_fails_during_an_interrupt_costs_no_command(container: Container) -> None:
    container.send("long-2", "refactor all components", session="a", thread="ia")
    container.sandbox.wait_for("command.received", command="long-2")
    until(lambda: git(container, "status", "--porcelain"), 10, "partial work")
    hook = container.workspace / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nrm "$0"\necho no space left >&2\nexit 1\n')
    hook.chmod(0o755)
    container.send("short-2", "Create file8.txt", session="b", thread="ib")

    interrupted, short = container.answer("long-2"), container.answer("short-2")

    assert (interrupted["success"], interrupted["interrupted"]) == (False, True)
    assert interrupted["error"] == "git commit: no space left"
    assert short["success"] is True
    assert git(container, "log", "-1", "--format=%s", "thread-ia") == "Auto-save: Switching sessions"


def test_a_command_that_cannot_be_answered_stays_on_the_queue(container: Container) -> None:
    sqs, log = container.sandbox.sqs, container.sandbox.settings.logs_root / f"{container.arn[-32:]}.log"
    before = in_flight(container)
    sqs.delete_queue(QueueUrl=container.output)
    container.send("unheard", "Create unheard.txt", thread="unheard")
    until(lambda: "ERROR answering unheard" in log.read_text(), 10, "the answer fails")
    assert in_flight(container) == before + 1

    del container.output  # asked for again, it is made again
    assert container.output
    container.send("heard", "Create heard.txt", thread="unheard")
    assert container.answer("heard")["success"] is True


def test_an_interrupt_alone_ends_the_command(container: Container) -> None:
    container.send("endless", "this will take time", thread="ic")
    container.sandbox.wait_for("command.received", command="endless")
    container.send("stop", "INTERRUPT: stop", thread="ic", type="interrupt")
    assert container.answer("endless")["interrupted"] is True
    container.send("after", "Create after.txt", thread="ic")
    assert container.answer("after")["success"] is True


def test_what_is_no_command_is_left_on_the_queue(container: Container) -> None:
    before = in_flight(container)
    container.sandbox.sqs.send_message(QueueUrl=container.input, MessageBody="not json")
    container.send("next", "Create next.txt", thread="junk")
    assert container.answer("next")["success"] is True
    assert in_flight(container) == before + 1


def test_an_idle_container_saves_its_work_and_sleeps(sleepy: RunningSandbox) -> None:
    sandbox = sleepy
    container = Container(sandbox).launch().ready()
    container.send("edit", "Create kept.txt", thread="z")
    container.answer("edit")
    (container.workspace / "unsaved.txt").write_text("precious")

    task = sandbox.wait_for_status(container.arn, "STOPPED")

    assert (task["stoppedReason"], task["containers"][0]["exitCode"]) == (
        "Essential container in task exited",
        0,
    )
    subject = git(container, "log", "-1", "--format=%s")
    assert subject.startswith("Auto-save: Container sleeping at 20")
    assert git(container, "rev-parse", "HEAD") == git(container, "ls-remote", "origin", "thread-z").split()[0]
    assert "stoppedAt" in container.row()
    until(lambda: container.row()["status"]["S"] == "stopped", 10, "the row is stopped")
    order = [event.event for event in sandbox.truth() if event.fields.get("task") == container.arn]
    assert order.index("container.sleeping") < order.index("workspace.committed") < order.index("task.stopping")

    woken = Container(sandbox, container.client).launch().ready()
    assert (woken.workspace / "unsaved.txt").read_text() == "precious"


def test_a_mapped_chat_keeps_it_awake(sleepy: RunningSandbox) -> None:
    sandbox = sleepy
    mapped, free = Container(sandbox), Container(sandbox)
    thread = map_thread(mapped)
    mapped.launch().ready()
    free.launch().ready()
    sandbox.wait_for("container.sleeping", container=free.id)
    sandbox.wait_for_status(free.arn, "STOPPED")
    assert sandbox.task(mapped.arn)["lastStatus"] == "RUNNING"
    sandbox.dynamodb.delete_item(
        TableName=sandbox.settings.thread_mapping_table, Key={"threadId": {"S": thread}}
    )
    sandbox.wait_for_status(mapped.arn, "STOPPED")


def test_a_sleepless_container_and_one_that_loses_work(sleepy: RunningSandbox) -> None:
    sandbox = sleepy
    sleepless, careless = Container(sandbox), Container(sandbox)
    sandbox.set_fault("never-sleeps", for_=sleepless.client)
    sandbox.set_fault("work-lost-on-sleep", for_=careless.client)
    sleepless.launch()
    careless.launch()
    careless.ready()
    sleepless.ready()
    (careless.workspace / "unsaved.txt").write_text("precious")

    sandbox.wait_for_status(careless.arn, "STOPPED")

    assert not (careless.workspace / "unsaved.txt").exists()
    assert git(careless, "log", "-1", "--format=%s") == "Sample site"
    assert sandbox.task(sleepless.arn)["lastStatus"] == "RUNNING"
    sandbox.clear_faults()
    sandbox.wait_for_status(sleepless.arn, "STOPPED")
