"""What goes wrong with a wake, if a fault is on: asked by resume-preview where the promise would be kept."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.faults import Faults, amount
from sandbox.hermes.answers import HermesError, in_seconds, now_ms
from sandbox.hermes.cloud import Row, text
from sandbox.hermes.containers import Containers, Start
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import Identity, StartFailed
from sandbox.settings import SandboxSettings

HOLDING_SECONDS = 0.3
"""Real seconds that a wake is held while others are refused, so that they meet."""


class Amiss:
    """The faults of waking. Where none is on, nothing here changes anything."""

    def __init__(
        self, settings: SandboxSettings, tables: Tables, containers: Containers, faults: Faults
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._containers = containers
        self._faults = faults
        self._answering: Counter[str] = Counter()
        self._woken: set[str] = set()
        self._begun: set[str] = set()

    async def stranger(self, thread: str, client: str) -> None:
        """A thread that nobody knows was asked for."""
        if self._struck("unknown-thread-crashes", client):
            raise _speechless()
        if self._struck("stranger-gets-session", client):
            session = f"{client}-{thread}"
            row: Row = {"sessionId": session, "clientId": client, "userId": "unknown", "threadId": thread}
            times: Row = {"createdAt": now_ms(), "lastActivity": now_ms(), "ttl": in_seconds(1800)}
            await self._tables.sessions.put(row | times | {"status": "expired"})

    def lost(self, mapping: Row, client: str) -> Row | None:
        """A session made up for a mapping whose own is gone, if that fault strikes."""
        if not self._struck("lost-session-woken", client):
            return None
        return {"sessionId": text(mapping, "sessionId"), "clientId": client, "userId": "unknown"}

    async def instead_of(self, session: Row, client: str) -> Row:
        """The session that is woken: the one that was asked for, or another of its customer."""
        if not self._faults.is_on("thread-ignored", client=client):
            return session
        others = [
            row
            for row in await self._tables.sessions.having("clientId", client)
            if text(row, "sessionId") != text(session, "sessionId")
        ]
        return others[0] if others and self._struck("thread-ignored", client) else session

    def waking(self, identity: Identity) -> None:
        """A stopped container is about to be started. Raises HermesError or StartFailed."""
        client, known = identity.owner.client, identity.container in self._woken
        self._woken.add(identity.container)
        if self._struck("refusal-without-reason", client):
            raise _speechless()
        if known and self._struck("wakes-only-once", client):
            raise StartFailed(f"container {identity.container} was woken before")

    async def after_a_crash(self, identity: Identity) -> None:
        """A container is about to be started that may have crashed. Raises StartFailed."""
        client = identity.owner.client
        if not self._faults.is_on("crash-not-recovered", client=client):
            return
        row = await self._containers.row(identity.container)
        crashed = row is not None and await self._containers.crashed(row)
        if crashed and self._struck("crash-not-recovered", client):
            raise StartFailed("the container crashed and could not be restarted")

    async def asked_again(self, identity: Identity, start: Start) -> None:
        """Somebody asks for a container that is being started, perhaps not for the first time."""
        client = identity.owner.client
        if start.done.done() or not self._faults.is_on("retry-starts-another", client=client):
            return
        if start.task_arn not in self._begun:
            self._begun.add(start.task_arn)
        elif self._struck("retry-starts-another", client):
            await self._containers.start_another(identity, start.queues)

    @asynccontextmanager
    async def answering(self, identity: Identity) -> AsyncIterator[None]:
        """A container runs, and somebody who asked for it is answered. Raises HermesError or StartFailed."""
        client, container = identity.owner.client, identity.container
        slow = self._faults.strikes("resume-slow", client=client)
        if slow is not None:
            await asyncio.sleep(self._settings.seconds(amount(slow)))
        if self._struck("running-wake-starts-task", client):
            start = await self._containers.ensure(identity)
            await self._containers.start_another(identity, start.queues)
        self._answering[container] += 1
        try:
            if self._struck("parallel-wakes-refused", client):
                if self._answering[container] > 1:
                    raise StartFailed(f"container {container} is being woken by somebody else")
                await asyncio.sleep(HOLDING_SECONDS)
            yield
        finally:
            self._answering[container] -= 1

    def told(self, answer: Row, client: str) -> Row:
        """The answer as it is sent."""
        return (
            answer | {"internalHost": "ip-10-0-1-17"} if self._struck("resume-body-wrong", client) else answer
        )

    def _struck(self, fault: str, client: str) -> bool:
        return self._faults.strikes(fault, client=client) is not None


def _speechless() -> HermesError:
    return HermesError(500, "Internal server error")
