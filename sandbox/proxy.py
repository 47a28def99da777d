"""The HTTP/1.1 half of the load balancer: reads a request, asks what to do with it, and does that.

Bodies are streamed in both directions and nothing is kept, so what a client measures through here is the
target's time and not ours. An upgrade that the target accepts becomes a pipe of bytes.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

import h11

from sandbox.messages import (
    BODY_LIMIT,
    ONE_HOP,
    Call,
    Choose,
    Fixed,
    Forward,
    Head,
    Headers,
    Invoke,
    alb_answer,
)

CHUNK = 64 * 1024
HEAD_LIMIT = 64 * 1024
CONNECT_SECONDS = 5.0
SERVER = (b"server", b"awselb/2.0")


class Hasty(Exception):
    """The other side broke HTTP or went away in the middle of it."""


class Peer:
    """One HTTP/1.1 connection, spoken through h11."""

    def __init__(
        self,
        role: type[h11.CLIENT] | type[h11.SERVER],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        idle: float,
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD_LIMIT)
        self.reader = reader
        self.writer = writer
        self._idle = idle

    async def next(self) -> h11.Event | type[h11.PAUSED]:
        """The next thing the other side says; TimeoutError if it is silent for too long."""
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(self._idle):
                data = await self.reader.read(CHUNK)
            self.http.receive_data(data)

    async def send(self, event: h11.Event) -> None:
        data = self.http.send(event)
        if data:
            self.writer.write(data)
            async with asyncio.timeout(self._idle):
                await self.writer.drain()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 1)


class Conversation:
    """All requests of one client connection, one after the other."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, choose: Choose, idle: float
    ) -> None:
        self._client = Peer(h11.SERVER, reader, writer, idle)
        self._choose = choose
        self._idle = idle

    async def run(self) -> None:
        """Answer until the client leaves, is silent for too long, or breaks HTTP."""
        client = self._client
        try:
            while await self._one():
                client.http.start_next_cycle()
        except h11.RemoteProtocolError:
            await self._refuse()
        except (ConnectionError, TimeoutError, h11.LocalProtocolError, Hasty):
            pass  # nobody is left who could be told
        finally:
            await client.close()

    async def _one(self) -> bool:
        """Answer one request; False if the connection is of no further use."""
        client = self._client
        event = await client.next()
        if not isinstance(event, h11.Request):
            return False
        head = Head(event.method.decode(), event.target.decode("latin-1"), list(event.headers))
        action = await self._choose(head)
        match action:
            case Fixed():
                await self._answer(head, action)
            case Invoke(function):
                await self._invoke(head, function)
            case Forward():
                if await self._forward(head, action):
                    return False
        if head.upgrades:
            return False  # who asked for another protocol and was refused has nothing more to say in this one
        return client.http.our_state is h11.DONE and client.http.their_state is h11.DONE

    async def _refuse(self) -> None:
        """Answer 400 to what was no HTTP, if an answer can still be given."""
        if self._client.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            with contextlib.suppress(ConnectionError, TimeoutError, h11.LocalProtocolError):
                await self._send("GET", alb_answer(HTTPStatus.BAD_REQUEST))

    async def _answer(self, head: Head, answer: Fixed) -> None:
        """Send a whole answer, then read what is left of the request so that the connection can be used on."""
        await self._send(head.method, answer)
        with contextlib.suppress(Hasty):
            await self._body()

    async def _send(self, method: str, answer: Fixed) -> None:
        headers = [
            SERVER,
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *answer.headers,
        ]
        await self._client.send(h11.Response(status_code=answer.status, headers=headers))
        if answer.body and method != "HEAD":
            await self._client.send(h11.Data(data=answer.body))
        await self._client.send(h11.EndOfMessage())

    async def _body(self) -> bytes:
        """The rest of the request's body, up to what a Lambda takes."""
        body = bytearray()
        while self._client.http.their_state is h11.SEND_BODY:
            event = await self._client.next()
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_LIMIT:
                    raise Hasty
            elif not isinstance(event, h11.EndOfMessage):
                raise Hasty
        return bytes(body)

    async def _invoke(self, head: Head, function: Callable[[Call], Awaitable[Fixed]]) -> None:
        try:
            body = await self._body()
        except Hasty:
            await self._send(head.method, alb_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            raise
        await self._send(head.method, await function(Call(head, body)))

    async def _forward(self, head: Head, to: Forward) -> bool:
        """Send the request to the target and its answer back; True if they switched protocols."""
        target = None
        try:
            target = await self._connect(to)
            await target.send(
                h11.Request(method=head.method, target=head.target, headers=_onward(head, self._client))
            )
        except TimeoutError:
            await self._answer(head, alb_answer(HTTPStatus.GATEWAY_TIMEOUT))
        except OSError:
            await self._answer(head, alb_answer(HTTPStatus.BAD_GATEWAY))
        else:
            return await self._exchange(head, target)
        if target is not None:
            await target.close()
        return False

    async def _connect(self, to: Forward) -> Peer:
        async with asyncio.timeout(min(CONNECT_SECONDS, self._idle)):
            reader, writer = await asyncio.open_connection(to.host, to.port)
        return Peer(h11.CLIENT, reader, writer, self._idle)

    async def _exchange(self, head: Head, target: Peer) -> bool:
        """Both bodies at once: a target may answer before it has heard everything."""
        upload = asyncio.create_task(self._upload(target))
        try:
            if head.upgrades:
                await upload
            return await self._download(head, target)
        finally:
            upload.cancel()
            await asyncio.gather(upload, return_exceptions=True)
            await target.close()

    async def _upload(self, target: Peer) -> None:
        while self._client.http.their_state is h11.SEND_BODY:
            event = await self._client.next()
            if not isinstance(event, h11.Data | h11.EndOfMessage):
                raise Hasty
            await target.send(event)

    async def _download(self, head: Head, target: Peer) -> bool:
        try:
            event = await _first_answer(target)
        except TimeoutError:
            await self._send(head.method, alb_answer(HTTPStatus.GATEWAY_TIMEOUT))
            return False
        except (ConnectionError, h11.RemoteProtocolError, Hasty):
            await self._send(head.method, alb_answer(HTTPStatus.BAD_GATEWAY))
            return False
        if isinstance(event, h11.InformationalResponse):
            await self._switch(event, target)
            return True
        answer = h11.Response(
            status_code=event.status_code, reason=event.reason, headers=_back(event.headers.raw_items())
        )
        await self._client.send(answer)
        await self._stream(target)
        return False

    async def _stream(self, target: Peer) -> None:
        while True:
            try:
                part = await target.next()
            except h11.RemoteProtocolError as error:
                raise Hasty from error  # too late for a status: the client sees a cut body
            if isinstance(part, h11.Data | h11.EndOfMessage):
                await self._client.send(part)
            if not isinstance(part, h11.Data):
                return

    async def _switch(self, accepted: h11.InformationalResponse, target: Peer) -> None:
        """Pass the 101 on, and from then on bytes."""
        client = self._client
        headers = accepted.headers.raw_items()
        await client.send(h11.InformationalResponse(status_code=accepted.status_code, headers=headers))
        client.writer.write(target.http.trailing_data[0])
        target.writer.write(client.http.trailing_data[0])
        pulse = _Pulse(self._idle)
        both = [
            asyncio.create_task(_pipe(client.reader, target.writer, pulse)),
            asyncio.create_task(_pipe(target.reader, client.writer, pulse)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(both, timeout=1)  # the other side's goodbye
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)


async def _first_answer(target: Peer) -> h11.Response | h11.InformationalResponse:
    """The head of the target's answer, or its 101."""
    while True:
        event = await target.next()
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise Hasty
        if event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            return event


class _Pulse:
    """When either direction of a pipe last moved."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def left(self) -> float:
        """Seconds until the pipe counts as idle."""
        return self._last + self._idle - time.monotonic()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, pulse: _Pulse) -> None:
    """Move bytes until their source ends or the whole pipe has been silent for too long."""
    with contextlib.suppress(ConnectionError):
        while pulse.left() > 0:
            try:
                async with asyncio.timeout(pulse.left()):
                    data = await source.read(CHUNK)
            except TimeoutError:
                continue
            if not data:
                break
            pulse.beat()
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


def _onward(head: Head, client: Peer) -> Headers:
    """The request's headers as the target gets them."""
    headers = [(name, value) for name, value in head.headers if name.lower() not in ONE_HOP]
    if head.upgrades:
        headers += [(b"connection", b"Upgrade"), (b"upgrade", head.header("upgrade").encode("latin-1"))]
    else:
        headers.append((b"connection", b"close"))
    address = client.writer.get_extra_info("peername")
    if isinstance(address, tuple):
        headers.append((b"x-forwarded-for", str(address[0]).encode()))
    headers.append((b"x-forwarded-proto", b"http"))
    return headers


def _back(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The answer's headers as the client gets them."""
    return [(name, value) for name, value in headers if name.lower() not in ONE_HOP]
