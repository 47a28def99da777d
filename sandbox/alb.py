"""The load balancer: one public entrance, and the rules of contract §2.2 for where a request goes.

Sessions are looked up in the tables for every request: nothing is cached, so an answer is never older than the
rows it follows from.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

from sandbox import pages
from sandbox.faults import Faults, amount
from sandbox.hermes.cloud import CloudError, Row, number, text
from sandbox.hermes.tables import Tables
from sandbox.messages import Action, Call, Fixed, Forward, Head, Invoke, alb_answer
from sandbox.proxy import Conversation
from sandbox.router import client_of, foreign_address
from sandbox.settings import SandboxSettings

IDLE_SECONDS = 60.0
SHORTEST_IDLE = 5.0
"""Real seconds: a target on this machine may need so long whatever the platform's speed is."""
TARGET_CHECK_SECONDS = 0.25
MOST_TARGETS = 20
ALIVE = ("running", "idle", "starting")


class Alb:
    """Listens, and sends every request where its rule says."""

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        faults: Faults,
        *,
        router: Callable[[Call], Awaitable[Fixed]],
        hermes_up: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._faults = faults
        self._router = Invoke(router)
        self._hermes_up = hermes_up
        self._idle = max(settings.seconds(IDLE_SECONDS), SHORTEST_IDLE)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Answer on a bound socket until `stop`."""
        self._server = await asyncio.start_server(self._talk, sock=listener)

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is None:
            return
        self._server.close()
        for conversation in self._open:
            conversation.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.create_task(Conversation(reader, writer, self.choose, self._idle).run())
        self._open.add(conversation)
        conversation.add_done_callback(self._open.discard)
        await asyncio.gather(conversation, return_exceptions=True)

    async def choose(self, head: Head) -> Action:
        """What to do with a request."""
        broken = self._broken(head.path)
        if broken is not None:
            return broken
        if _malformed(head.path):
            return alb_answer(HTTPStatus.BAD_REQUEST)
        if head.path.startswith("/session/"):
            slow = self._faults.strikes("router-slow")
            await asyncio.sleep(0 if slow is None else self._settings.seconds(amount(slow)))
        try:
            return await self._rule(head)
        except CloudError:
            return alb_answer(HTTPStatus.SERVICE_UNAVAILABLE)

    def _broken(self, path: str) -> Fixed | None:
        """What a fault answers on this path, before any rule is asked; None where there is none."""
        if self._faults.strikes("alb-502-bursts") is not None:
            return alb_answer(HTTPStatus.BAD_GATEWAY)
        if path == "/health":
            return self._failing("alb-health-broken")
        if path == "/api/health":
            return self._failing("api-health-broken")
        if _malformed(path):
            return self._failing("malformed-breaks")
        if path.startswith("/hermes/") and self._faults.strikes("path-to-wrong-service") is not None:
            return _HEALTHY
        if path.startswith("/api/"):
            return self._failing("api-paths-broken")
        if path.startswith("/session/") and path.endswith("/health"):
            return _HEALTHY if self._faults.strikes("ready-too-early") is not None else None
        below = path.startswith("/session/")
        return self._failing("session-page-away") if below and path.count("/") > 2 else None

    def _failing(self, fault: str) -> Fixed | None:
        struck = self._faults.strikes(fault)
        if struck is None:
            return None
        return alb_answer(HTTPStatus(int(amount(struck, "status")) if "status" in struck else 500))

    async def _rule(self, head: Head) -> Action:
        path = head.path
        dialect = self._settings.routing_dialect
        if dialect != "path" and client_of(head.host, self._settings.preview_domain):
            if head.upgrades and self._faults.strikes("websocket-through-router-accepted") is not None:
                return await self._to_thread(path.split("/")[2])
            return self._router if path.startswith("/session/") else _NO_SESSION
        if path.startswith("/hermes/") or path == "/hermes":
            return self._to_hermes()
        if path.startswith("/session/"):
            return await self._to_session(path.split("/")[2])
        if dialect != "lambda":
            if path.startswith("/api/"):
                return await self._to_api(head.header("x-session-id"))
            if path.startswith("/ws/"):
                return await self._to_socket(head.query)
            if path.startswith(("/preview/", "/_astro/")):
                return await self._to_any()
        return _HEALTHY

    def _to_hermes(self) -> Action:
        if not self._hermes_up() or self._faults.strikes("hermes-down") is not None:
            return alb_answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return Forward(self._settings.host, self._settings.hermes_port)

    async def _to_session(self, session: str) -> Action:
        """By session id (G1); where the router is there, ids that are no session are chat threads."""
        row = await self._session(unquote(session))
        if row is not None:
            foreign = await foreign_address(self._tables, self._faults, text(row, "clientId"))
            return self._to_address(foreign) if foreign else await self._to_container_of(row)
        if self._settings.routing_dialect != "path":
            return self._router
        if self._faults.strikes("unknown-session-served") is not None:
            return Fixed(200, pages.somebodys_site().encode(), "text/html")
        return alb_answer(HTTPStatus.NOT_FOUND)

    async def _to_thread(self, thread: str) -> Action:
        """Past the router, straight to the thread's container: what a Lambda target cannot be."""
        mapping = await self._tables.mappings.row(thread)
        container = await self._tables.containers.row(text(mapping, "containerId")) if mapping else None
        return self._to_address(text(container, "containerIp") if container else "")

    async def _to_api(self, session: str) -> Action:
        if not session or self._faults.strikes("session-header-ignored") is not None:
            return await self._to_any()
        row = await self._session(session)
        return alb_answer(HTTPStatus.NOT_FOUND) if row is None else await self._to_container_of(row)

    async def _to_socket(self, query: str) -> Action:
        if self._faults.strikes("websocket-refused") is not None:
            return alb_answer(HTTPStatus.FORBIDDEN)
        hangs = self._faults.strikes("websocket-hangs")
        if hangs is not None:
            await asyncio.sleep(self._settings.seconds(amount(hangs)))
            return alb_answer(HTTPStatus.GATEWAY_TIMEOUT)
        wanted = parse_qs(query).get("sessionId", [""])[0]
        row = await self._session(wanted) if wanted else None
        return alb_answer(HTTPStatus.NOT_FOUND) if row is None else await self._to_container_of(row)

    async def _to_any(self) -> Action:
        """A container that accepts connections, as a target group knows its healthy targets."""
        running = await self._tables.containers.having("status", "running")
        running.sort(key=lambda row: number(row, "lastActivity"), reverse=True)
        addresses = [ip for row in running if (ip := text(row, "containerIp")) not in ("", "unknown")]
        port = self._settings.container_port
        accepting = await asyncio.gather(*(_accepts(ip, port) for ip in addresses[:MOST_TARGETS]))
        return self._to_address(next((ip for ip, yes in zip(addresses, accepting, strict=False) if yes), ""))

    async def _session(self, session: str) -> Row | None:
        rows = [row for row in await self._tables.sessions.rows(session) if "status" in row] if session else []
        return rows[-1] if rows else None

    async def _to_container_of(self, session: Row) -> Action:
        name = text(session, "containerId")
        container = await self._tables.containers.row(name) if name else None
        if self._settings.woken_row_key == "sessionId":  # a target group, which is played here, knows no rows
            container = await self._tables.containers.row(text(session, "sessionId")) or container
        if container is None:
            return self._to_address(text(session, "containerIp"))
        return self._to_address(text(container, "containerIp") if text(container, "status") in ALIVE else "")

    def _to_address(self, ip: str) -> Action:
        if ip in ("", "unknown"):
            return alb_answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return Forward(ip, self._settings.container_port)


_HEALTHY = Fixed(200, b"healthy", "text/plain")
_NO_SESSION = Fixed(404, pages.no_active_session().encode(), "text/html")


async def _accepts(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        async with asyncio.timeout(TARGET_CHECK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _malformed(path: str) -> bool:
    """Whether the load balancer itself refuses this path (contract §2.7)."""
    plain = unquote(path)
    segments = plain.split("/")
    return (
        not plain.startswith("/")
        or "\0" in plain
        or ".." in segments
        or (segments[1] == "session" and plain.strip("/") == "session")
    )
