"""Sessions opened: by activate, or for a mail (contract §2.3, §7.1)."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sandbox.faults import Faults, amount
from sandbox.hermes import names
from sandbox.hermes.answers import HermesError, in_seconds, now_iso, now_ms
from sandbox.hermes.cloud import CloudError, Row, Value, text
from sandbox.hermes.containers import Containers, Start
from sandbox.hermes.crowding import Crowding
from sandbox.hermes.queues import Owner, Queues, QueueSet, command, command_attributes
from sandbox.hermes.sessions import DEFAULT_PROJECT, TTL_SECONDS, Sessions
from sandbox.hermes.strain import Strain
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import Identity, StartFailed
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

#: Another customer's session, for the fault that answers with it.
STRANGER = {
    "sessionId": "5c0ffee5-0000-4000-8000-000000000001",
    "clientId": "acme",
    "userId": "jane@acme.example",
    "status": "active",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked activate for."""

    client: str
    user: str
    instruction: str
    project: str = DEFAULT_PROJECT
    chat_thread: str = ""
    metadata: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose row is written."""

    session: str
    chat_thread: str
    wish: Wish
    row: Row
    queues: QueueSet
    identity: Identity


class Opening:
    """Opens sessions, each with its row, its queues and its container."""

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        queues: Queues,
        containers: Containers,
        sessions: Sessions,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._queues = queues
        self._containers = containers
        self._sessions = sessions
        self._faults = faults
        self._truth = truth
        self._strain = Strain(settings, faults)
        self.crowding = Crowding(settings, faults)

    async def activate(self, wish: Wish) -> Row:
        """Open a session and answer at once, or when it is active, as the settings have it."""
        self._truth.write("activate.received", client=wish.client, user=wish.user)
        self.crowding.admit(wish.client)
        await self.crowding.slow_down(wish.client)
        if self._faults.strikes("activate-error", client=wish.client):
            raise HermesError(500, "Failed to activate session: Service Unavailable")
        slow = self._faults.strikes("creation-slow", client=wish.client)
        if slow is not None:
            await asyncio.sleep(self._settings.seconds(amount(slow)))
        try:
            async with self._strain.felt(wish.client):
                opened = await self._open(wish)
            if self._faults.strikes("session-made-twice", client=wish.client) is not None:
                await self._open(wish)
            if self.crowding.strikes("orphan-task-left", wish.client):
                await self._containers.start_orphan(wish.client)
            if self._settings.activate_mode == "sync":
                await self._bring_up(opened)
            else:
                self._sessions.behind.go(self._bring_up(opened))
            hang = self._faults.strikes("activate-hangs", client=wish.client)
            if hang is not None:
                await asyncio.sleep(self._settings.seconds(amount(hang)))
            return await self._answer(opened)
        except (StartFailed, CloudError) as error:
            raise HermesError(500, f"Failed to activate session: {error}") from error

    async def open_for_mail(self, wish: Wish) -> Row:
        """Open a session for a mail: never waits, never struck by the faults of activate."""
        opened = await self._open(wish, source="email")
        self._sessions.behind.go(self._bring_up(opened))
        return opened.row

    async def _open(self, wish: Wish, *, source: str = "http") -> Opened:
        """The session's row, `initializing`, and the queues of its container."""
        session = names.new_session_id()
        chat_thread = wish.chat_thread or names.new_chat_thread()
        wish = replace(wish, chat_thread=chat_thread)
        container = await self._elsewhere(self._container_of(wish, session))
        owner = Owner(wish.client, wish.project, wish.user)
        queues = await self._queues.ensure(container, owner)
        await self._make_needless_queues(container, chat_thread, owner)
        if self._faults.strikes("leaks-queue-set", client=wish.client) is not None:
            await self._queues.ensure(names.queue_safe(f"{container}-{session[:8]}"), owner)
        branch = names.branch_of(chat_thread)
        row: Row = {
            "sessionId": session,
            "userId": wish.user,
            "clientId": wish.client or None,  # an index takes no empty text
            "projectId": wish.project,
            "threadId": branch,
            "chatThreadId": chat_thread,
            "editBranch": branch,
            "status": "initializing",
            "containerId": container,
            "inputQueueUrl": queues.input,
            "outputQueueUrl": queues.output,
            "lastActivity": now_ms(),
            "createdAt": now_iso(),
            "ttl": in_seconds(TTL_SECONDS),
        }
        if wish.metadata is not None:
            row["metadata"] = dict(wish.metadata)
        if self._faults.strikes("ttl-missing", client=wish.client) is not None:
            del row["ttl"]
        if self._faults.strikes("session-told-wrong-queue", client=wish.client) is not None:
            row["inputQueueUrl"] = f"{queues.input}-of-old"
        await self._tables.sessions.put(row)
        self._truth.write(
            "row.written",
            session=session,
            client=wish.client,
            project=wish.project,
            container=container,
            source=source,
        )
        identity = Identity(container, owner, session, chat_thread)
        return Opened(session, chat_thread, wish, row, queues, identity)

    async def _elsewhere(self, container: str) -> str:
        """The container itself or, if that fault strikes, another one in place of each that has stopped."""
        fault = "restart-under-another-id"
        while self._faults.is_on(fault, client=container):
            row = await self._containers.row(container)
            stopped = row is not None and text(row, "status") == "stopped"
            if not stopped or self._faults.strikes(fault, client=container) is None:
                break
            container = names.queue_safe(f"{container}-again")
        return container

    async def _make_needless_queues(self, container: str, chat_thread: str, owner: Owner) -> None:
        """A further set of queues for a session that is not its container's first, if that fault strikes."""
        if not self._faults.is_on("queue-set-per-session", client=owner.client):
            return
        others = await self._tables.sessions.having("containerId", container)
        if others and self._faults.strikes("queue-set-per-session", client=owner.client) is not None:
            await self._queues.ensure(names.queue_safe(f"{container}-{chat_thread}"), owner)

    def _container_of(self, wish: Wish, session: str) -> str:
        """The id of the session's container, unless a fault puts it into one that is not its own."""

        def struck(fault: str) -> bool:
            return self._faults.strikes(fault, client=wish.client) is not None

        container = names.container_id(
            self._settings,
            client=wish.client,
            project="every-project" if struck("shared-across-projects") else wish.project,
            user="everyone" if struck("shared-across-users") else wish.user,
            thread=wish.chat_thread,
            session=session,
        )
        if struck("container-not-shared"):
            return names.queue_safe(f"{container}-{wish.chat_thread}")
        return container

    async def _bring_up(self, opened: Opened) -> None:
        """Start or share the container, then make the session active and hand over its instruction."""
        container = opened.identity.container
        try:
            start = await self._containers.ensure(opened.identity)
            if self._faults.strikes("activate-starts-two-tasks", client=opened.wish.client) is not None:
                await self._containers.start_another(opened.identity, start.queues)
            await self._containers.assign(container, opened.session)
            if not await self._attach(opened.row, start):
                await self._containers.release(container, opened.session)  # closed before there was a container
                return
            await start.up()
        except (StartFailed, CloudError) as error:
            await self._fail(opened, error)
            raise
        await self._make_active(opened)

    async def _attach(self, row: Row, start: Start) -> bool:
        """Note task and address in the session's row; False if it is no longer on its way."""
        attached: dict[str, Value] = {"fargateTaskArn": start.task_arn, "containerIp": start.ip or None}
        return await self._tables.sessions.update(row, attached, only_if={"status": "initializing"})

    async def _make_active(self, opened: Opened) -> None:
        container = await self._containers.row(opened.identity.container) or {}
        active: dict[str, Value] = {
            "status": "active",
            "previewUrl": self._sessions.preview_url(opened.session),
            "containerIp": container.get("containerIp"),
            "lastActivity": now_ms(),
        }
        if not await self._tables.sessions.update(opened.row, active, only_if={"status": "initializing"}):
            return  # closed by somebody in the meantime
        self._truth.write("session.active", session=opened.session, client=opened.wish.client)
        body = command(
            session=opened.session,
            chat_thread=opened.chat_thread,
            instruction=opened.wish.instruction,
            user=opened.wish.user,
            branch=names.branch_of(opened.chat_thread),
            owner=opened.identity.owner,
        )
        await self._queues.send(opened.queues.input, body, command_attributes(body))
        await self._sessions.publish_active_count()

    async def _fail(self, opened: Opened, error: Exception) -> None:
        self._truth.write("session.failed", session=opened.session, reason=str(error))
        with contextlib.suppress(CloudError):
            await self._containers.uncount(opened.identity.container, opened.session)
            await self._tables.sessions.update(
                opened.row,
                {"status": "expired"},
                remove=("fargateTaskArn", "containerIp"),
                only_if={"status": "initializing"},
            )

    async def _answer(self, opened: Opened) -> Row:
        row = await self._sessions.find(opened.session) or opened.row
        mistaken = self._faults.strikes("anothers-session-answered", client=opened.wish.client) is not None
        return {
            "sessionId": await self._of_another_customer() if mistaken else opened.session,
            "previewUrl": self._sessions.preview_url(opened.session),
            "status": text(row, "status"),
            "threadId": text(opened.row, "threadId"),
            "chatThreadId": opened.chat_thread,
            "clientId": opened.wish.client,
            "projectId": opened.wish.project,
            "userId": opened.wish.user,
            "containerId": opened.identity.container,
            "inputQueueUrl": opened.queues.input,
            "outputQueueUrl": opened.queues.output,
            "dlqUrl": opened.queues.dlq,
            "gitBranch": text(opened.row, "editBranch"),
        }

    async def _of_another_customer(self) -> str:
        """The session of a customer who has nothing to do with whoever asks."""
        if await self._sessions.find(STRANGER["sessionId"]) is None:
            await self._tables.sessions.put({**STRANGER, "lastActivity": now_ms(), "createdAt": now_iso()})
        return STRANGER["sessionId"]
