"""The platform's four tables, as this run may see and change them (contract §3)."""

from collections.abc import Collection, Mapping

from probes.platform import items, rows
from probes.platform.aws import Aws, AwsError
from probes.platform.guard import Guard
from probes.platform.items import Shapes
from probes.platform.settings import PlatformSettings
from probes.platform.values import ContainerRow, MappingRow, SessionRow, TrackingRow
from synthetics.clock import Clock
from synthetics.errors import GuardRefused

#: What some of the platform's writers put in place of the user (contract §3.1, §8.2): it names nobody.
_NOBODY = ("email-user", "*", None)


class Tables:
    """Reads by partition key, whatever the table's key is; writes and deletes only rows of this run.

    Writing a row needs an isolated platform; deleting an own row does not. Attribute names are the platform's
    (`lastActivity`), instants in epoch milliseconds.
    """

    def __init__(
        self, *, aws: Aws, settings: PlatformSettings, guard: Guard, shapes: Shapes, clock: Clock
    ) -> None:
        self._aws = aws
        self._settings = settings
        self._guard = guard
        self._shapes = shapes
        self._clock = clock

    async def described(self, table: str) -> items.TableShape:
        """A table's key and indexes. Raises AwsError or ProbeBroken."""
        return await self._shapes.of(self._aws, table)

    # -- sessions ----------------------------------------------------------------------------------------

    async def session(self, session_id: str) -> SessionRow | None:
        """The session's row; None if there is none (a stub without a state is none)."""
        found = await items.query(self._aws, self._settings.session_table, "sessionId", session_id)
        kept = [await self._session(item) for item in found if not rows.is_stub(item)]
        return kept[0] if kept else None

    async def sessions_of_client(self, client_id: str, containers: Collection[str] = ()) -> list[SessionRow]:
        """The client's rows, by the table's client index.

        A table without such an index is asked for the sessions that this run knows and for those of the
        given containers instead.
        """
        read = [await self.session(session_id) for session_id in await self._ids_of(client_id, containers)]
        return [row for row in read if row is not None and row.client_id in (None, client_id)]

    async def session_marks(self, client_id: str, containers: Collection[str] = ()) -> list[rows.Marks]:
        """Like `sessions_of_client`, for those who remove them: however wrong their other attributes are."""
        marks: list[rows.Marks] = []
        for session_id in await self._ids_of(client_id, containers):
            marks += await self.marks_of_session(session_id)
        return [mark for mark in marks if mark.client_id in (None, client_id)]

    async def marks_of_session(self, session_id: str) -> list[rows.Marks]:
        """The ids that the rows of one session bear, whoever it was made for, stubs included."""
        found = await items.query(self._aws, self._settings.session_table, "sessionId", session_id)
        return [self._adopted(rows.marks(item)) for item in found]

    async def sessions_of_user(self, user_id: str) -> list[SessionRow] | None:
        """A user's sessions that are not over, whichever client they are of.

        By an index of users if the table has one, else by its index of states; None if it has neither.
        """
        table, shape = self._settings.session_table, await self._shape()
        by_user, by_status = shape.index_by("userId"), shape.index_by("status")
        if by_user is not None:
            found = await items.query(self._aws, table, "userId", user_id, index=by_user)
        elif by_status is not None:
            found = []
            for status in ("initializing", "active"):
                found += await items.query(
                    self._aws, table, "status", status, index=by_status, only=("userId", user_id)
                )
        else:
            return None
        ids = dict.fromkeys(rows.text_of(table, item, "sessionId") for item in found)
        read = [await self.session(session_id) for session_id in ids]
        return [row for row in read if row is not None and not row.terminal]

    async def put_session(self, session_id: str, *, status: str, user: str, **attributes: object) -> None:
        """Write a session row of this run's client, starting nothing by it."""
        self._guard.alone("write a session row")
        self._guard.own("session", session_id)
        entry = await self._guard.belongings.intend("session", session_id, client=self._guard.client_id)
        values = {
            "sessionId": session_id,
            "userId": user,
            "clientId": self._guard.client_id,
            "status": status,
            "createdAt": self._now(),
            "lastActivity": self._now(),
        }
        await items.put(self._aws, self._settings.session_table, {**values, **attributes})
        details = {"client": self._guard.client_id}
        await self._guard.belongings.created(entry, "session", session_id, **details)

    async def update_session(self, row: SessionRow, **attributes: object) -> None:
        """Set attributes of an own session's row. Raises AwsError if the row is gone."""
        self._guard.alone("change a session row")
        self._guard.own("session", row.session_id)
        await items.update(self._aws, self._settings.session_table, row.key, attributes)

    async def delete_session_rows(self, session_id: str) -> int:
        """Delete every row of an own session, stubs included; how many there were."""
        self._guard.own("session", session_id)
        table = self._settings.session_table
        key = await self._shapes.session_key(self._aws, table, self._settings.session_key)
        found = await items.query(self._aws, table, "sessionId", session_id)
        for item in found:
            self._adopted(rows.marks(item))
        self._guard.own("session", session_id)
        for item in found:
            await items.delete(self._aws, table, rows.key_of(table, item, key))
        return len(found)

    # -- containers --------------------------------------------------------------------------------------

    async def container(self, container_id: str) -> ContainerRow | None:
        """The container's row; one whose `ttl` is past is none."""
        table = self._settings.container_table
        found = await self._alive(table, "containerId", container_id)
        return rows.container(table, found[0]) if found else None

    async def has_container(self, container_id: str) -> bool:
        """Whether there is such a row, however wrong its attributes are."""
        return bool(await items.query(self._aws, self._settings.container_table, "containerId", container_id))

    async def container_marks(self, container_id: str) -> rows.Marks | None:
        """Whose container it is, for those who remove it: however wrong its other attributes are."""
        found = await items.query(self._aws, self._settings.container_table, "containerId", container_id)
        return rows.marks(found[0]) if found else None

    async def put_container(self, container_id: str, *, status: str, **attributes: object) -> None:
        """Write a whole container row of this run."""
        self._guard.alone("write a container row")
        self._guard.own("container", container_id)
        entry = await self._guard.belongings.intend("container", container_id)
        values = {
            "containerId": container_id,
            "clientId": self._guard.client_id,
            "status": status,
            "createdAt": self._now(),
            "lastActivity": self._now(),
        }
        await items.put(self._aws, self._settings.container_table, {**values, **attributes})
        await self._guard.belongings.created(entry, "container", container_id)

    async def update_container(self, container_id: str, **attributes: object) -> None:
        """Set attributes of an own container's row. Raises AwsError if the row is gone."""
        self._guard.alone("change a container row")
        self._guard.own("container", container_id)
        key = {"containerId": container_id}
        await items.update(self._aws, self._settings.container_table, key, attributes)

    async def count_session(self, container_id: str, by: int) -> None:
        """Add to the sessions that an own container's row counts. Raises AwsError if the row is gone."""
        self._guard.alone("count a session on a container row")
        self._guard.own("container", container_id)
        key = {"containerId": container_id}
        await items.add(self._aws, self._settings.container_table, key, "sessionCount", by)

    async def delete_container(self, container_id: str) -> None:
        """Delete an own container's row; after a wake it may be keyed by the session's id as well (Q7)."""
        if not self._guard.owns("session", container_id):
            self._guard.own("container", container_id)
        key = items.typed({"containerId": container_id})
        await items.delete(self._aws, self._settings.container_table, key)

    # -- mappings ----------------------------------------------------------------------------------------

    async def mapping(self, thread_id: str) -> MappingRow | None:
        table = self._settings.thread_mapping_table
        found = await self._alive(table, "threadId", thread_id)
        return rows.mapping(table, found[0]) if found else None

    async def mapping_marks(self, thread_id: str) -> rows.Marks | None:
        """Whose mapping it is, for those who remove it: however wrong its other attributes are."""
        found = await items.query(self._aws, self._settings.thread_mapping_table, "threadId", thread_id)
        return rows.marks(found[0]) if found else None

    async def mappings_of_container(self, container_id: str) -> list[MappingRow] | None:
        """The container's mappings, each an active session of it; None if the table has no index for it."""
        threads = await self.threads_of_container(container_id)
        if threads is None:
            return None
        read = [await self.mapping(thread) for thread in threads]
        return [row for row in read if row is not None]

    async def threads_of_container(self, container_id: str) -> list[str] | None:
        """The threads that are mapped to the container; None if the table has no index for it."""
        table, index = self._settings.thread_mapping_table, self._settings.container_index
        if index not in (await self._shapes.of(self._aws, table)).indexes:
            return None
        found = await items.query(self._aws, table, "containerId", container_id, index=index)
        return [rows.text_of(table, item, "threadId") for item in found]

    async def put_mapping(
        self,
        thread_id: str,
        *,
        session_id: str,
        container_id: str,
        client_id: str | None = None,
        **attributes: object,
    ) -> None:
        """Map a thread to an own session. A thread that others have mapped is refused."""
        self._guard.alone("write a thread mapping")
        self._guard.own("session", session_id)
        if not self._guard.owns("session", container_id):
            self._guard.own("container", container_id)
        known = self._guard.owns("thread", thread_id)
        client = client_id or self._guard.client_id
        self._guard.own_client(client)
        entry = await self._guard.belongings.intend("mapping", thread_id, session=session_id, client=client)
        values = {
            "threadId": thread_id,
            "sessionId": session_id,
            "containerId": container_id,
            "clientId": client,
            "status": "active",
            "createdAt": self._now(),
        }
        table = self._settings.thread_mapping_table
        written = await items.put(
            self._aws, table, {**values, **attributes}, new_key=None if known else "threadId"
        )
        if not written:
            await self._guard.belongings.gone("mapping", thread_id)
            raise GuardRefused(f"refused to map the thread {thread_id}: somebody else has")
        await self._guard.belongings.created(entry, "mapping", thread_id)
        self._guard.belongings.adopt("thread", thread_id)

    async def delete_mapping(self, thread_id: str) -> bool:
        """Delete a mapping that leads to this run's session or client; False if there was none."""
        row = await self.mapping_marks(thread_id)
        if row is None:
            return False
        if not self._guard.owns("session", row.session_id):
            self._guard.own("container", row.container_id, row.client_id)
        key = items.typed({"threadId": thread_id})
        await items.delete(self._aws, self._settings.thread_mapping_table, key)
        return True

    # -- queue tracking ----------------------------------------------------------------------------------

    async def tracking(self, container_id: str) -> TrackingRow | None:
        """The newest tracking row of a container."""
        table = self._settings.queue_tracking_table
        found = await items.query(self._aws, table, "containerId", container_id, newest=True)
        return rows.tracking(table, found[0]) if found else None

    async def has_tracking(self, container_id: str) -> bool:
        """Whether there is such a row, however wrong its attributes are."""
        table = self._settings.queue_tracking_table
        return bool(await items.query(self._aws, table, "containerId", container_id))

    async def put_tracking(self, container_id: str, urls: Mapping[str, str], **attributes: object) -> None:
        """Write a tracking row for an own container; `urls` under the platform's own attribute names."""
        self._guard.alone("write a queue-tracking row")
        self._guard.own("container", container_id)
        entry = await self._guard.belongings.intend("tracking", container_id)
        values = {
            "containerId": container_id,
            "createdAt": self._now(),
            "lastActivity": self._now(),
            "clientId": self._guard.client_id,
            "status": "active",
        }
        await items.put(self._aws, self._settings.queue_tracking_table, {**values, **urls, **attributes})
        await self._guard.belongings.created(entry, "tracking", container_id)

    async def delete_tracking(self, container_id: str) -> int:
        """Delete every tracking row of an own container; how many there were."""
        if not self._guard.owns("session", container_id):
            self._guard.own("container", container_id)
        table = self._settings.queue_tracking_table
        found = await items.query(self._aws, table, "containerId", container_id)
        for item in found:
            key = rows.key_of(table, item, ("containerId", "createdAt"))
            await items.delete(self._aws, table, key)
        return len(found)

    # -- inside ------------------------------------------------------------------------------------------

    async def _session(self, item: rows.Stored) -> SessionRow:
        table = self._settings.session_table
        key = await self._shapes.session_key(self._aws, table, self._settings.session_key)
        row = rows.session(table, key, item, now=self._clock.now())
        self._adopted(rows.marks(item))
        return row

    def _adopted(self, mark: rows.Marks) -> rows.Marks:
        """A session row's ids; those of our own client or user are ours from now on, another's never.

        A broken platform may answer us with somebody else's session: its row is what tells whose it is.
        """
        if self._guard.owns("client", mark.client_id) or self._guard.owns("user", mark.user_id):
            self._guard.belongings.adopt("session", mark.session_id)
            self._guard.belongings.adopt("thread", mark.thread_id)
        elif mark.client_id is not None or mark.user_id not in _NOBODY:
            self._guard.belongings.disown("session", mark.session_id)
        return mark

    async def _ids_of(self, client_id: str, containers: Collection[str]) -> list[str]:
        """The ids of the client's sessions."""
        table = self._settings.session_table
        index = self._settings.session_client_index or (await self._shape()).index_by("clientId")
        if index is not None:
            found = await items.query(self._aws, table, "clientId", client_id, index=index)
            ids = [rows.text_of(table, item, "sessionId") for item in found]
        else:
            ids = [*self._guard.belongings.named("session")]
            for container in containers:
                ids += await self._sessions_in(container)
        return list(dict.fromkeys(ids))

    async def _alive(self, table: str, attribute: str, value: str) -> list[rows.Stored]:
        """The items with this partition key whose time is not over."""
        found = await items.query(self._aws, table, attribute, value)
        return [item for item in found if not rows.lapsed(item, self._clock.now())]

    async def _shape(self) -> items.TableShape:
        return await self._shapes.of(self._aws, self._settings.session_table)

    async def _sessions_in(self, container_id: str) -> list[str]:
        table, index = self._settings.session_table, (await self._shape()).index_by("containerId")
        if index is None:
            return []
        try:
            found = await items.query(self._aws, table, "containerId", container_id, index=index)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            return []
        return [rows.text_of(table, item, "sessionId") for item in found]

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
