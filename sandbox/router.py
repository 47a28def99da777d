"""The session router: the Lambda that finds a chat's container and wakes it (contract §2.7, §2.8)."""

import re
from http import HTTPStatus

import httpx

from sandbox import pages
from sandbox.faults import Faults, amount
from sandbox.hermes.cloud import CloudError, Row, text
from sandbox.hermes.tables import Tables
from sandbox.messages import BODY_LIMIT, ONE_HOP, Call, Fixed, Head, Headers
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

PROXY_SECONDS = 20.0
WAKE_SECONDS = 2.0
"""Real seconds that the page waits for Hermes; it is shown whether Hermes has answered or not."""
API_KEY = "sandbox-internal-key"
FALLBACK_CLIENT = "default"
ALIVE = ("running", "idle")
SESSION_PATH = re.compile(r"/session/([^/?]+)(/?.*)", re.DOTALL)


def client_of(host: str, domain: str) -> str:
    """The client that a preview host names; empty if it names none."""
    inner = host.removeprefix("edit.").removesuffix(f".{domain}")
    return inner if inner and host == f"edit.{inner}.{domain}" else ""


class Router:
    """Answers /session/{thread}/… on the clients' preview hosts."""

    def __init__(self, settings: SandboxSettings, tables: Tables, faults: Faults, truth: Truth) -> None:
        self._settings = settings
        self._tables = tables
        self._faults = faults
        self._truth = truth
        self._http = httpx.AsyncClient(
            verify=False,
            trust_env=False,
            follow_redirects=False,
            timeout=PROXY_SECONDS,
            limits=httpx.Limits(max_keepalive_connections=0),  # a container that slept has closed its end
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def answer(self, call: Call) -> Fixed:
        """The container's own answer, or the page that says what is the matter."""
        client = client_of(call.head.host, self._settings.preview_domain) or FALLBACK_CLIENT
        match = SESSION_PATH.fullmatch(call.head.target)
        thread, rest = match.groups() if match else ("", "/")
        if rest not in ("", "/") and self._struck("router-misreads-address", client):
            thread = thread[:-1]
        if call.head.upgrades:
            return _page(502, pages.no_websocket())
        try:
            container = await self._container(thread, client)
        except CloudError:
            return self._unreachable(thread, client)
        if container is None:
            return self._stranger(thread, client)
        if text(container, "status") in ALIVE and text(container, "containerIp"):
            ip = await foreign_address(self._tables, self._faults, client) or text(container, "containerIp")
            answer = await self._proxied(self._passed_on(call, client), ip, self._path(rest, client))
            return answer or self._unreachable(thread, client)
        if text(container, "status") == "starting" and (failing := self._failing(client)):
            return failing
        return await self._wake(thread, client)

    def _failing(self, client: str) -> Fixed | None:
        """The error page that stands in for the waking page, if that fault strikes."""
        wrong = self._faults.strikes("preview-fails-while-waking", client=client)
        if wrong is None:
            return None
        status = HTTPStatus(int(amount(wrong, "status")))
        return _page(status, pages.alb_page(status))

    def _stranger(self, thread: str, client: str) -> Fixed:
        """The page for a thread that nobody knows."""
        if self._struck("unknown-session-served", client):
            return _page(200, pages.somebodys_site())
        if self._struck("not-found-page-wrong", client):
            return _page(404, pages.no_active_session())
        return _page(404, pages.not_found(thread, client))

    def _unreachable(self, thread: str, client: str) -> Fixed:
        """The page for a container that should be there and does not answer."""
        wrong = self._struck("unreachable-page-wrong", client)
        return _page(502, pages.no_active_session() if wrong else pages.unreachable(thread))

    async def _container(self, thread: str, client: str) -> Row | None:
        """The container of a thread; None unless mapping and container are both known."""
        mapping = await self._tables.mappings.row(thread) if thread else None
        container = text(mapping, "containerId") if mapping is not None else ""
        if container and self._struck("router-finds-nobody", client):
            return None
        return await self._tables.containers.row(container) if container else None

    def _path(self, rest: str, client: str) -> str:
        """What is asked of the container: the address without the chat's own part of it."""
        if self._struck("router-drops-path", client):
            return "/"
        return rest if rest.startswith("/") else f"/{rest}"

    def _passed_on(self, call: Call, client: str) -> Call:
        """The request as the container gets it."""
        head = call.head
        headers = [(name, value) for name, value in head.headers if name.lower() not in ONE_HOP]
        if self._struck("router-drops-headers", client):
            headers = [(name, value) for name, value in headers if name.lower() in _NEEDED]
        method = "GET" if self._struck("router-changes-method", client) else head.method
        body = call.body
        if self._struck("router-drops-body", client):
            headers, body = [(name, value) for name, value in headers if name.lower() not in _OF_BODY], b""
        return Call(Head(method, head.target, headers), body)

    async def _proxied(self, call: Call, ip: str, path: str) -> Fixed | None:
        """The container's answer; None if it cannot be reached."""
        url = f"http://{ip}:{self._settings.container_port}"
        try:
            request = self._http.build_request(
                call.head.method, url, headers=call.head.headers, content=call.body
            )
            request.url = request.url.copy_with(raw_path=path.encode("latin-1"))
            answer = await self._http.send(request, stream=True)
            try:
                body = await _bounded(answer)
            finally:
                await answer.aclose()
        except (httpx.TransportError, httpx.InvalidURL):
            return None
        kept = [(n, v) for n, v in answer.headers.raw if n.lower() not in _REWRITTEN]
        return Fixed(answer.status_code, body, answer.headers.get("content-type", "text/html"), kept)

    async def _wake(self, thread: str, client: str) -> Fixed:
        """Ask Hermes to resume the preview, and show a page that asks again."""
        if self._struck("router-never-wakes", client):
            return self._waking(thread, client)
        self._truth.write("router.woke", thread=thread, client=client)
        try:
            answer = await self._http.post(
                f"{self._settings.alb_url}/hermes/api/sessions/resume-preview",
                json={"chatThreadId": thread, "clientId": client},
                headers={"Authorization": f"Bearer {API_KEY}"},
                timeout=WAKE_SECONDS,
            )
        except httpx.TransportError:
            pass  # Hermes is away or takes its time: the page asks again
        else:
            if answer.status_code == httpx.codes.NOT_FOUND:
                return _page(404, pages.not_found(thread, client))
        return self._waking(thread, client)

    def _waking(self, thread: str, client: str) -> Fixed:
        """The page that asks again by itself."""
        wrong = self._struck("waking-page-wrong", client)
        silent = self._struck("waking-page-without-retry-after", client)
        page = pages.no_active_session() if wrong else pages.waking(thread)
        return _page(self._settings.starting_page_status, page, None if silent else _ASK_AGAIN)

    def _struck(self, fault: str, client: str) -> bool:
        return self._faults.strikes(fault, client=client) is not None


async def foreign_address(tables: Tables, faults: Faults, client: str) -> str:
    """Where another customer is at work, while a fault mixes them up; empty if nobody is."""
    if not faults.is_on("foreign-preview", client=client):
        return ""
    running = await tables.containers.having("status", "running")
    foreign = [ip for row in running if text(row, "clientId") != client and (ip := text(row, "containerIp"))]
    return foreign[0] if foreign and faults.strikes("foreign-preview", client=client) is not None else ""


_ASK_AGAIN: Headers = [(name, str(pages.REFRESH_SECONDS).encode()) for name in (b"retry-after", b"refresh")]
_NEEDED = {b"host", b"content-length", b"content-type"}
_OF_BODY = {b"content-length", b"content-type", b"transfer-encoding"}
_REWRITTEN = ONE_HOP | {b"content-length", b"content-type", b"transfer-encoding", b"server", b"date"}


async def _bounded(answer: httpx.Response) -> bytes:
    """The body as it came; httpx.ReadError if it is more than a Lambda may answer."""
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > BODY_LIMIT:
            raise httpx.ReadError("the answer is larger than a Lambda may give")
    return bytes(body)


def _page(status: int, html: str, headers: Headers | None = None) -> Fixed:
    return Fixed(status, html.encode(), "text/html", headers or [])
