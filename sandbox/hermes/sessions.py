"""Sessions: opened, kept alive, looked at and closed (contract §2.3, §3.1)."""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.faults import Faults, amount
from sandbox.hermes import names
from sandbox.hermes.answers import HermesError, in_seconds, iso, now_iso, now_ms
from sandbox.hermes.cloud import Cloud, CloudError, Row, Value, number, text
from sandbox.hermes.containers import Containers, Start
from sandbox.hermes.crowding import Crowding
from sandbox.hermes.placeholder import PlaceholderReads
from sandbox.hermes.queues import Owner, Queues, QueueSet, command, command_attributes
from sandbox.hermes.strain import Strain
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import Ending, Identity, StartFailed
from sandbox.settings import METRICS_ENVIRONMENT, METRICS_NAMESPACE, SandboxSettings
from sandbox.truth import Truth

TTL_SECONDS = 1800
DEFAULT_PROJECT = "site"
#: Another customer's session, for the fault that answers with it.
STRANGER = {
    "sessionId": "5c0ffee5-0000-4000-8000-000000000001",
    "clientId": "acme",
    "userId": "jane@acme.example",
    "status": "active",
}
BOUND = ("active", "idle", "draining")
OVER = ("expired", "inactive", "error", "terminated")


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


class Sessions:
    """The sessions of the platform."""

    def __init__(
        self,
        settings: SandboxSettings,
        cloud: Cloud,
        tables: Tables,
        queues: Queues,
        containers: Containers,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._cloud = cloud
        self._tables = tables
        self._queues = queues
        self._containers = containers
        self._faults = faults
        self._truth = truth
        self._background: set[asyncio.Task[None]] = set()
        self.crowding = Crowding(settings, faults)
        self._counting = asyncio.Lock()
        self._strain = Strain(settings, faults)
        self.placeholder = PlaceholderReads(tables.sessions, on=settings.session_reads == "placeholder")

    async def close(self) -> None:
        """Give up what goes on behind answers already given."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def find(self, session: str) -> Row | None:
        """The session's row; stub rows, which hold nothing but a key, do not count."""
        rows = [row for row in await self._tables.sessions.rows(session) if "status" in row]
        return rows[-1] if rows else None

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
                self._behind(self._bring_up(opened))
            hang = self._faults.strikes("activate-hangs", client=wish.client)
            if hang is not None:
                await asyncio.sleep(self._settings.seconds(amount(hang)))
            return await self._answer(opened)
        except (StartFailed, CloudError) as error:
            raise HermesError(500, f"Failed to activate session: {error}") from error

    async def open_for_mail(self, wish: Wish) -> Row:
        """Open a session for a mail: never waits, never struck by the faults of activate."""
        opened = await self._open(wish, source="email")
        self._behind(self._bring_up(opened))
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
            "previewUrl": self.preview_url(opened.session),
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
        await self.publish_active_count()

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
        row = await self.find(opened.session) or opened.row
        mistaken = self._faults.strikes("anothers-session-answered", client=opened.wish.client) is not None
        return {
            "sessionId": await self._of_another_customer() if mistaken else opened.session,
            "previewUrl": self.preview_url(opened.session),
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
        if await self.find(STRANGER["sessionId"]) is None:
            await self._tables.sessions.put({**STRANGER, "lastActivity": now_ms(), "createdAt": now_iso()})
        return STRANGER["sessionId"]

    def preview_url(self, session: str) -> str:
        return f"{self._settings.alb_url}/session/{session}"

    async def status(self, session: str) -> Row:
        """What GET …/status answers; HermesError 404 for a session nobody knows."""
        await self.placeholder.status()
        row = await self.find(session)
        if row is None:
            raise HermesError(404, "Session not found")
        told: Row = {"status": current_status(row), "lastActivity": iso(number(row, "lastActivity"))}
        told |= {name: row[name] for name in ("containerIp", "previewUrl") if row.get(name)}
        return told

    async def keepalive(self, session: str) -> Row:
        """Give the session another half hour."""
        await self.placeholder.keepalive(session)
        row = await self.find(session)
        if row is None:
            return {"ttl": 0, "status": "expired"}
        if self._faults.strikes("keepalive-refused", client=text(row, "clientId")) is not None:
            raise HermesError(500, "Internal server error")
        if self._faults.strikes("keepalive-says-expired", client=text(row, "clientId")) is not None:
            return {"ttl": 0, "status": "expired"}
        ttl = in_seconds(TTL_SECONDS)
        if self._faults.strikes("keepalive-not-kept", client=text(row, "clientId")) is None:
            await self._tables.sessions.update(row, {"ttl": ttl, "lastActivity": now_ms()}, only_if=_same(row))
        return {"ttl": ttl, "status": text(row, "status")}

    async def deactivate(self, session: str) -> Row:
        """Drain and close a session; its container stops if no other session uses it."""
        row = None if await self.placeholder.nothing_to_close() else await self.find(session)
        if row is None and self._faults.strikes("cleanup-of-nobody-fails", client=session) is not None:
            raise HermesError(500, "Failed to deactivate session: its queues do not exist")
        if row is not None and text(row, "status") not in OVER:
            await self._tables.sessions.update(row, {"status": "draining"}, only_if=_same(row))
            self._truth.write("session.draining", session=session)
            self._behind(self._close(row))
        return {"status": "draining", "message": "Session deactivation initiated"}

    async def _close(self, row: Row) -> None:
        container = text(row, "containerId")
        session = text(row, "sessionId")
        if container:
            await self._containers.release(container, session)
        await self._tables.sessions.update(
            row, {"status": "expired"}, remove=("fargateTaskArn", "containerIp"), only_if={"status": "draining"}
        )
        self._truth.write("session.expired", session=session, reason="deactivated")
        if container and self._settings.queue_cleanup_on == "session-close":
            await self._remove_unused_queues(container)
        await self.publish_active_count()

    async def _remove_unused_queues(self, container: str) -> None:
        others = await self._tables.sessions.having("containerId", container)
        if any(text(other, "status") not in OVER for other in others):
            return
        client = text(others[0], "clientId") if others else ""
        if self._faults.strikes("queues-outlive-last-session", client=client) is None:
            await self._queues.remove(container)

    async def expire(self, row: Row, ended: Ending) -> bool:
        """Close a session whose container ended so; False if it is closed already or still on its way."""
        session = text(row, "sessionId")
        self._containers.forget(session)
        if text(row, "status") not in BOUND:
            return False
        gone = ("fargateTaskArn", "containerIp")
        expired = await self._tables.sessions.update(
            row, {"status": "expired"}, remove=gone, only_if=_same(row)
        )
        if expired:
            self._truth.write("session.expired", session=session, reason="container stopped", ended=ended)
            await self._forget_state(row)
        return expired

    async def _forget_state(self, row: Row) -> None:
        """Lose what the row says of its client and its notes, if that fault strikes."""
        if self._faults.strikes("row-state-lost", client=text(row, "clientId")) is not None:
            await self._tables.sessions.update(row, {"clientId": "unknown"}, remove=("metadata",))

    async def of_client(self, client: str) -> list[Row]:
        """The client's active sessions."""
        rows = await self._tables.sessions.having("clientId", client)
        return [
            {
                "sessionId": text(row, "sessionId"),
                "userId": text(row, "userId"),
                "status": "active",
                "previewUrl": text(row, "previewUrl") or None,
                "lastActivity": iso(number(row, "lastActivity")),
            }
            for row in rows
            if current_status(row) == "active" or self._listed_too_long(row)
        ]

    def _listed_too_long(self, row: Row) -> bool:
        """Whether a session whose time is over is listed all the same, because that fault strikes."""
        if text(row, "status") != "active":
            return False
        return self._faults.strikes("ended-session-listed", client=text(row, "clientId")) is not None

    async def restart(self, rows: Sequence[Row]) -> None:
        """Start the container of these sessions again, and bind those to it that were in use."""
        used = [row for row in rows if text(row, "status") in BOUND]
        if not used:
            return
        first = used[0]
        owner = Owner(text(first, "clientId"), text(first, "projectId"), text(first, "userId"))
        container, session = text(first, "containerId"), text(first, "sessionId")
        try:
            start = await self._containers.ensure(
                Identity(container, owner, session, text(first, "chatThreadId"))
            )
            await start.up()
        except StartFailed as error:
            self._truth.write("hermes.gave_up", reason=str(error))
            return
        for row in used:
            await self.revive(row, start.task_arn, start.ip)

    async def revive(self, row: Row, task_arn: str, ip: str) -> None:
        """Bind a session that lost its container to the one that is up for it now."""
        session = text(row, "sessionId")
        attached: dict[str, Value] = {
            "status": "active",
            "previewUrl": text(row, "previewUrl") or self.preview_url(session),
            "lastActivity": now_ms(),
            "fargateTaskArn": task_arn or None,
            "containerIp": ip or None,
            "ttl": in_seconds(TTL_SECONDS),
        }
        lost: tuple[str, ...] = ()
        if self._faults.strikes("row-rewritten-after-crash", client=text(row, "clientId")) is not None:
            attached["createdAt"], lost = now_iso(), ("metadata",)
        if await self._tables.sessions.update(row, attached, remove=lost, only_if={"status": OVER}):
            if container := text(row, "containerId"):
                await self._containers.assign(container, session)
            await self.publish_active_count()

    async def publish_active_count(self) -> None:
        """Tell CloudWatch how many sessions are active (contract §9.1); of two at once, the later told last."""
        if self._faults.strikes("metric-not-published") is not None:
            return
        async with self._counting:
            rows = await self._tables.sessions.having("status", "active")
            await self._cloud.call(
                self._cloud.cloudwatch.put_metric_data,
                Namespace=METRICS_NAMESPACE,
                MetricData=[
                    {
                        "MetricName": "ActiveSessionCount",
                        "Value": len(rows),
                        "Unit": "Count",
                        "Dimensions": [{"Name": "Environment", "Value": METRICS_ENVIRONMENT}],
                    }
                ],
            )

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work go on behind an answer; how it ends is told by rows, not by exceptions."""

        async def quietly() -> None:
            try:
                await work
            except (StartFailed, CloudError) as error:
                self._truth.write("hermes.gave_up", reason=str(error))

        task = asyncio.create_task(quietly())
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def current_status(row: Row) -> str:
    """The row's status; a row whose ttl is past counts as expired though it can still be read."""
    ttl = number(row, "ttl")
    return "expired" if ttl and ttl < in_seconds(0) else text(row, "status")


def _same(row: Row) -> dict[str, Value | tuple[Value, ...]]:
    return {"status": text(row, "status")}
