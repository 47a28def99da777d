"""Sessions: looked at, kept alive and closed (contract §2.3, §3.1); `opening.py` opens them."""

import asyncio
from collections.abc import Sequence

from sandbox.faults import Faults
from sandbox.hermes.answers import HermesError, in_seconds, iso, now_iso, now_ms
from sandbox.hermes.behind import Behind
from sandbox.hermes.cloud import Cloud, Row, Value, number, text
from sandbox.hermes.containers import Containers
from sandbox.hermes.placeholder import PlaceholderReads
from sandbox.hermes.queues import Owner, Queues
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import Ending, Identity, StartFailed
from sandbox.settings import METRICS_ENVIRONMENT, METRICS_NAMESPACE, SandboxSettings
from sandbox.truth import Truth

TTL_SECONDS = 1800
DEFAULT_PROJECT = "site"
BOUND = ("active", "idle", "draining")
OVER = ("expired", "inactive", "error", "terminated")


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
        self._counting = asyncio.Lock()
        self.behind = Behind(truth)
        self.placeholder = PlaceholderReads(tables.sessions, on=settings.session_reads == "placeholder")

    async def find(self, session: str) -> Row | None:
        """The session's row; stub rows, which hold nothing but a key, do not count."""
        rows = [row for row in await self._tables.sessions.rows(session) if "status" in row]
        return rows[-1] if rows else None

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
            self.behind.go(self._close(row))
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


def current_status(row: Row) -> str:
    """The row's status; a row whose ttl is past counts as expired though it can still be read."""
    ttl = number(row, "ttl")
    return "expired" if ttl and ttl < in_seconds(0) else text(row, "status")


def _same(row: Row) -> dict[str, Value | tuple[Value, ...]]:
    return {"status": text(row, "status")}
