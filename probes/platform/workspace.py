"""A look into a workspace (contract §6): which files are there, and what git says."""

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import ParamSpec, Protocol, TypeVar

from probes.platform.dialects import FileCheck, WorkspaceLayout
from probes.platform.guard import Guard
from probes.platform.http import Http, Label
from probes.platform.replies import Reply
from probes.platform.settings import PlatformSettings
from probes.platform.values import WorkspaceStatus
from synthetics.errors import PlatformError, ProbeBroken, SettingsError, TimedOut, Unexpected

P = ParamSpec("P")
R = TypeVar("R")

#: In place of a branch's name: the commits of all of them.
EVERY_BRANCH = "--all"

#: Bytes: what git may say at most.
_MOST_OUTPUT = 8 * 1024 * 1024
_LISTING = ("ls-tree", "-r", "--name-only", "--full-tree")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose workspace is meant; `session_id` finds its container, `branch` its chat."""

    client_id: str
    user_id: str
    project_id: str
    session_id: str = ""
    branch: str = ""

    def below(self, layout: WorkspaceLayout) -> PurePosixPath:
        """Where the workspace lies below the mount. Raises ProbeBroken for a part that is no plain name."""
        user = self.user_id.partition("@")[0]
        for part in (self.client_id, user, self.project_id):
            if "/" in part or part in (".", ".."):
                raise ProbeBroken(f"workspace of {self.client_id}: {part!r} cannot be part of a path")
        match layout:
            case WorkspaceLayout.CLIENT_USER_PROJECT:
                return PurePosixPath(self.client_id, user, "project")
            case WorkspaceLayout.CLIENT_PROJECT_ID:
                return PurePosixPath(self.client_id, self.project_id)
            case WorkspaceLayout.CLIENT_PROJECT:
                return PurePosixPath(self.client_id, "project")


class Workspace(Protocol):
    """One workspace, seen from outside. All methods raise PlatformError where it cannot be looked into."""

    @property
    def writable(self) -> bool:
        """Whether `write` can be used."""

    @property
    def outlives_container(self) -> bool:
        """Whether it can be looked into while its container sleeps."""

    async def write(self, path: str, text: str) -> None:
        """Put a file into an own workspace on an isolated platform, and commit nothing."""

    async def exists(self, path: str) -> bool:
        """Whether the file is there; `path` counts from the workspace's root."""

    async def files(self, branch: str) -> list[str]:
        """Every file committed on the branch, sorted. Raises PlatformError where there is no such branch."""

    async def log(self, branch: str = "HEAD") -> list[str]:
        """The subjects of a branch's commits (of the one that is checked out), newest first."""

    async def status(self) -> WorkspaceStatus:
        """The current branch, and what is not committed."""


class Workspaces:
    """The way into workspaces that FILE_CHECK names."""

    def __init__(self, *, http: Http, settings: PlatformSettings, guard: Guard) -> None:
        self._http = http
        self._settings = settings
        self._guard = guard

    @property
    def refusal(self) -> str | None:
        """Why workspaces cannot be looked into with these settings; None if they can."""
        if self._settings.file_check is FileCheck.ECS_EXEC:
            return (
                "FILE_CHECK: ecs-exec needs the SSM session protocol, which this monitor does not speak; "
                "allowed are efs-mount (with WORKSPACE_ROOT), http-api and git-remote (with GIT_REMOTE)"
            )
        return None

    def at(self, place: Place) -> Workspace:
        """The workspace at this place. Raises SettingsError where FILE_CHECK names no way that we have."""
        if self.refusal is not None:
            raise SettingsError([self.refusal])
        settings, timeout = self._settings, self._settings.file_timeout
        match settings.file_check:
            case FileCheck.HTTP_API:
                return HttpApi(self._http, settings, place)
            case FileCheck.GIT_REMOTE:
                return GitRemote(settings.git_remote or "", place.branch, timeout)
            case _:
                root = settings.workspace_root or Path()
                return EfsMount(root / place.below(settings.workspace_layout), place, self._guard, timeout)

    async def remove_client(self, client_id: str) -> None:
        """Remove every workspace of an own client, where they are mounted for writing.

        Elsewhere they cannot be removed, and are the platform's to forget.
        """
        self._guard.own_client(client_id)
        root = self._settings.workspace_root
        if self._settings.file_check is not FileCheck.EFS_MOUNT or root is None:
            return
        directory = root / client_id
        await _on_mount(directory, self._settings.exec_timeout, "removed", _remove_tree, directory)


class EfsMount:
    """A workspace in a directory of this machine."""

    def __init__(self, directory: Path, place: Place, guard: Guard, timeout: timedelta) -> None:
        self._directory = directory
        self._place = place
        self._guard = guard
        self._timeout = timeout

    @property
    def writable(self) -> bool:
        return self._guard.isolated

    @property
    def outlives_container(self) -> bool:
        return True

    async def write(self, path: str, text: str) -> None:
        self._guard.alone(f"write {path} into a workspace")
        self._guard.own_client(self._place.client_id)
        file = (self._directory / path.lstrip("/")).resolve()
        if not file.is_relative_to(self._directory.resolve()):
            raise ProbeBroken(f"{path!r} leads out of the workspace")
        await _on_mount(file, self._timeout, "written", file.write_text, text)

    async def exists(self, path: str) -> bool:
        file = self._directory / path.lstrip("/")
        return await _on_mount(file, self._timeout, "looked at", file.is_file)

    async def files(self, branch: str) -> list[str]:
        return sorted((await self._git(*_LISTING, branch)).splitlines())

    async def log(self, branch: str = "HEAD") -> list[str]:
        return (await self._git("log", "--format=%s", branch, "--")).splitlines()

    async def status(self) -> WorkspaceStatus:
        branch = (await self._git("symbolic-ref", "--short", "HEAD")).strip()
        changes = (await self._git("status", "--porcelain")).splitlines()
        return WorkspaceStatus(branch, tuple(changes))

    async def _git(self, *arguments: str) -> str:
        directory = self._directory
        if not await _on_mount(directory, self._timeout, "looked at", directory.is_dir):
            raise Unexpected(f"unexpected: workspace {self._directory}: wanted a directory, got nothing")
        return await git(("-C", str(self._directory), *arguments), self._timeout, owned=self._directory)


class HttpApi:
    """A workspace through its container's own API (contract §2.6)."""

    def __init__(self, http: Http, settings: PlatformSettings, place: Place) -> None:
        self._http = http
        self._settings = settings
        self._place = place

    @property
    def writable(self) -> bool:
        return False

    @property
    def outlives_container(self) -> bool:
        return False

    async def write(self, path: str, text: str) -> None:
        raise _unwritable(FileCheck.HTTP_API)

    async def exists(self, path: str) -> bool:
        file = self._path() / path.lstrip("/")
        reply = await self._ask("/files/exists", {"filePath": str(file)}, self._settings.file_timeout)
        found = reply.json().get("exists")
        if not isinstance(found, bool):
            raise Unexpected(
                f"unexpected: {reply.request}: wanted 'exists' as true or false, got {found!r}",
                **reply.evidence(),
            )
        return found

    async def files(self, branch: str) -> list[str]:
        return sorted((await self._run(f"git {shlex.join(_LISTING)} {shlex.quote(branch)}")).splitlines())

    async def log(self, branch: str = "HEAD") -> list[str]:
        return (await self._run(f"git log --format=%s {shlex.quote(branch)} --")).splitlines()

    async def status(self) -> WorkspaceStatus:
        branch = (await self._run("git symbolic-ref --short HEAD")).strip()
        return WorkspaceStatus(branch, tuple((await self._run("git status --porcelain")).splitlines()))

    async def _run(self, command: str) -> str:
        line = f"cd {shlex.quote(str(self._path()))} && {command}"
        reply = await self._ask("/exec", {"command": line}, self._settings.exec_timeout)
        told = reply.json()
        output, code = told.get("output"), told.get("exitCode")
        if not isinstance(output, str) or code != 0:
            raise Unexpected(
                f"unexpected: {command} in the container: wanted exit code 0 with output, got {code!r}",
                **reply.evidence(),
            )
        return output

    async def _ask(self, path: str, body: dict[str, object], timeout: timedelta) -> Reply:
        reply = await self._http.request(
            "POST",
            self._settings.api + path,
            label=Label("alb", "workspace"),
            timeout=timeout,
            json=body,
            headers={"X-Session-ID": self._place.session_id},
        )
        if not reply.ok:
            raise PlatformError(f"unexpected: {path}: wanted 2xx, got {reply.told()}", **reply.evidence())
        return reply

    def _path(self) -> PurePosixPath:
        return PurePosixPath("/workspace") / self._place.below(self._settings.workspace_layout)


class GitRemote:
    """What a workspace has pushed: one branch of the repository."""

    def __init__(self, remote: str, branch: str, timeout: timedelta) -> None:
        self._remote = remote
        self._branch = branch
        self._timeout = timeout

    @property
    def writable(self) -> bool:
        return False

    @property
    def outlives_container(self) -> bool:
        return True

    async def write(self, path: str, text: str) -> None:
        raise _unwritable(FileCheck.GIT_REMOTE)

    async def exists(self, path: str) -> bool:
        listed = await self._fetched("ls-tree", "-r", "--name-only", "FETCH_HEAD", "--", path.lstrip("/"))
        return bool(listed.strip())

    async def files(self, branch: str) -> list[str]:
        return sorted((await self._fetched(*_LISTING, "FETCH_HEAD", branch=branch)).splitlines())

    async def log(self, branch: str = "HEAD") -> list[str]:
        fetched = "" if branch == "HEAD" else branch
        return (await self._fetched("log", "--format=%s", "FETCH_HEAD", branch=fetched)).splitlines()

    async def status(self) -> WorkspaceStatus:
        """The branch alone: what is not pushed cannot be seen in a repository."""
        await self._fetched("rev-parse", "FETCH_HEAD")
        return WorkspaceStatus(self._branch)

    async def _fetched(self, *arguments: str, branch: str = "") -> str:
        wanted = branch or self._branch
        if not wanted:
            raise ProbeBroken("FILE_CHECK=git-remote: the session's branch is not known")
        directory = await asyncio.to_thread(tempfile.mkdtemp, prefix="synthetics-git-")
        try:
            await git(("init", "-q", "--bare", directory), self._timeout)
            reference = f"refs/heads/{wanted}"
            await git(("-C", directory, "fetch", "-q", self._remote, reference), self._timeout)
            return await git(("-C", directory, *arguments), self._timeout)
        finally:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def _on_mount(
    where: Path, timeout: timedelta, done: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """What comes of a call to a file system that may hang, as mounts do. Raises PlatformError, TimedOut."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return await asyncio.to_thread(call, *args, **kwargs)
    except TimeoutError:
        raise TimedOut(f"{where}: could not be {done} within {timeout.total_seconds():g} s") from None
    except OSError as error:
        raise PlatformError(f"{where}: cannot be {done}: {error.strerror}") from error


async def git(arguments: Sequence[str], timeout: timedelta, *, owned: Path | None = None) -> str:
    """What git prints. `owned` is a directory to be read whoever owns it. Raises PlatformError, TimedOut."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(owned),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            output, said = await asyncio.gather(_up_to(process.stdout), _up_to(process.stderr))
            await process.wait()
    except TimeoutError:
        raise TimedOut(f"git {' '.join(arguments)}: not done within {timeout.total_seconds():g} s") from None
    finally:
        if process.returncode is None:
            # The whole group: what git has started holds our pipes open.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        told = said.decode("utf-8", "replace").strip()
        raise PlatformError(f"git {' '.join(arguments)}: {told or f'exit code {process.returncode}'}")
    return output.decode("utf-8", "replace")


async def _up_to(stream: asyncio.StreamReader | None) -> bytes:
    """All that comes. Raises PlatformError where that is more than anybody would read."""
    assert stream is not None
    output = bytearray()
    while piece := await stream.read(65536):
        output += piece
        if len(output) > _MOST_OUTPUT:
            raise PlatformError(f"git says more than {_MOST_OUTPUT // (1024 * 1024)} MiB")
    return bytes(output)


def _unwritable(way: FileCheck) -> ProbeBroken:
    return ProbeBroken(f"FILE_CHECK={way.value}: a workspace can be looked into, but not written")


def _environment(owned: Path | None) -> dict[str, str]:
    """Nothing of the user's configuration, no questions asked, no locks taken on what we only read."""
    pairs = [("safe.directory", str(owned))] if owned else []
    settings = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(pairs)}
    settings |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(pairs)}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(pairs)),
        **settings,
    }


def _remove_tree(directory: Path) -> None:
    if directory.is_symlink() or not directory.exists():
        return
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return
    shutil.rmtree(directory)
