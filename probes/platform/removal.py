"""Removing what a run made, in the platform's own order (contract §13), and seeing that it is gone.

The same code ends a run and sweeps after one that was killed. It goes in rounds: everything that carries
the client's id is looked for and removed until two rounds in a row find nothing, because Hermes may still be
starting a container or rewriting a row while we remove it (contract Q32).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar, cast

from probes.platform.dialects import ContainerIdForm
from probes.platform.guard import Guard
from probes.platform.hermes import Hermes
from probes.platform.queues import Queues
from probes.platform.settings import PlatformSettings
from probes.platform.tables import Tables
from probes.platform.tasks import Tasks
from probes.platform.values import TaskView
from probes.platform.workspace import Workspaces
from synthetics.clock import Clock
from synthetics.errors import PlatformError

V = TypeVar("V")

_BETWEEN_ROUNDS = timedelta(milliseconds=500)
_STOPPING = timedelta(milliseconds=250)
_MOST_ROUNDS = 12
_ENOUGH_QUIET_ROUNDS = 2
#: So many things are looked at, or removed, side by side: what a load left is many.
_AT_ONCE = 8


@dataclass(slots=True)
class Known:
    """The ids of a client that were ever seen; they stay known, so that every round looks at their rows."""

    sessions: set[str] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    #: Users that something was asked for without a client: no index of clients finds it.
    nobodies: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Found:
    """What one round found to be there still."""

    sessions: set[str] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    tracked: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    tasks: list[TaskView] = field(default_factory=list)

    def told(self, but_queues: Collection[str]) -> str:
        """What is there, in words; empty if nothing is."""
        kinds = {
            "session": self.sessions,
            "mapping": self.threads,
            "task": {task.arn.rsplit("/", 1)[-1] for task in self.tasks},
            "queue set": self.queues - set(but_queues),
            "tracking": self.tracked,
            "container": self.containers,
        }
        return ", ".join(f"{kind} {name}" for kind, names in kinds.items() for name in sorted(names))


class Removal:
    """Removes everything of one client of ours."""

    def __init__(
        self,
        *,
        hermes: Hermes,
        tables: Tables,
        queues: Queues,
        tasks: Tasks,
        workspaces: Workspaces,
        guard: Guard,
        settings: PlatformSettings,
        clock: Clock,
    ) -> None:
        self._hermes = hermes
        self._tables = tables
        self._queues = queues
        self._tasks = tasks
        self._workspaces = workspaces
        self._guard = guard
        self._settings = settings
        self._clock = clock

    async def client(self, client_id: str, known: Known) -> None:
        """Remove all that this client of ours has; `known` are the ids that one knows of already.

        Raises PlatformError naming what is still there after many rounds.
        """
        self._guard.own_client(client_id)
        for nobody in known.nobodies:
            self._guard.adopt_user(nobody)
        quiet, left = 0, ""
        deleted: set[str] = set()
        for _ in range(_MOST_ROUNDS):
            try:
                found = await self._found(client_id, known)
                # A deleted queue may still be listed for a minute; deleting it again does no harm.
                left = found.told(but_queues=deleted)
                quiet = 0 if left else quiet + 1
                await self._removed(found)
                deleted |= found.queues
            except PlatformError as error:
                quiet, left = 0, str(error)
            if quiet == _ENOUGH_QUIET_ROUNDS:
                await self._workspaces.remove_client(client_id)
                return
            await self._clock.sleep(_BETWEEN_ROUNDS)
        raise PlatformError(f"could not be removed: {left}", client=client_id)

    async def _found(self, client_id: str, known: Known) -> Found:
        found = Found()
        found.tasks = [task for task in await self._tasks.every_own() if not task.leaving]
        known.sessions |= {task.session_id for task in found.tasks if task.session_id}
        await self._adopt_containers_of(found.tasks)
        found.queues = await self._queues.containers_with_queues(client_id)
        self._know_containers(known, {*found.queues, *(task.container_id for task in found.tasks)})
        for row in await self._tables.session_marks(client_id, known.containers):
            known.sessions |= {row.session_id} if row.session_id else set()
        for nobody in known.nobodies:
            known.sessions |= {row.session_id for row in await self._tables.sessions_of_user(nobody) or ()}
        for session in known.sessions:
            self._guard.belongings.adopt("session", session)
        marks = await _of_each(known.sessions, self._tables.marks_of_session)
        # The rows have told by now whose they are: what we were told is ours and is not, is left alone.
        known.sessions = {session for session in known.sessions if self._guard.owns("session", session)}
        for session in known.sessions:
            for row in marks[session]:
                found.sessions.add(session)
                known.threads |= {row.thread_id} if row.thread_id else set()
                self._know_containers(
                    known, {row.container_id, *map(self._queues.container_of, row.queue_urls)}
                )
        found.queues |= await _those(self._unlisted(client_id, known), self._has_queues)
        # After a wake, a container's row may be keyed by the session's id (contract Q7).
        keys = known.containers | known.sessions
        found.containers = await _those(keys, self._tables.has_container)
        found.tracked = await _those(keys, self._tables.has_tracking)
        for threads in (await _of_each(keys, self._tables.threads_of_container)).values():
            known.threads |= set(threads or ())
        found.threads = await _those(known.threads, self._is_mapped)
        return found

    def _know_containers(self, known: Known, seen: Collection[str | None]) -> None:
        """Only containers of ours: one that a broken platform shares with others is left alone."""
        for name in filter(None, seen):
            if self._guard.own_user_in(name):
                self._guard.belongings.adopt("container", name)
            if self._guard.owns("container", name):
                known.containers.add(name)

    async def _adopt_containers_of(self, tasks: Collection[TaskView]) -> None:
        """A container that lives in a task of ours is ours, unless its row names somebody else."""
        for name in {task.container_id for task in tasks if task.container_id}:
            if self._guard.owns("container", name):
                continue
            row = await self._tables.container_marks(name)
            whose = [name for name in (row.client_id, row.user_id) if name] if row is not None else []
            if not whose or self._guard.owns("user", *whose):
                self._guard.belongings.adopt("container", name)

    def _unlisted(self, client_id: str, known: Known) -> set[str]:
        """Ids that may name queues which are not found by the client's name."""
        by_session = self._settings.container_id_form is ContainerIdForm.SESSION_ID
        candidates = known.containers | (known.sessions if by_session else set())
        return {name for name in candidates if name != client_id and not name.startswith(f"{client_id}-")}

    async def _has_queues(self, container_id: str) -> bool:
        if not self._queues.can_name(container_id):
            return False
        names = self._queues.names(container_id)
        return any([await self._queues.exists(name) for name in (names.input, names.output, names.dlq)])

    async def _is_mapped(self, thread_id: str) -> bool:
        row = await self._tables.mapping_marks(thread_id)
        return row is not None and (
            self._guard.owns("session", row.session_id)
            or self._guard.owns("container", row.container_id, row.client_id)
        )

    async def _removed(self, found: Found) -> None:
        """One round, in the contract's order. What fails is tried again in the next round."""
        await _of_each(found.sessions, self._hermes.deactivate_reply)
        await _of_each(found.threads, self._tables.delete_mapping)
        await self._stopped(found.tasks)
        await _of_each(found.queues, self._queues.delete)
        await _of_each(found.tracked, self._tables.delete_tracking)
        await _of_each(found.containers, self._tables.delete_container)
        await _of_each(found.sessions, self._tables.delete_session_rows)

    async def _stopped(self, tasks: Collection[TaskView]) -> None:
        """Stop the tasks and wait for their end: they write to their rows while they stop."""
        by_arn = {task.arn: task for task in tasks}
        await _of_each(by_arn, lambda arn: self._tasks.stop(by_arn[arn]))
        limit = self._clock.monotonic() + self._settings.task_stop_wait.total_seconds()
        waiting = [*by_arn]
        while waiting and self._clock.monotonic() < limit:
            views = await asyncio.gather(*(self._tasks.describe(arn) for arn in waiting))
            waiting = [view.arn for view in views if view is not None and not view.stopped]
            if waiting:
                await self._clock.sleep(_STOPPING)


async def _of_each(names: Collection[str], ask: Callable[[str], Awaitable[V]]) -> dict[str, V]:
    """What `ask` says of each of them, a few side by side. Raises the first error, once all were asked."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> V:
        async with few:
            return await ask(name)

    asked = [*names]
    answers = await asyncio.gather(*map(one, asked), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return dict(zip(asked, cast("list[V]", answers), strict=True))


async def _those(names: Collection[str], ask: Callable[[str], Awaitable[bool]]) -> set[str]:
    """Those of them of which `ask` says yes."""
    return {name for name, holds in (await _of_each(names, ask)).items() if holds}
