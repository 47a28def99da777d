"""A look into workspaces: a real git repository through a directory and a remote, and a container's API."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from probes.platform.workspace import EfsMount, Place, git
from synthetics.errors import GuardRefused, PlatformError, ProbeBroken, SettingsError, TimedOut, Unexpected
from tests.platform.conftest import Run, opened
from tests.support.badserver import answer, bad_server


@pytest.fixture
async def mounted(tmp_path: Path) -> Path:
    """A mount with one workspace of the customer `syn-t1`, layout client/user/project."""
    directory = tmp_path / "syn-t1" / "TEST_jane" / "project"
    directory.mkdir(parents=True)
    for command in (
        ["init", "-q", "-b", "thread-1"],
        ["config", "user.name", "Someone"],
        ["config", "user.email", "someone@example.com"],
        ["commit", "-q", "--allow-empty", "-m", "Create Header component"],
    ):
        process = await asyncio.create_subprocess_exec("git", "-C", str(directory), *command)
        assert await process.wait() == 0
    return tmp_path


def settings(names: dict[str, str], root: Path) -> dict[str, str]:
    return {**names, "FILE_CHECK": "efs-mount", "WORKSPACE_ROOT": str(root)}


PLACE = Place("syn-t1", "TEST_jane", "site", session_id="s", branch="thread-1")


async def test_a_mounted_workspace(mounted: Path, names: dict[str, str]) -> None:
    async with opened(settings(names, mounted), tag="t1") as run:
        workspace = run.web.workspaces.at(PLACE)
        assert await workspace.log() == ["Create Header component"]
        assert not (await workspace.status()).dirty
        await workspace.write("notes.txt", "hello")
        assert await workspace.exists("notes.txt")
        status = await workspace.status()
        assert (status.branch, status.changes) == ("thread-1", ("?? notes.txt",))
        with pytest.raises(ProbeBroken, match="leads out"):
            await workspace.write("../../../x", "y")
        await run.web.workspaces.remove_client("syn-t1")
        assert not (mounted / "syn-t1").exists()
        await run.web.workspaces.remove_client("syn-t1")
        with pytest.raises(Unexpected, match="wanted a directory"):
            await workspace.log()


async def test_a_mount_that_is_read_only_keeps_what_it_has(
    mounted: Path, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = os.statvfs(mounted)
    monkeypatch.setattr("os.statvfs", lambda _: os.statvfs_result((*told[:8], os.ST_RDONLY, told[9])))
    async with opened(settings(names, mounted), tag="t1") as run:
        await run.web.workspaces.remove_client("syn-t1")
    assert (mounted / "syn-t1").is_dir()


async def test_a_workspace_of_others_is_left_alone(mounted: Path, names: dict[str, str]) -> None:
    async with opened(settings(names, mounted), tag="t2") as run:
        with pytest.raises(GuardRefused):
            await run.web.workspaces.remove_client("syn-t1")
        with pytest.raises(GuardRefused):
            await run.web.workspaces.at(PLACE).write("x", "y")
    assert (mounted / "syn-t1").is_dir()
    with pytest.raises(ProbeBroken, match="cannot be part of a path"):
        Place("..", "jane", "site").below(run.web.settings.workspace_layout)


async def test_a_directory_without_git_is_told(tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    workspace = EfsMount(tmp_path / "empty", PLACE, run.web.guard, run.web.settings.file_timeout)
    with pytest.raises(PlatformError, match="not a git repository"):
        await workspace.status()


async def test_a_branch_of_a_remote(mounted: Path, names: dict[str, str]) -> None:
    remote = mounted / "syn-t1" / "TEST_jane" / "project"
    async with opened({**names, "FILE_CHECK": "git-remote", "GIT_REMOTE": str(remote)}) as run:
        workspace = run.web.workspaces.at(PLACE)
        assert await workspace.log() == ["Create Header component"]
        assert not await workspace.exists("notes.txt")
        assert (await workspace.status()).branch == "thread-1"
        with pytest.raises(PlatformError, match="nowhere"):
            await run.web.workspaces.at(Place("syn-t1", "u", "p", branch="nowhere")).log()


async def test_a_container_of_its_own_api(names: dict[str, str]) -> None:
    async with (
        bad_server(answer(200, b'{"exists": true}')) as server,
        opened({**names, "ALB_ENDPOINT": server.url, "FILE_CHECK": "http-api"}) as run,
    ):
        workspace = run.web.workspaces.at(PLACE)
        assert await workspace.exists("src/pages/index.astro")
        head, _, body = server.requests[0].partition("\r\n\r\n")
        assert "POST /api/files/exists" in head
        assert "x-session-id: s" in head.lower()
        assert json.loads(body) == {"filePath": "/workspace/syn-t1/TEST_jane/project/src/pages/index.astro"}
        with pytest.raises(Unexpected, match="wanted exit code 0"):
            await workspace.log()
        server.act = answer(200, b'{"output": "two\\none\\n", "exitCode": 0}')
        assert await workspace.log() == ["two", "one"]
        server.act = answer(404, b"")
        with pytest.raises(PlatformError, match="wanted 2xx, got 404"):
            await workspace.exists("x")


async def test_exec_is_refused_in_clear_words(run: Run) -> None:
    assert run.web.workspaces.refusal is not None
    with pytest.raises(SettingsError, match="ecs-exec needs the SSM session protocol"):
        run.web.workspaces.at(PLACE)


async def test_a_git_that_hangs_is_ended() -> None:
    with pytest.raises(TimedOut, match="not done within"):
        await git(("-c", "alias.wait=!sleep 60", "wait"), timedelta(seconds=0.3))
