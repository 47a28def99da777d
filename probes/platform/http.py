"""HTTP as probes need it: bounded in time, size and redirects, traced, counted; no answer is a value too."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin, urlsplit, urlunsplit

import anyio.lowlevel
import httpx

from probes.platform.replies import LONGEST_BODY, Reply
from synthetics.contract.platform import RequestMeter
from synthetics.contract.tracing import Trace

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Tls:
    """Two TLS contexts, loaded once per process: reading the certificates takes a noticeable while."""

    verifying: ssl.SSLContext
    trusting: ssl.SSLContext

    @classmethod
    def load(cls) -> "Tls":
        return cls(httpx.create_ssl_context(), httpx.create_ssl_context(verify=False))


@dataclass(frozen=True, slots=True)
class Label:
    """What a request is counted as."""

    service: str
    operation: str


class Http:
    """The requests of one run.

    Connections are not kept: a probe times what a user's first request meets, and a pool would answer
    some requests faster than others. `trusted` are the hosts whose certificate is not verified.
    """

    def __init__(self, *, trace: Trace, meter: RequestMeter, tls: Tls, trusted: frozenset[str]) -> None:
        self._trace = trace
        self._meter = meter
        self._tls = tls
        self._trusted = trusted
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._verifying = _client(tls.verifying, limits)
        self._trusting = _client(tls.trusting, limits)
        self._resolved: dict[tuple[str, int], bool] = {}

    @staticmethod
    async def warm() -> None:
        """Load what the first request would load otherwise, so that its timing is not ours."""
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self._verifying.aclose()
        await self._trusting.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        label: Label,
        timeout: timedelta,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        through: str | None = None,
        redirects: bool = False,
    ) -> Reply:
        """The answer, or a Reply whose `failure` says why there is none; it never raises for the network.

        `through` is the address to connect to instead of the URL's own host, which is then sent as Host.
        `timeout` bounds the whole exchange, redirects included.
        """
        began = time.perf_counter()
        line = f"{method} {url}"
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                reply = await self._followed(method, url, json, headers, through, timeout, redirects)
        except TimeoutError:
            reply = _none(line, f"timeout: nothing complete within {timeout.total_seconds():g} s")
        except httpx.TimeoutException as error:
            reply = _none(line, f"timeout: {type(error).__name__}")
        except httpx.HTTPError as error:
            reply = _none(line, _why(error))
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            reply = _none(line, f"not an address that can be asked: {error}")
        except OSError as error:
            reply = _none(line, error.strerror or str(error))
        took = timedelta(seconds=time.perf_counter() - began)
        self._meter.count(label.service, label.operation, _outcome(reply), took)
        return Reply(line, reply.status, took, reply.headers, reply.text, reply.cut, reply.failure)

    async def resolves(self, url: str, within: timedelta) -> bool:
        """Whether the URL's host has an address here, told in time; asked once per run and host.

        A text that is no URL counts as resolved: asking for it says what is wrong with it.
        """
        try:
            parts = urlsplit(url)
            where = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        except ValueError:
            return True
        if where not in self._resolved:
            try:
                async with asyncio.timeout(within.total_seconds()):
                    found = await asyncio.get_running_loop().getaddrinfo(*where, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):  # a TimeoutError is an OSError
                found = []
            self._resolved[where] = bool(found)
        return self._resolved[where]

    def tls_for(self, url: str) -> ssl.SSLContext | None:
        """The TLS context for a connection to the URL's host; None for plain HTTP."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "wss"):
            return None
        return self._tls.trusting if parts.hostname in self._trusted else self._tls.verifying

    def trace_headers(self) -> dict[str, str]:
        """The headers that let the platform's logs be joined with this run; fresh for each request."""
        return self._trace.headers()

    def count(self, label: Label, outcome: str, took: timedelta) -> None:
        """Count a request that was made without this class (a raw socket, a WebSocket)."""
        self._meter.count(label.service, label.operation, outcome, took)

    async def _followed(
        self,
        method: str,
        url: str,
        json: Mapping[str, object] | None,
        headers: Mapping[str, str] | None,
        through: str | None,
        timeout: timedelta,
        redirects: bool,
    ) -> Reply:
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._once(method, url, json, headers, through, timeout)
            target = reply.header("location")
            if not redirects or reply.status not in _REDIRECTS or not target:
                return reply
            there = urljoin(url, target)
            if urlsplit(there).netloc != urlsplit(url).netloc:
                through = None
            url = there
        return _none(f"{method} {url}", f"more than {_MOST_REDIRECTS} redirects")

    async def _once(
        self,
        method: str,
        url: str,
        json: Mapping[str, object] | None,
        headers: Mapping[str, str] | None,
        through: str | None,
        timeout: timedelta,
    ) -> Reply:
        sent = {**self._trace.headers(), "Accept-Encoding": "identity", **(headers or {})}
        extensions: dict[str, str] = {}
        target = url
        if through is not None:
            wanted, actual = urlsplit(url), urlsplit(through)
            sent["Host"] = wanted.netloc
            extensions["sni_hostname"] = wanted.hostname or ""
            target = urlunsplit((actual.scheme, actual.netloc, wanted.path, wanted.query, ""))
        if urlsplit(target).port == 0:  # asking for it also refuses a port that cannot be one
            raise ValueError("port 0")
        client = self._trusting if urlsplit(target).hostname in self._trusted else self._verifying
        request = client.build_request(
            method, target, json=json, headers=sent, timeout=timeout.total_seconds(), extensions=extensions
        )
        request.extensions["timeout"] = httpx.Timeout(timeout.total_seconds()).as_dict()
        answer = await client.send(request, stream=True)
        try:
            return await _read(f"{method} {url}", answer)
        finally:
            await answer.aclose()


def _client(context: ssl.SSLContext, limits: httpx.Limits) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=context, limits=limits, retries=0, trust_env=False)
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


async def _read(line: str, answer: httpx.Response) -> Reply:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > LONGEST_BODY:
            break
    cut = len(body) > LONGEST_BODY
    text = bytes(body[:LONGEST_BODY]).decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(line, answer.status_code, timedelta(0), headers, text, cut)


def _none(line: str, failure: str) -> Reply:
    return Reply(line, 0, timedelta(0), failure=failure)


def _why(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"name not known: {cause.strerror}"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, ConnectionResetError):
            return "connection reset"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _outcome(reply: Reply) -> str:
    if reply.failure is not None:
        return reply.failure.partition(":")[0][:40]
    return "ok" if reply.status < 400 else str(reply.status)
