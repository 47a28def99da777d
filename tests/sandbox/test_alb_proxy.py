"""The load balancer's HTTP: streaming both ways, errors of its own, upgrades, broken clients and targets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sandbox.messages import Action, Call, Fixed, Forward, Head, Invoke
from sandbox.proxy import Conversation

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
IDLE = 0.5


@asynccontextmanager
async def listening(handle: Handle) -> AsyncIterator[int]:
    """A TCP server inside this block; gives its port. Afterwards every connection to it must have ended."""
    talking: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        talking.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        await asyncio.gather(*talking)


@asynccontextmanager
async def balancer(action: Action) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a load balancer that does this with every request."""

    async def choose(_: Head) -> Action:
        return action

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Conversation(reader, writer, choose, IDLE).run()

    async with listening(handle) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def head_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readuntil(b"\r\n\r\n")


async def everything(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.read()


async def test_a_body_is_passed_on_while_it_comes() -> None:
    more = asyncio.Event()

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await more.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await head_of(reader)
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"first") == b"5\r\nfirst"
            more.set()
            assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"second\r\n0\r\n\r\n")


async def test_an_upload_is_passed_on_and_the_connection_kept() -> None:
    heard: list[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        heard.append(head.lower())
        body = await reader.readexactly(11)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + body)

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        for _ in range(2):
            writer.write(b"POST /up?q=1 HTTP/1.1\r\nHost: x\r\nX-Mine: 7\r\nContent-Length: 11\r\n\r\nhello ")
            await asyncio.sleep(0.02)
            writer.write(b"world")
            assert b"200" in await head_of(reader)
            assert await reader.readexactly(11) == b"hello world"

    assert all(head.startswith(b"post /up?q=1 http/1.1") for head in heard)
    assert all(b"x-mine: 7" in head and b"x-forwarded-for: 127.0.0.1" in head for head in heard)


async def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 100")
        writer.write(b"ok")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 204")


async def test_head_gets_no_body() -> None:
    async with balancer(Fixed(200, b"healthy", "text/plain")) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await everything(reader)
    assert b"content-length: 7" in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


async def test_a_refused_target_is_502_in_html() -> None:
    async with listening(lambda *_: asyncio.sleep(0)) as port:
        free = port
    async with balancer(Forward("127.0.0.1", free)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await everything(reader)
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"text/html" in answer
    assert b"<h1>502 Bad Gateway</h1>" in answer


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"gibberish\r\n\r\n"])
async def test_a_target_that_breaks_off_is_502(said: bytes) -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(said)

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 502")


async def test_a_body_cut_short_stays_cut_short() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await everything(reader)).endswith(b"half")


async def test_a_silent_target_is_504() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 504")


async def test_a_target_may_refuse_before_it_has_heard_everything() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbeginning")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 413")


async def test_what_is_no_http_is_400() -> None:
    async with balancer(Fixed(200, b"never")) as (reader, writer):
        writer.write(b"this is not http\r\n\r\n")
        answer = await everything(reader)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"400 Bad Request" in answer


async def test_a_silent_client_is_let_go() -> None:
    async with balancer(Fixed(200, b"never")) as (reader, _):
        assert await everything(reader) == b""


async def test_a_function_gets_the_whole_request() -> None:
    async def function(call: Call) -> Fixed:
        return Fixed(202, call.body[::-1], "text/plain", [(b"refresh", b"5")])

    async with balancer(Invoke(function)) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        head = await head_of(reader)
        assert head.startswith(b"HTTP/1.1 202")
        assert b"refresh: 5" in head
        assert await reader.readexactly(3) == b"cba"


async def test_an_accepted_upgrade_is_a_pipe_of_bytes() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await head_of(reader)).lower()
        assert b"upgrade: websocket" in head
        assert b"sec-websocket-key: abc" in head
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi!"
        )
        while data := await reader.read(100):
            writer.write(data.upper())

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n\r\n"
        )
        assert (await head_of(reader)).startswith(b"HTTP/1.1 101")
        async with asyncio.timeout(5):
            assert await reader.readexactly(3) == b"hi!"
            writer.write(b"frame")
            assert await reader.readexactly(5) == b"FRAME"
            writer.write_eof()
            assert await reader.read() == b""


async def test_a_refused_upgrade_is_an_ordinary_answer() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    async with listening(target) as port, balancer(Forward("127.0.0.1", port)) as (reader, writer):
        writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 404")
        assert await reader.readexactly(2) == b"no"
