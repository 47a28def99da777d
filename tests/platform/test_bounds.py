"""Servers that never come to an end: every client gives up in time, and keeps no more than it may."""

import asyncio
import base64
import hashlib
import json
import time
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from probes.platform import workspace
from probes.platform.aws import AwsError
from probes.platform.responses import read_response
from synthetics.errors import PlatformError, TimedOut, Unexpected
from tests.platform.conftest import NOWHERE, opened
from tests.support import badserver
from tests.support.badserver import BadServer, answer, bad_server

ENVIRON = {"ALB_ENDPOINT": NOWHERE, "SESSION_KEY": "simple", "AWS_TIMEOUT_S": "0.4"}
IMPATIENT = {
    f"{part}_TIMEOUT_S": "0.4"
    for part in ("HERMES", "READINESS", "PREVIEW", "ROUTER", "WEBSOCKET", "FILE", "EXEC")
}
_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def endless_headers(_: BadServer, writer: asyncio.StreamWriter) -> None:
    """Header after header, as fast as they are taken."""
    writer.write(b"HTTP/1.1 200 X\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def slow_headers(_: BadServer, writer: asyncio.StreamWriter) -> None:
    """A header that never ends, a byte now and then."""
    writer.write(b"HTTP/1.1 200 X\r\nX-More: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def gigabyte(_: BadServer, writer: asyncio.StreamWriter) -> None:
    """As much as is taken of a gigabyte."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n")
    piece = b"x" * 1_048_576
    for _ in range(1024):
        writer.write(piece)
        await writer.drain()


async def never_closes(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """A WebSocket that opens, and takes no notice of being closed."""
    (key,) = (line.split(": ")[1] for line in server.requests[-1].split("\r\n") if "Sec-WebSocket-Key" in line)
    accept = base64.b64encode(hashlib.sha1((key + _KEY).encode()).digest()).decode()
    lines = ["HTTP/1.1 101 X", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await asyncio.Event().wait()


ENDLESS = {
    "drip": (badserver.drip, "timeout"),
    "slow headers": (slow_headers, "timeout"),
    "endless headers": (endless_headers, "unreachable"),
    "a gigabyte": (gigabyte, "unreadable"),
    "silence": (badserver.never, "timeout"),
}


@pytest.mark.parametrize("way", ENDLESS)
async def test_aws_is_given_up_in_time_and_its_threads_are_free_again(way: str) -> None:
    act, code = ENDLESS[way]
    limit = {"AWS_TIMEOUT_S": "10"} if way == "a gigabyte" else {}
    calls = 2 if limit else 20  # more than there are threads
    async with bad_server(act) as server, opened({**ENVIRON, **limit, "AWS_ENDPOINT_URL": server.url}) as run:
        began = time.perf_counter()
        asked = [run.web.tables.session("s-1") for _ in range(calls)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert time.perf_counter() - began < 5
    assert {type(error) for error in answers} == {AwsError}
    assert {error.code for error in answers if isinstance(error, AwsError)} == {code}, answers


async def test_a_call_that_its_caller_has_left_does_not_keep_its_thread() -> None:
    async with (
        bad_server(badserver.drip) as server,
        opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run,
    ):
        left = [asyncio.create_task(run.web.tables.session("s-1")) for _ in range(16)]
        while len(server.requests) < len(left):
            await asyncio.sleep(0.01)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        server.act = answer(200, b'{"Items": [], "Count": 0}')
        assert await run.web.tables.session("s-1") is None


@pytest.mark.parametrize(
    "act", [slow_headers, endless_headers, gigabyte, badserver.drip], ids=lambda act: act.__name__
)
async def test_http_is_given_up_in_time(act: badserver.Handler, names: dict[str, str]) -> None:
    async with bad_server(act) as server, opened({**names, **IMPATIENT, "ALB_ENDPOINT": server.url}) as run:
        began = time.perf_counter()
        replies = [
            await run.web.alb.ready("some-session"),
            await run.web.alb.preview(server.url + "/session/x"),
            await run.web.hermes.health(),
        ]
        raw = await run.web.alb.raw("/..")
        upgrade = await run.web.alb.upgrade(None, "/ws/hmr")
        opens = await run.web.alb.websocket_opens("/ws/hmr")
        assert time.perf_counter() - began < 6
    assert all(reply.failure or reply.cut for reply in replies)
    assert all(len(reply.text) <= 1_048_576 for reply in replies)
    assert len(raw.body) <= 1_048_576
    assert len(upgrade.body) <= 1_048_576
    assert not opens


async def test_a_websocket_that_never_closes_is_left(names: dict[str, str]) -> None:
    async with (
        bad_server(never_closes) as server,
        opened({**names, **IMPATIENT, "ALB_ENDPOINT": server.url}) as run,
    ):
        began = time.perf_counter()
        await run.web.alb.websocket_opens("/ws/hmr")
        assert time.perf_counter() - began < 3


async def test_a_resolver_that_hangs_is_not_waited_for(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*where: object, **how: object) -> None:
        await asyncio.Event().wait()

    told = {**names, **IMPATIENT, "ROUTER_ENDPOINT": NOWHERE}
    async with opened(told) as run:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hangs)
        reply = await asyncio.wait_for(run.web.alb.preview("https://edit.acme.example/session/x"), 3)
        other = await asyncio.wait_for(run.web.alb.api("/files"), 3)
    assert reply.failure
    assert other.failure


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"sessionId": ' * 50_000, "9" * 100_000], ids=["lists", "maps", "digits"]
)
def test_a_message_that_is_absurd_is_unexpected(body: str) -> None:
    with pytest.raises(Unexpected) as caught:
        read_response("webordinary-output-x", body)
    assert len(str(caught.value)) < 1_000


async def test_ten_messages_of_the_greatest_size_are_read(moto: str) -> None:
    messages = [{"MessageId": str(n), "ReceiptHandle": "h", "Body": "x" * 1_048_576} for n in range(10)]
    body = json.dumps({"Messages": messages}).encode()
    async with (
        bad_server(answer(200, body, kind="application/x-amz-json-1.0")) as server,
        opened({**ENVIRON, "AWS_TIMEOUT_S": "10", "AWS_ENDPOINT_URL": server.url}) as run,
    ):
        url = f"{server.url}/1/webordinary-output-{run.web.client_id}-site-jane"
        responses = run.web.queues.responses(url)
        assert await responses.look("c-1") is None
    assert len(responses.unreadable) == 10
    assert all(len(told) < 1_000 for told in responses.unreadable)


async def test_git_that_talks_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "_MOST_OUTPUT", 10)
    with pytest.raises(PlatformError, match="git says more than"):
        await workspace.git(("version", "--build-options"), timedelta(seconds=10))


async def test_a_mount_that_hangs_is_given_up() -> None:
    mended = Event()
    with pytest.raises(TimedOut, match=r"/mnt/efs: could not be removed within 0\.1 s"):
        await workspace._on_mount(Path("/mnt/efs"), timedelta(seconds=0.1), "removed", mended.wait)
    mended.set()
