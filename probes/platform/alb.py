"""The load balancer, as browsers meet it: readiness, previews, the router, and requests nobody should send."""

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from probes.platform.dialects import RoutingDialect
from probes.platform.http import Http, Label
from probes.platform.replies import LONGEST_BODY, RawAnswer, Reply, UpgradeAnswer
from probes.platform.settings import PlatformSettings
from probes.platform.values import Activation, SessionRow
from synthetics.errors import ProbeBroken

Session = SessionRow | Activation | str


class Alb:
    """Requests through the public entrance. Nothing here raises for what the network does: no answer is a
    Reply with status 0, so that everything can be polled."""

    def __init__(self, *, http: Http, settings: PlatformSettings, client_id: str) -> None:
        self._http = http
        self._settings = settings
        self._client_id = client_id

    async def ready(self, session: Session) -> Reply:
        """The readiness signal of a session: any 2xx. In the `lambda` dialect a row with a thread is needed."""
        if self._settings.routing_dialect is RoutingDialect.PATH:
            url, through = f"{self._settings.alb}/session/{_session_id(session)}/health", None
        else:
            client, thread = self._client_of(session), _thread_of(session)
            url, through = self._preview_url(client, thread, "/health"), self._settings.router
        return await self._http.request(
            "GET",
            url,
            label=Label("alb", "ready"),
            timeout=self._settings.readiness_timeout,
            through=through,
        )

    def means_ready(self, reply: Reply) -> bool:
        """Whether an answer of `ready` says that the container is up: any 2xx but the router's waking page."""
        waking = self._settings.routing_dialect is RoutingDialect.LAMBDA
        return reply.ok and not (waking and reply.status in self._settings.starting_page_status)

    async def preview(self, session: Session) -> Reply:
        """The preview, asked for exactly as the platform wrote its address (a plain text is taken as one).

        Where its host has no address here, the connection goes to the load balancer with that host's name.
        """
        url = session if isinstance(session, str) else session.preview_url
        if not url:
            return Reply("GET preview", 0, timedelta(0), failure="the session has no previewUrl")
        behind = self._settings.router_endpoint  # only where a deployment says so: a lost name is a failure
        limit = self._settings.preview_timeout
        through = None if behind is None or await self._http.resolves(url, limit) else behind
        return await self._http.request(
            "GET",
            url,
            label=Label("alb", "preview"),
            timeout=limit,
            through=through,
            redirects=True,
        )

    async def session_page(self, identifier: str, path: str = "") -> Reply:
        """`/session/{identifier}` and what lies below, without following redirects."""
        return await self.get(f"/session/{identifier}{path}", operation="session_page")

    async def api(self, path: str, session_header: str | None = None) -> Reply:
        """A path under `/api`, for the container that the session header names."""
        return await self._http.request(
            "GET",
            self._settings.api + path,
            label=Label("alb", "api"),
            timeout=self._settings.preview_timeout,
            headers={"X-Session-ID": session_header} if session_header else None,
        )

    async def get(self, path: str, *, method: str = "GET", operation: str = "get") -> Reply:
        """Any path of the load balancer, without following redirects."""
        return await self._http.request(
            method,
            self._settings.alb + path,
            label=Label("alb", operation),
            timeout=self._settings.preview_timeout,
        )

    async def router(
        self,
        client: str,
        thread: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> Reply:
        """A page of a thread's preview through the session router, without following redirects."""
        return await self._http.request(
            method,
            self._preview_url(client, thread, path),
            label=Label("alb", "router"),
            timeout=self._settings.router_timeout,
            through=self._settings.router,
            headers=headers,
            json=json,
        )

    def preview_url(self, thread: str, client: str | None = None, path: str = "/") -> str:
        """The address of a thread's preview on the client's own preview host."""
        return self._preview_url(client or self._client_id, thread, path)

    # -- byte for byte -----------------------------------------------------------------------------------

    async def raw(self, path: str, host: str | None = None) -> RawAnswer:
        """The answer to a path sent exactly as given; a connection refused or cut is an answer too."""
        base = urlsplit(self._settings.router if host else self._settings.alb)
        headers = {"Host": host or base.netloc, "Connection": "close", **self._http.trace_headers()}
        return await self._socket(base.geturl(), path, headers, "raw", self._settings.preview_timeout)

    async def upgrade(self, host: str | None, path: str) -> UpgradeAnswer:
        """How a WebSocket handshake is answered, for `host` through the router or (None) by the ALB itself."""
        base = urlsplit(self._settings.router if host else self._settings.alb)
        headers = {
            "Host": host or base.netloc,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
            **self._http.trace_headers(),
        }
        limit = self._settings.websocket_timeout
        answer = await self._socket(base.geturl(), path, headers, "upgrade", limit)
        return UpgradeAnswer(answer.status, answer.body, answer.failure)

    async def websocket_opens(self, path: str, within: timedelta | None = None) -> bool:
        """Whether a WebSocket at this path of the ALB opens in time; it is closed at once."""
        limit = (within or self._settings.websocket_timeout).total_seconds()
        parts = urlsplit(self._settings.alb)
        url = urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, path, "", ""))
        began = time.perf_counter()
        headers = self._http.trace_headers()
        agent = headers.pop("User-Agent")
        outcome = "ok"
        try:
            async with asyncio.timeout(limit):
                socket = await connect(
                    url,
                    ssl=self._http.tls_for(url),
                    additional_headers=headers,
                    user_agent_header=agent,
                    open_timeout=limit,
                    close_timeout=1,
                    proxy=None,
                )
                await socket.close()
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            outcome = type(error).__name__
        self._http.count(Label("alb", "websocket"), outcome, timedelta(seconds=time.perf_counter() - began))
        return outcome == "ok"

    # -- inside ------------------------------------------------------------------------------------------

    def _preview_url(self, client: str, thread: str, path: str) -> str:
        scheme = urlsplit(self._settings.router).scheme
        return f"{scheme}://{self._settings.preview_host(client)}/session/{thread}{path}"

    def _client_of(self, session: Session) -> str:
        return (None if isinstance(session, str) else session.client_id) or self._client_id

    async def _socket(
        self, base: str, path: str, headers: dict[str, str], operation: str, limit: timedelta
    ) -> RawAnswer:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit.total_seconds()):
                answer = await _exchange(base, path, headers, self._http)
        except TimeoutError:
            answer = RawAnswer(0, failure=f"timeout: nothing complete within {limit.total_seconds():g} s")
        except (OSError, ValueError) as error:
            answer = RawAnswer(0, failure=str(error) or type(error).__name__)
        outcome = str(answer.status) if answer.status else "failure"
        self._http.count(Label("alb", operation), outcome, timedelta(seconds=time.perf_counter() - began))
        return answer


async def _exchange(base: str, path: str, headers: dict[str, str], http: Http) -> RawAnswer:
    parts = urlsplit(base)
    tls = http.tls_for(base)
    port = parts.port or (443 if tls else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    try:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode("utf-8"))
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            return RawAnswer(0, failure=f"the connection was shut after {len(error.partial)} bytes")
        except asyncio.LimitOverrunError:
            return RawAnswer(0, failure="headers without an end")
        status, answered = _head(head)
        body = b"" if status == 101 else await _body(reader, answered)
        return RawAnswer(status, answered, body.decode("utf-8", "replace"))
    finally:
        writer.close()


def _head(head: str) -> tuple[int, dict[str, str]]:
    first, *rest = head.split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError(f"not an HTTP answer: {first[:80]!r}")
    pairs = (line.partition(":") for line in rest if ":" in line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    length = headers.get("content-length", "")
    wanted = min(int(length), LONGEST_BODY) if length.isdigit() else LONGEST_BODY
    body = b""
    while len(body) < wanted:
        piece = await reader.read(min(65536, wanted - len(body)))
        if not piece:
            break
        body += piece
        if headers.get("transfer-encoding") == "chunked" and body.endswith(b"0\r\n\r\n"):
            break
    return body


def _session_id(session: Session) -> str:
    return session if isinstance(session, str) else session.session_id


def _thread_of(session: Session) -> str:
    if isinstance(session, SessionRow) and session.thread_id:
        return session.thread_id
    raise ProbeBroken(
        "with ROUTING_DIALECT=lambda readiness is asked by thread: pass a session row that has one"
    )
