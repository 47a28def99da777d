"""Commands from the input queue, executed one at a time, interruptible by the next (contract §7.3)."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass

from sandbox.container import agent
from sandbox.container.activity import Activity
from sandbox.container.answers import INTERRUPTED, Answer, Answers, head
from sandbox.container.git import GitError, Workspace
from sandbox.container.instructions import LONG_SECONDS, Plan, plan
from sandbox.container.launch import Launch
from sandbox.container.rows import LONG_POLL_SECONDS, Message, Queues
from sandbox.faults import Faults, Value, amount
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

INTERRUPT_CHECK_SECONDS = 0.4
INTERRUPT_GRACE_SECONDS = 5.0
RETRY_SECONDS = 1.0
KILLED = 137

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
    message: Message

    @classmethod
    def parse(cls, message: Message) -> "Command":
        """The command in a message; raises NotACommand."""
        try:
            data = json.loads(message.body)
            context = data.get("context") or {}
            thread = str(data["chatThreadId"])
            return cls(
                session=str(data["sessionId"]),
                id=str(data["commandId"]),
                thread=thread,
                type=str(data.get("type", "edit")),
                instruction=str(data.get("instruction", "")),
                branch=str(context.get("branch") or f"thread-{thread}"),
                message=message,
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


@dataclass(slots=True)
class Work:
    """A command being carried out, or the last that was; `ended` is the wall clock's."""

    command: Command
    planned: Plan
    ended: float | None = None


class Executor:
    """Runs one instruction at a time in the workspace."""

    def __init__(self, settings: SandboxSettings, launch: Launch, workspace: Workspace, faults: Faults) -> None:
        self._speed = settings.command_speed
        self._auto_push = launch.get("GIT_AUTO_PUSH").lower() == "true"
        self._workspace = workspace
        self._faults = faults
        self._client = launch.client
        self._session: str | None = None
        self.lock = asyncio.Lock()

    async def switch(self, session: str, branch: str) -> None:
        """Bring the session's branch into the workspace; what another session left is saved first."""
        switches = self._session not in (None, session)
        if switches:
            await self._workspace.save("Auto-save: Switching sessions")
            log.info("Switched to session %s", session)
        self._session = session
        before = await self._workspace.branch()
        await self._workspace.switch(branch)
        if switches and self._faults.strikes("branch-leaks", client=self._client) is not None:
            await self._workspace.merge(before)

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
        unnamed = self._faults.strikes("commits-tell-nothing", client=self._client) is not None
        commit = await self._workspace.save("Changes" if unnamed else planned.subject)
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
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._queues = queues
        self._executor = executor
        self._workspace = workspace
        self._activity = activity
        self._faults = faults
        self._truth = truth
        self._answers = Answers(queues, faults, launch.client)
        self._work: Work | None = None
        self._next_done = asyncio.Event()
        self._held: asyncio.Task[None] | None = None
        self._check = INTERRUPT_CHECK_SECONDS * settings.command_speed

    async def serve(self) -> None:
        """Handle one message after the other, for ever."""
        waiting: Command | None = None
        interrupting = 0  # how many commands in a row were interrupted up to this one
        while True:
            command = waiting or await self._next(LONG_POLL_SECONDS)
            interrupting = interrupting + 1 if waiting else 0
            waiting = None
            if command is None:
                continue
            if self._activity.asleep:
                with contextlib.suppress(*self._activity.aws_errors):
                    await asyncio.to_thread(self._queues.give_back, command.message)
                await asyncio.Event().wait()  # the next container will have it
            with self._activity.busy():
                waiting = await self._handle(command, interrupting)

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
            command = Command.parse(message)
        except NotACommand as error:
            log.error("ERROR not a command: %s", error)
            return None
        if self._goes_unheard(command):
            await asyncio.to_thread(self._queues.delete, command.message)
            return None
        return command

    def _goes_unheard(self, command: Command) -> bool:
        """Whether a fault has this command thrown away: one that came while another chat's short one ran."""
        work = self._work
        if work is None or work.command.session == command.session or work.planned.seconds >= LONG_SECONDS:
            return False
        at_once = work.ended is None or command.message.sent < work.ended
        return at_once and self._struck("command-lost") is not None

    async def _handle(self, command: Command, interrupting: int) -> Command | None:
        """Execute the command and answer it; returns the command that interrupted it, if one did."""
        self._tell("command.received", command)
        if command.type == "interrupt":
            await asyncio.to_thread(self._queues.delete, command.message)
            return None
        if self._struck("command-to-dlq") is not None:
            await asyncio.to_thread(self._queues.bury, command.message)
            return None
        newer: Command | None = None
        try:
            answer = self._refused(command, interrupting) or self._held_back(command)
            if answer is None:
                answer, newer = await self._carried_out(command)
        except (GitError, OSError) as error:
            log.error("ERROR handling %s: %s", command.id, error)
            self._tell("command.finished", command, success=False, commit=None)
            answer = _head(command, success=False) | {"error": str(error)}
        await self._conclude(command, answer)
        return newer

    async def _conclude(self, command: Command, answer: Answer) -> None:
        """Answer the command and take it off the queue; one that could not be answered stays on it."""
        try:
            await self._answers.send(answer)
            if self._struck("message-left-in-queue") is None:
                await asyncio.to_thread(self._queues.delete, command.message)
        except self._activity.aws_errors as error:
            log.warning("ERROR answering %s: %s", command.id, error)

    async def _carried_out(self, command: Command) -> tuple[Answer, Command | None]:
        """The answer to a command, and the command that interrupted it, if one did."""
        planned = plan(command.instruction)
        async with self._executor.lock:
            self._work = work = Work(command, planned)
            await self._executor.switch(command.session, command.branch)
            process = await self._executor.start(planned)
            newer = await self._watch(process)
            if newer is None:
                answer = self._finished(command, await self._executor.finish(process, planned))
            else:
                answer = await self._interrupted(command, process, newer)
            work.ended = time.time()
        self._next_done.set()
        return answer, newer

    def _refused(self, command: Command, interrupting: int) -> Answer | None:
        """The answer of a container that, by a fault, does not take this command up; None if it does."""
        refused = self._struck("type-refused") if command.type != "edit" else None
        if refused is not None and refused["type"] == command.type:
            return _head(command, success=False) | {"error": f"unknown command type {command.type!r}"}
        if interrupting >= 2 and self._struck("burst-swallowed") is not None:
            return _head(command, success=False) | {"summary": INTERRUPTED, "interrupted": True}
        return None

    def _held_back(self, command: Command) -> Answer | None:
        """The answer to a command that, by a fault, is carried out after the next one; None if it is not."""
        held = self._struck("commands-reordered") if self._held is None else None
        if held is None:
            return None
        planned = plan(command.instruction)
        self._next_done.clear()
        self._held = asyncio.create_task(self._later(command, amount(held)))
        return self._finished(command, Done(True, planned, command.branch, None))

    async def _later(self, command: Command, patience: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._next_done.wait(), patience)
        try:
            await self._executor.run(command.session, command.branch, command.instruction)
        finally:
            self._held = None

    async def _watch(self, process: asyncio.subprocess.Process) -> Command | None:
        """Wait for the agent to end (None), or for a newer message (which is returned)."""
        if not self._settings.interrupts or self._struck("interrupt-ignored") is not None:
            await process.wait()
            return None
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
    ) -> Answer:
        """End the agent, gently at first, save what it left, and say so.

        Raises neither GitError nor OSError: the newer command is off the queue, and must not go with this one.
        """
        log.info("Interrupting %s", process.pid)
        if (slow := self._struck("interrupt-slow")) is not None:
            await asyncio.sleep(amount(slow))
        await _end(process)
        long = plan(command.instruction).seconds >= LONG_SECONDS
        if long and self._struck("container-dies-on-interrupt") is not None:
            os._exit(KILLED)
        commit, problem = await self._saved(command)
        self._tell("command.interrupted", command, by=newer.id, by_session=newer.session, commit=commit)
        if self._struck("interrupts-uncounted") is not None:
            return _head(command, success=False) | {"error": f"agent ended with {process.returncode}"}
        answer: Answer = {"summary": INTERRUPTED, "interrupted": True, "branch": command.branch}
        return _head(command, success=False) | answer | ({"error": problem} if problem else {})

    async def _saved(self, command: Command) -> tuple[str | None, str]:
        """Commit what an interrupted command left: the commit, if any, and what git said where it failed."""
        if self._struck("interrupted-work-not-committed") is not None:
            return None, ""
        try:
            commit = await self._workspace.save("Auto-save: Interrupted by new message")
        except (GitError, OSError) as error:
            log.error("ERROR saving what %s left: %s", command.id, error)
            return None, str(error)
        if commit is not None:
            self._tell("workspace.committed", command, commit=commit, why="interrupt")
        return commit, ""

    def _finished(self, command: Command, done: Done) -> Answer:
        """The answer to a command that ended by itself."""
        self._tell("command.finished", command, success=done.success, commit=done.commit)
        answer: Answer = _head(command, success=done.success) | {"branch": done.branch}
        if not done.success:
            return answer | {"error": done.error}
        return answer | {
            "summary": done.plan.summary,
            "filesChanged": [done.plan.file],
            "previewUrl": f"{self._settings.alb_url}/session/{command.session}/",
            "gitCommit": done.commit,
            "completedAt": int(time.time() * 1000),
        }

    def _struck(self, fault: str) -> dict[str, Value] | None:
        return self._faults.strikes(fault, client=self._launch.client)

    def _tell(self, event: str, command: Command, **fields: str | bool | None) -> None:
        self._truth.write(
            event,
            at=None,
            task=self._launch.task_arn,
            client=self._launch.client,
            container=self._launch.container_id,
            session=command.session,
            command=command.id,
            type=command.type,
            **fields,
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Interrupt the agent, and kill it if it has not ended after its grace."""
    with contextlib.suppress(ProcessLookupError):  # it ended by itself this moment
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), INTERRUPT_GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _head(command: Command, *, success: bool) -> Answer:
    return head(command.session, command.id, success=success)
