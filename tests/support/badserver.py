"""A server that misbehaves as it is told: real sockets, wrong answers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[["BadServer", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class BadServer:
    """Where it listens, what it was asked, and what it does: `act` is handed the writer after each request."""

    url: str = ""
    act: Handler | None = None
    requests: list[str] = field(default_factory=list)
    pending: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: read one request, do what was told."""
        task = asyncio.current_task()
        assert task is not None
        self.pending.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(length[0].split(":")[1])) if length else b""
            self.requests.append(head + body.decode())
            assert self.act is not None
            await self.act(self, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left, as it may
        finally:
            self.pending.discard(task)
            writer.close()


def answer(status: int = 200, body: bytes = b"", *headers: str, kind: str = "application/json") -> Handler:
    """Answer properly."""

    async def act(server: BadServer, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Content-Type: {kind}", *headers]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()

    return act


async def never(_: BadServer, writer: asyncio.StreamWriter) -> None:
    """Say nothing at all."""
    await asyncio.Event().wait()


async def drip(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: no single read is slow, the whole never ends."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def reset(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """Cut the connection with a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """Promise more than is sent."""
    writer.write(b'HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{"a": ')
    await writer.drain()


async def flood(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """Ten megabytes."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 10485760\r\n\r\n")
    for _ in range(160):
        writer.write(b'"' + b"x" * 65535)
        await writer.drain()


async def rubbish(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """Not HTTP."""
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def bad_server(act: Handler | None = None) -> AsyncIterator[BadServer]:
    """A misbehaving server on a free port of this machine."""
    bad = BadServer(act=act)
    server = await asyncio.start_server(bad.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    bad.url = f"http://{host}:{port}"
    try:
        yield bad
    finally:
        server.close()
        for task in tuple(bad.pending):
            task.cancel()
        await asyncio.gather(*bad.pending, return_exceptions=True)
        await server.wait_closed()
