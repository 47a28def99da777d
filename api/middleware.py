"""What every answer carries, HEAD wherever there is GET, what is known already, and how much may be sent."""

from hashlib import sha256

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Only our own scripts, no frame, nothing from elsewhere: a page shows what a platform said, and never runs it.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: No body that a route takes is nearly as long.
MOST_BYTES = 65_536


class CommonHeaders:
    """Adds the headers that keep pages safe, and has nothing cached unless the answer says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HeadIsGet:
    """Answers HEAD as GET without its body, as RFC 9110 asks of every server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)


class Etags:
    """Gives whole answers an ETag, and answers 304 who has the same already (RFC 9110, 8.8.3 and 13.1.2).

    Weak, because the answer may be compressed on its way. What is asked for is asked of the server each time:
    a state of a minute ago is no state. An answer that has its own rules for caches keeps them.
    """

    _TYPES = ("application/json", "text/html", "image/svg+xml")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None
        parts: list[bytes] = []

        async def send_whole(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and self._is_whole(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await _send_unless_known(start, b"".join(parts), known, send)

        await self._app(scope, receive, send_whole)

    def _is_whole(self, message: Message) -> bool:
        headers = Headers(raw=message["headers"])
        kind = headers.get("content-type", "").partition(";")[0]
        return message["status"] == 200 and kind in self._TYPES and "etag" not in headers


async def _send_unless_known(start: Message, body: bytes, known: str, send: Send) -> None:
    etag = f'W/"{sha256(body).hexdigest()[:32]}"'
    headers = MutableHeaders(raw=start["headers"])
    headers["ETag"] = etag
    headers.setdefault("Cache-Control", "private, no-cache")
    if known.strip() == "*" or etag.removeprefix("W/") in (
        one.strip().removeprefix("W/") for one in known.split(",")
    ):
        del headers["Content-Length"]
        start, body = {**start, "status": 304}, b""
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})


class BoundedBodies:
    """Refuses (413) a request whose body is longer than any route here has use for, read or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        had = 0

        async def receive_bounded() -> Message:
            nonlocal had
            message = await receive()
            had += len(message.get("body", b""))
            if had > MOST_BYTES:
                raise HTTPException(413, f"a body may have {MOST_BYTES} bytes, this one has more")
            return message

        await self._app(scope, receive_bounded, send)
