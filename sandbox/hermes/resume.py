"""resume-preview: what happens when somebody comes back to a preview (the decision table of contract §2.3)."""

import asyncio
from dataclasses import replace

from sandbox.faults import Faults
from sandbox.hermes import names
from sandbox.hermes.amiss import Amiss
from sandbox.hermes.answers import HermesError
from sandbox.hermes.cloud import CloudError, Row, text
from sandbox.hermes.containers import ALIVE, ROUGHLY, Containers, Start
from sandbox.hermes.queues import Owner
from sandbox.hermes.sessions import DEFAULT_PROJECT, Sessions
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import Identity, StartFailed
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

STARTING_PATIENCE_SECONDS = 60.0
STARTABLE = ("stopped", "terminated", "stopping")


class Resume:
    """Wakes the container behind a chat thread."""

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        sessions: Sessions,
        containers: Containers,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._sessions = sessions
        self._containers = containers
        self._faults = faults
        self._truth = truth
        self._reviving: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._amiss = Amiss(settings, tables, containers, faults)

    async def close(self) -> None:
        reviving = list(self._reviving.values())
        for task in reviving:
            task.cancel()
        await asyncio.gather(*reviving, return_exceptions=True)

    async def resume(self, chat_thread: str, client: str) -> Row:
        """What resume-preview answers; HermesError 404 if there is no such session, 500 if it cannot wake."""
        self._truth.write("resume.received", thread=chat_thread, client=client)
        try:
            session, mapping = await self._session_of(chat_thread, client)
            await self._sessions.placeholder.resume(text(session, "sessionId"))
            session = await self._amiss.instead_of(session, client)
            identity = await self._identity(session, mapping, chat_thread, client)
            return self._amiss.told(await self._decide(identity, session), client)
        except (StartFailed, CloudError) as error:
            raise HermesError(500, f"Failed to resume session: {error}") from error

    async def _decide(self, identity: Identity, session: Row) -> Row:
        row = await self._containers.row(identity.container)
        status = text(row, "status") if row is not None else ""
        if row is not None and status in ALIVE:
            async with self._amiss.answering(identity):
                await self._containers.touch(row)
                await self._sessions.revive(session, text(row, "taskArn"), text(row, "containerIp"))
            return _answer(identity, "running", text(row, "containerIp"), text(row, "taskArn"))
        if row is not None and status == "starting":
            return await self._join(identity, session, row)
        if row is None or status in STARTABLE:
            return await self._wake(identity, session)
        raise StartFailed(f"container {identity.container} is {status or 'in no known state'}")

    async def _wake(self, identity: Identity, session: Row) -> Row:
        client = identity.owner.client
        if self._faults.strikes("wake-fails", client=client):
            raise StartFailed("the container could not be started")
        self._amiss.waking(identity)
        await self._amiss.after_a_crash(identity)
        start = await self._started(identity)
        await self._amiss.asked_again(identity, start)
        if not start.done.done() and self._faults.strikes("wake-starts-two-tasks", client=client):
            await self._containers.start_another(identity, start.queues)
        self._revive_when_up(session, start)
        if self._settings.activate_mode == "sync":
            await start.up()
        status = "running" if start.done.done() else "starting"
        return _answer(identity, status, start.ip, start.task_arn)

    async def _started(self, identity: Identity) -> Start:
        """The container of this identity, on its way; its row is keyed as the settings have it."""
        if self._settings.woken_row_key == "sessionId":
            return await self._containers.start_anew(replace(identity, container=identity.session))
        return await self._containers.ensure(identity)

    async def _join(self, identity: Identity, session: Row, row: Row) -> Row:
        """Answer for a container that somebody else is starting."""
        start = await self._containers.joined(identity.container)
        if start is not None:
            await self._amiss.asked_again(identity, start)
            self._revive_when_up(session, start)
        row = await self._containers.row(identity.container) or row
        if self._settings.activate_mode == "sync":
            row = await self._until_running(identity.container, row)
        return _answer(identity, text(row, "status"), text(row, "containerIp"), text(row, "taskArn"))

    async def _until_running(self, container: str, row: Row) -> Row:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.seconds(STARTING_PATIENCE_SECONDS) + ROUGHLY
        while text(row, "status") == "starting" and loop.time() < until:
            await asyncio.sleep(self._settings.seconds(5))
            row = await self._containers.row(container) or row
        return row

    def _revive_when_up(self, session: Row, start: Start) -> None:
        """Bind the session to its container once that is up; asked again and again, it is still done once."""
        known = (text(session, "sessionId"), start.task_arn)
        if known in self._reviving:
            return

        async def revive() -> None:
            try:
                await start.up()
                await self._sessions.revive(session, start.task_arn, start.ip)
            except (StartFailed, CloudError) as error:
                self._truth.write("hermes.gave_up", reason=str(error))

        task = asyncio.create_task(revive())
        self._reviving[known] = task
        task.add_done_callback(lambda done: self._reviving.pop(known))

    async def _session_of(self, chat_thread: str, client: str) -> tuple[Row, Row]:
        """The session of a thread and its mapping, which may be empty; HermesError 404 if there is none."""
        for thread in (chat_thread, names.branch_of(chat_thread)):
            mapping = await self._tables.mappings.row(thread)
            if mapping is not None:
                await self._sessions.placeholder.resume(text(mapping, "sessionId"))
                session = await self._sessions.find(text(mapping, "sessionId"))
                if session is not None and text(session, "clientId") in ("", client):
                    return session, mapping
                if session is None and (made_up := self._amiss.lost(mapping, client)):
                    return made_up, mapping
        rows = await self._tables.sessions.having("chatThreadId", chat_thread)
        rows += [
            row
            for row in await self._tables.sessions.having("clientId", client)
            if _is_thread(row, chat_thread)
        ]
        fitting = [row for row in rows if text(row, "clientId") in ("", client) and "status" in row]
        if not fitting:
            await self._amiss.stranger(chat_thread, client)
            raise HermesError(404, f"Session for thread {chat_thread} not found")
        return max(fitting, key=lambda row: str(row.get("createdAt", ""))), {}

    async def _identity(self, session: Row, mapping: Row, chat_thread: str, client: str) -> Identity:
        """The container of the session: named by mapping or session, else composed as the settings have it."""
        user = text(session, "userId") or text(mapping, "userId")
        project = text(session, "projectId") or text(mapping, "projectId")
        container = text(mapping, "containerId") or text(session, "containerId")
        if not container:
            container = await self._composed(client, project, user, chat_thread, text(session, "sessionId"))
        known = await self._containers.row(container) or {}
        owner = Owner(
            client=text(known, "clientId") or client,
            project=text(known, "projectId") or project or DEFAULT_PROJECT,
            user=text(known, "userId") or user,
        )
        return Identity(container, owner, text(session, "sessionId"), chat_thread)

    async def _composed(self, client: str, project: str, user: str, thread: str, session: str) -> str:
        by_thread = names.queue_safe(f"{client}-{thread}-{user}")
        if await self._containers.row(by_thread) is not None:
            return by_thread  # resumption has always composed it so
        return names.container_id(
            self._settings,
            client=client,
            project=project or DEFAULT_PROJECT,
            user=user,
            thread=thread,
            session=session,
        )


def _is_thread(row: Row, chat_thread: str) -> bool:
    return text(row, "threadId") in (chat_thread, names.branch_of(chat_thread))


def _answer(identity: Identity, status: str, ip: str, task_arn: str) -> Row:
    told: Row = {
        "sessionId": identity.session,
        "containerId": identity.container,
        "status": status if status in ("running", "starting", "idle", "stopped") else "unknown",
    }
    if ip:
        told["containerIp"] = ip
    if task_arn:
        told["taskArn"] = task_arn
    return told
