"""Commands from the input queue, executed one at a time, interruptible by the next (contract §7.3)."""

import asyncio
import json
import logging
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from sandbox.container import agent
from sandbox.container.activity import Activity
from sandbox.container.git import GitError, Workspace
from sandbox.container.instructions import Plan, plan
from sandbox.container.launch import Launch
from sandbox.container.rows import LONG_POLL_SECONDS, Queues
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

INTERRUPT_CHECK_SECONDS = 0.4
INTERRUPT_GRACE_SECONDS = 5.0
RETRY_SECONDS = 1.0

log = logging.getLogger("container.commands")


class NotACommand(Exception):
    """A message that cannot be handled: it is left on the queue, and ends in the DLQ."""


@dataclass(frozen=True, slots=True)
class Command:
    """One message of the input queue."""

    session: str
    id: str
    thread: str
    type: str
    instruction: str
    branch: str
    receipt: str

    @classmethod
    def parse(cls, body: str, receipt: str) -> "Command":
        """The command in a message; raises NotACommand."""
        try:
            data = json.loads(body)
            context = data.get("context") or {}
            thread = str(data["chatThreadId"])
            return cls(
                session=str(data["sessionId"]),
                id=str(data["commandId"]),
                thread=thread,
                type=str(data.get("type", "edit")),
                instruction=str(data.get("instruction", "")),
                branch=str(context.get("branch") or f"thread-{thread}"),
                receipt=receipt,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotACommand(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Done:
    """How a piece of work ended."""

    success: bool
    plan: Plan
    branch: str
    commit: str | None
    error: str | None = None


class Executor:
    """Runs one instruction at a time in the workspace."""

    def __init__(self, settings: SandboxSettings, launch: Launch, workspace: Workspace) -> None:
        self._speed = settings.command_speed
        self._auto_push = launch.get("GIT_AUTO_PUSH").lower() == "true"
        self._workspace = workspace
        self._session: str | None = None
        self.lock = asyncio.Lock()

    async def switch(self, session: str, branch: str) -> None:
        """Bring the session's branch into the workspace; what another session left is saved first."""
        if self._session not in (None, session):
            await self._workspace.save("Auto-save: Switching sessions")
            log.info("Switched to session %s", session)
        self._session = session
        await self._workspace.switch(branch)

    async def start(self, planned: Plan) -> asyncio.subprocess.Process:
        """Start the agent on a plan."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(agent.__file__)),
            cwd=self._workspace.path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        work = {
            "seconds": planned.seconds * self._speed,
            "planned": planned.seconds,
            "file": planned.file,
            "content": planned.content,
            "append": planned.file.endswith(".md"),
        }
        process.stdin.write(json.dumps(work).encode())
        process.stdin.close()
        return process

    async def finish(self, process: asyncio.subprocess.Process, planned: Plan) -> Done:
        """Commit what the agent did."""
        branch = await self._workspace.branch()
        if process.returncode != 0:
            assert process.stderr is not None
            problem = (await process.stderr.read()).decode(errors="replace").strip()
            last = problem.splitlines()[-1] if problem else f"agent ended with {process.returncode}"
            return Done(False, planned, branch, None, last)
        commit = await self._workspace.save(planned.subject)
        if self._auto_push:
            await self._workspace.push()
        return Done(True, planned, branch, commit or await self._workspace.head())

    async def run(self, session: str, branch: str, instruction: str) -> Done:
        """All of it, for a caller that cannot interrupt."""
        async with self.lock:
            await self.switch(session, branch)
            planned = plan(instruction)
            process = await self.start(planned)
            await process.wait()
            return await self.finish(process, planned)


class Commands:
    """Takes commands off the input queue and answers on the output queue."""

    def __init__(
        self,
        settings: SandboxSettings,
        launch: Launch,
        queues: Queues,
        executor: Executor,
        workspace: Workspace,
        activity: Activity,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._queues = queues
        self._executor = executor
        self._workspace = workspace
        self._activity = activity
        self._truth = truth
        self._check = INTERRUPT_CHECK_SECONDS * settings.command_speed

    async def serve(self) -> None:
        """Handle one message after the other, for ever."""
        waiting: Command | None = None
        while True:
            command = waiting or await self._next(LONG_POLL_SECONDS)
            waiting = None
            if command is None:
                continue
            if self._activity.asleep:
                await asyncio.to_thread(self._queues.give_back, command.receipt)
                await asyncio.Event().wait()  # the next container will have it
            with self._activity.busy():
                waiting = await self._handle(command)

    async def _next(self, wait: int) -> Command | None:
        try:
            message = await asyncio.to_thread(self._queues.receive, wait=wait)
        except self._activity.aws_errors as error:
            log.warning("ERROR receiving: %s", error)  # a queue that is gone, or AWS away: look again later
            await asyncio.sleep(RETRY_SECONDS)
            return None
        if message is None:
            return None
        self._activity.touch()
        try:
            return Command.parse(*message)
        except NotACommand as error:
            log.error("ERROR not a command: %s", error)
            return None

    async def _handle(self, command: Command) -> Command | None:
        """Execute the command and answer it; returns the command that interrupted it, if one did."""
        self._tell("command.received", command)
        if command.type == "interrupt":
            await asyncio.to_thread(self._queues.delete, command.receipt)
            return None
        newer: Command | None = None
        try:
            async with self._executor.lock:
                await self._executor.switch(command.session, command.branch)
                planned = plan(command.instruction)
                process = await self._executor.start(planned)
                newer = await self._watch(process)
                if newer is None:
                    answer = self._finished(command, await self._executor.finish(process, planned))
                else:
                    answer = await self._interrupted(command, process, newer)
        except (GitError, OSError) as error:
            log.error("ERROR handling %s: %s", command.id, error)
            answer = _head(command, success=False) | {"error": str(error)}
        await asyncio.to_thread(self._queues.respond, json.dumps(answer))
        await asyncio.to_thread(self._queues.delete, command.receipt)
        return newer

    async def _watch(self, process: asyncio.subprocess.Process) -> Command | None:
        """Wait for the agent to end (None), or for a newer message (which is returned)."""
        ended = asyncio.ensure_future(process.wait())
        while True:
            await asyncio.wait({ended}, timeout=self._check)
            if ended.done():
                return None
            newer = await self._next(0)
            if newer is not None:
                ended.cancel()
                return newer

    async def _interrupted(
        self, command: Command, process: asyncio.subprocess.Process, newer: Command
    ) -> dict[str, Any]:
        """End the agent, gently at first, save what it left, and say so."""
        log.info("Interrupting %s", process.pid)
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), INTERRUPT_GRACE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        commit = await self._workspace.save("Auto-save: Interrupted by new message")
        if commit is not None:
            self._tell("workspace.committed", command, commit=commit, why="interrupt")
        self._tell("command.interrupted", command, by=newer.id, commit=commit)
        summary = "Process interrupted by new message"
        return _head(command, success=False) | {
            "summary": summary,
            "interrupted": True,
            "branch": command.branch,
        }

    def _finished(self, command: Command, done: Done) -> dict[str, Any]:
        """The answer to a command that ended by itself."""
        self._tell("command.finished", command, success=done.success, commit=done.commit)
        answer: dict[str, Any] = _head(command, success=done.success) | {"branch": done.branch}
        if not done.success:
            return answer | {"error": done.error}
        return answer | {
            "summary": done.plan.summary,
            "filesChanged": [done.plan.file],
            "previewUrl": f"{self._settings.alb_url}/session/{command.session}/",
            "gitCommit": done.commit,
            "completedAt": int(time.time() * 1000),
        }

    def _tell(self, event: str, command: Command, **fields: str | bool | None) -> None:
        self._truth.write(
            event,
            at=None,
            task=self._launch.task_arn,
            client=self._launch.client,
            session=command.session,
            command=command.id,
            type=command.type,
            **fields,
        )


def _head(command: Command, *, success: bool) -> dict[str, Any]:
    return {
        "sessionId": command.session,
        "commandId": command.id,
        "timestamp": int(time.time() * 1000),
        "success": success,
    }
