"""The container's git workspace: branches, commits and pushes, one at a time."""

import asyncio
import os
import shutil
from pathlib import Path

from sandbox.workspace import DEFAULT_BRANCH, GIT_ENVIRONMENT

PUSH_REMOTE = "origin"


class GitError(Exception):
    """git said no."""


class Workspace:
    """A clone of the site on the shared file system; it outlives the container."""

    def __init__(self, path: Path, *, protected: frozenset[str]) -> None:
        self.path = path
        self._protected = protected
        self._environment = {**os.environ, **GIT_ENVIRONMENT}

    async def open(self, remote: Path) -> None:
        """Clone the remote unless an earlier container did."""
        if (self.path / ".git").is_dir():
            (self.path / ".git" / "index.lock").unlink(missing_ok=True)  # of a container that was killed
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        await self._run("clone", "--quiet", "--no-hardlinks", str(remote), str(scratch), cwd=Path("/"))
        try:
            scratch.rename(self.path)
        except OSError:  # another container of the same workspace was quicker
            shutil.rmtree(scratch)

    async def branch(self) -> str:
        """The branch that is checked out."""
        return await self._run("symbolic-ref", "--short", "HEAD")

    async def switch(self, branch: str) -> None:
        """Check the branch out; a new one starts from the default branch, so that no chat sees another."""
        if await self.branch() == branch:
            return
        try:
            await self._run("checkout", "--quiet", branch)
        except GitError:
            await self._run("checkout", "--quiet", "-b", branch, DEFAULT_BRANCH)

    async def merge(self, other: str) -> None:
        """Bring another branch's work into this one; where they differ, this one's stays."""
        await self._run("merge", "--quiet", "--no-edit", "-X", "ours", other)

    async def dirty(self) -> bool:
        return bool(await self._run("status", "--porcelain"))

    async def save(self, message: str) -> str | None:
        """Commit everything there is and return the commit; None if there was nothing to commit."""
        return await self.commit_all(message) if await self.dirty() else None

    async def commit_all(self, message: str) -> str:
        """Commit everything there is, be it nothing, and return the commit."""
        await self._run("add", "--all")
        await self._run("commit", "--quiet", "--allow-empty", "--message", message)
        return await self.head()

    async def head(self) -> str:
        return await self._run("rev-parse", "HEAD")

    async def push(self) -> bool:
        """Push the branch; False for a protected one, which is never pushed."""
        branch = await self.branch()
        if branch in self._protected:
            return False
        await self._run("push", "--quiet", "--force", PUSH_REMOTE, branch)
        return True

    async def discard(self) -> None:
        """Throw away everything that is not committed."""
        await self._run("reset", "--hard", "--quiet")
        await self._run("clean", "--quiet", "--force", "-d")

    async def forget_history(self) -> None:
        """Keep the files, and begin the history anew on the branch that is checked out, without any other."""
        branch = await self.branch()
        others = (await self._run("for-each-ref", "--format=%(refname:short)", "refs/heads")).split()
        await self._run("checkout", "--quiet", "--orphan", "anew")
        await self._run("add", "--all")
        await self._run("commit", "--quiet", "--message", "Sample site")
        await self._run("branch", "--quiet", "-D", *others)
        await self._run("update-ref", "-d", f"refs/remotes/origin/{branch}")
        await self._run("branch", DEFAULT_BRANCH)
        if branch == DEFAULT_BRANCH:
            await self._run("checkout", "--quiet", branch)
        else:
            await self._run("checkout", "--quiet", "-b", branch)
        await self._run("branch", "--quiet", "-D", "anew")

    async def _run(self, *arguments: str, cwd: Path | None = None) -> str:
        process = await asyncio.create_subprocess_exec(
            *("git", *arguments),
            cwd=cwd or self.path,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, problem = await process.communicate()
        if process.returncode != 0:
            raise GitError(f"git {arguments[0]}: {problem.decode(errors='replace').strip()}")
        return output.decode().strip()
