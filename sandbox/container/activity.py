"""When the container was last used, and its going to sleep when it is not (contract §5.6)."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.container.git import GitError, Workspace
from sandbox.container.launch import Launch
from sandbox.container.rows import ContainerRow
from sandbox.faults import Faults, amount
from sandbox.settings import CHECKS_PER_LIMIT, SandboxSettings
from sandbox.truth import Truth

AWS_ERRORS = (ClientError, BotoCoreError)
WRITE_EVERY_SECONDS = 60.0  # of the platform
COUNT_UNKNOWN = 1  # a failed count keeps the container awake

log = logging.getLogger("container.sleep")


class Activity:
    """The idle clock."""

    aws_errors = AWS_ERRORS

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._running = 0
        self.asleep = False

    def touch(self) -> None:
        """Something was asked of this container."""
        self._last = time.monotonic()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The container is in use all through this block."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self.touch()

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self._running else time.monotonic() - self._last

    @property
    def last(self) -> float:
        return self._last


class Sleeper:
    """Writes the row's activity while the container is used, and puts it to sleep when it is not."""

    def __init__(
        self,
        settings: SandboxSettings,
        launch: Launch,
        activity: Activity,
        row: ContainerRow | None,
        workspace: Workspace,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._activity = activity
        self._row = row
        self._workspace = workspace
        self._faults = faults
        self._truth = truth
        self._written = activity.last

    async def until_asleep(self) -> None:
        """Return when the container may exit; never, for a task that belongs to nobody."""
        if self._row is None:
            await asyncio.Event().wait()
            return
        limit = self._settings.idle_after
        while True:
            await asyncio.sleep(limit / CHECKS_PER_LIMIT)
            await self._write_activity(self._row)
            if self._activity.idle_seconds < limit:
                continue
            if self._struck("never-sleeps") or await self._mappings(self._row):
                self._activity.touch()
            elif self._activity.idle_seconds >= limit:
                break
        self._activity.asleep = True
        await self._fall_asleep(self._row)

    async def save(self, message: str) -> None:
        """Commit and push what is unsaved; that it failed is only told to the log."""
        try:
            commit = await self._workspace.save(message)
            if commit is None:
                return
            self._tell("workspace.committed", commit=commit, why=message.partition(":")[2].strip())
            await self._workspace.push()
        except (GitError, OSError) as error:
            log.warning("ERROR saving: %s", error)

    async def _fall_asleep(self, row: ContainerRow) -> None:
        self._tell("container.sleeping")
        try:
            await asyncio.to_thread(row.stopping)
        except AWS_ERRORS as error:
            log.warning("ERROR writing the row: %s", error)
        wrong_way = self._faults.strikes("sleeps-by-a-wrong-way", client=self._launch.client)
        if wrong_way is not None:
            await asyncio.to_thread(row.starting)
            await asyncio.sleep(amount(wrong_way))
        await self._leave(f"Auto-save: Container sleeping at {datetime.now(UTC).isoformat()}")

    async def shut_down(self) -> None:
        """Leave because somebody said so."""
        await self._leave("Auto-save: Container shutdown")

    async def _leave(self, message: str) -> None:
        if self._struck("work-lost-on-sleep"):
            await self._workspace.discard()
        elif self._struck("commits-when-clean"):
            await self._workspace.commit_all(message)
        else:
            await self.save(message)

    async def _write_activity(self, row: ContainerRow) -> None:
        soon = self._activity.last - self._written < self._settings.seconds(WRITE_EVERY_SECONDS)
        if soon and not self._struck("activity-noted-always"):
            return
        self._written = self._activity.last
        try:
            await asyncio.to_thread(row.touch)
        except AWS_ERRORS as error:
            log.warning("ERROR writing activity: %s", error)

    async def _mappings(self, row: ContainerRow) -> int:
        if self._struck("sleeps-with-threads"):
            return 0
        try:
            return await asyncio.to_thread(row.mappings)
        except AWS_ERRORS as error:
            log.warning("ERROR counting sessions: %s", error)
            return COUNT_UNKNOWN

    def _struck(self, fault: str) -> bool:
        return self._faults.strikes(fault, client=self._launch.client) is not None

    def _tell(self, event: str, **fields: str) -> None:
        self._truth.write(
            event,
            at=None,
            task=self._launch.task_arn,
            client=self._launch.client,
            container=self._launch.container_id,
            **fields,
        )
