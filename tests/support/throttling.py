"""An AWS that throttles: it refuses some requests as AWS does, and passes all others on to the real one."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_XML = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>"
    b"<RequestId>0</RequestId></ErrorResponse>"
)
_JSON = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'


class Throttling:
    """Listens at `url`; `share` of the requests, drawn by `seed`, are throttled. `refused` counts them."""

    def __init__(self, behind: str, *, share: float, seed: int = 0) -> None:
        parts = urlsplit(behind)
        assert parts.hostname
        assert parts.port
        self._behind = parts.hostname, parts.port
        self._share = share
        self._random = random.Random(seed)
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: request after request."""
        try:
            while request := await _message(reader):
                head, body = request
                action = _header(head, b"x-amz-target").decode() or "query"
                self.asked[action] += 1
                if self._random.random() < self._share:
                    self.refused[action] += 1
                    writer.write(_refusal(head))
                else:
                    writer.write(await self._passed_on(head, body))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._behind)
        try:
            writer.write(head + body)
            await writer.drain()
            answer = await _message(reader)
            assert answer is not None
            return b"".join(answer)
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The head and the body of a request or an answer; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    return head, await reader.readexactly(int(_header(head, b"content-length") or 0))


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        told, _, value = line.partition(b":")
        if told.strip().lower() == name:
            return value.strip()
    return b""


def _refusal(head: bytes) -> bytes:
    body = _JSON if _header(head, b"x-amz-target") else _XML
    kind = b"application/x-amz-json-1.0" if body is _JSON else b"text/xml"
    lines = [b"HTTP/1.1 400 Bad Request", b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", b""]) + body


@asynccontextmanager
async def throttling(behind: str, *, share: float, seed: int = 0) -> AsyncIterator[Throttling]:
    """An AWS in front of the one at `behind`."""
    throttles = Throttling(behind, share=share, seed=seed)
    server = await asyncio.start_server(throttles.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    throttles.url = f"http://{host}:{port}"
    try:
        yield throttles
    finally:
        server.close()
