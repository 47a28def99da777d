"""What comes of servers that misbehave: a value that says so, in bounded time; no other library's errors."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from synthetics.errors import GuardRefused, PlatformError, Unexpected
from tests.platform.conftest import NOWHERE, Run, opened
from tests.support import badserver
from tests.support.badserver import BadServer, answer, bad_server

#: Seconds until a request is given up: soon where no answer comes, late where a slow machine answers.
IMPATIENT, PATIENT = 0.3, 10.0


def limits(patience: float) -> dict[str, str]:
    parts = ("ACTIVATE", "HERMES", "READINESS", "PREVIEW", "ROUTER", "WEBSOCKET")
    return {f"{part}_TIMEOUT_S": str(patience) for part in parts}


@asynccontextmanager
async def against(
    act: badserver.Handler, names: dict[str, str], patience: float = PATIENT
) -> AsyncIterator[tuple[BadServer, Run]]:
    async with (
        bad_server(act) as server,
        opened({**names, **limits(patience), "ALB_ENDPOINT": server.url}) as run,
    ):
        yield server, run


BAD_BODIES = {
    "HTML: '<html>": answer(200, b"<html><body>hello</body></html>", kind="text/html"),
    "an empty body": answer(200, b""),
    "a broken or half JSON: '{\"sessionId\":'": answer(200, b'{"sessionId": '),
    "a JSON array": answer(200, b"[]"),
    "a JSON null": answer(200, b"null"),
    "a text: 'OK'": answer(200, b"OK"),
    "a body of more than 1024 KiB": badserver.flood,
}


@pytest.mark.parametrize("wanted", BAD_BODIES)
async def test_a_body_that_is_no_json_object_is_named(wanted: str, names: dict[str, str]) -> None:
    async with against(BAD_BODIES[wanted], names) as (_, run):
        reply = await run.web.hermes.health()
        assert reply.status == 200
        with pytest.raises(Unexpected) as caught:
            reply.json()
    assert wanted in str(caught.value)
    assert "/hermes/health" in str(caught.value)


async def test_a_huge_body_is_cut(names: dict[str, str]) -> None:
    async with against(badserver.flood, names) as (_, run):
        reply = await run.web.alb.get("/")
    assert reply.cut
    assert len(reply.text) == 1024 * 1024


NO_ANSWER = {
    "timeout": badserver.never,
    "timeout: nothing complete within 0.3 s": badserver.drip,
    "connection reset": badserver.reset,
    "RemoteProtocolError: peer closed": badserver.half,
    "RemoteProtocolError: illegal": badserver.rubbish,
}


@pytest.mark.parametrize("wanted", NO_ANSWER)
async def test_no_answer_is_a_reply_that_says_why(wanted: str, names: dict[str, str]) -> None:
    async with against(NO_ANSWER[wanted], names, IMPATIENT) as (_, run):
        began = time.perf_counter()
        reply = await run.web.alb.ready("some-session")
        assert time.perf_counter() - began < 2
    assert reply.status == 0
    assert not reply.ok
    assert reply.failure is not None
    assert wanted in reply.failure
    assert reply.took > timedelta(0)


async def test_nobody_listens(names: dict[str, str]) -> None:
    async with opened(names) as run:
        alb = run.web.alb
        replies = [
            await alb.ready("some-session"),
            await alb.preview(NOWHERE + "/session/x"),
            await alb.router(run.web.client_id, "thread"),
        ]
        raw = await alb.raw("/..")
        upgrade = await alb.upgrade(None, "/ws/hmr")
        assert not await alb.websocket_opens("/ws/hmr")
    assert [reply.failure for reply in replies] == ["connection refused"] * 3
    assert raw.refused
    assert upgrade.status == 0
    assert ("alb", "ready", "connection refused") in run.meter.requests


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://", "http://[::1", "http://h:99999/", "ftp://h/x", "http://\u0000/"]
)
async def test_a_preview_address_that_is_none(url: str, names: dict[str, str]) -> None:
    async with opened(names) as run:
        reply = await run.web.alb.preview(url)
    assert reply.status == 0
    assert reply.failure


async def test_redirects_end(names: dict[str, str]) -> None:
    async with against(answer(302, b"", "Location: /again"), names) as (server, run):
        reply = await run.web.alb.preview(server.url + "/session/x")
        asked = len(server.requests)
        unfollowed = await run.web.alb.router(run.web.client_id, "thread")
    assert reply.failure == "more than 5 redirects"
    assert asked == 6
    assert unfollowed.status == 302


async def test_a_preview_host_without_an_address_is_asked_where_the_router_is_said_to_be(
    names: dict[str, str],
) -> None:
    preview = "https://edit.acme.webordinary.invalid/session/t1/page?x=1"
    async with bad_server(answer(200, b"<p>site</p>")) as server:
        told = {**names, **limits(PATIENT), "ALB_ENDPOINT": server.url}
        async with opened({**told, "ROUTER_ENDPOINT": server.url}) as run:
            reply = await run.web.alb.preview(preview)
        async with opened(told) as run:
            lost = await run.web.alb.preview(preview)
    assert lost.failure is not None
    assert lost.failure.startswith("name not known")
    assert reply.status == 200
    assert server.requests[0].startswith("GET /session/t1/page?x=1 HTTP/1.1")
    assert "host: edit.acme.webordinary.invalid" in server.requests[0].lower()


async def test_every_request_is_traced(names: dict[str, str]) -> None:
    async with against(answer(200, b"{}"), names) as (server, run):
        await run.web.hermes.health()
        await run.web.alb.raw("/..")
    parents = set()
    for request in server.requests:
        headers = dict(line.lower().split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line)
        assert headers["traceparent"].startswith(f"00-{run.trace.trace_id}-")
        assert headers["x-synthetics-run"] == str(run.run_id)
        parents.add(headers["traceparent"])
    assert len(parents) == 2
    assert "GET /.. HTTP/1.1" in server.requests[1]


async def test_cancelling_a_request_passes_through(names: dict[str, str]) -> None:
    async with against(badserver.never, names, IMPATIENT) as (server, run):
        asking = asyncio.create_task(run.web.alb.ready("some-session"))
        while not server.requests:
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


# -- Hermes ----------------------------------------------------------------------------------------------


async def test_a_refused_activate_says_why_and_stays_in_the_ledger(names: dict[str, str]) -> None:
    body = b'{"statusCode": 500, "message": "Failed to activate session: no capacity"}'
    async with against(answer(500, body), names) as (_, run):
        with pytest.raises(PlatformError, match="wanted 2xx, got 500: Failed to activate session: no capacity"):
            await run.web.hermes.activate("Add a page", user="visitor")
    assert list(run.ledger.entries.values()) == [("session", run.web.client_id)]


async def test_an_activate_without_an_answer_and_without_a_row_fails(names: dict[str, str]) -> None:
    async with against(answer(504, b"<html>504</html>"), names) as (_, run):
        with pytest.raises(PlatformError, match="504"):
            await run.web.hermes.activate("Add a page", user="visitor")


@pytest.mark.parametrize("status", [502, 503])
async def test_an_activate_that_the_load_balancer_refuses_has_failed(
    status: int, names: dict[str, str]
) -> None:
    async with against(answer(status, b"<html>Bad Gateway</html>"), names) as (_, run):
        with pytest.raises(PlatformError, match=str(status)) as refused:
            await run.web.hermes.activate("Add a page", user="visitor")
    assert "looked up" not in str(refused.value), "only a request that timed out is looked up"


async def test_an_activate_that_says_nothing_useful_is_unexpected(names: dict[str, str]) -> None:
    async with against(answer(201, b'{"sessionId": 7, "status": "active"}'), names) as (_, run):
        with pytest.raises(Unexpected, match="wanted 'sessionId' as a text, got 7"):
            await run.web.hermes.activate("Add a page", user="visitor")


async def test_users_are_marked_once(names: dict[str, str]) -> None:
    async with against(answer(400, b"{}"), names) as (server, run):
        for user in ("user1@test.com", "TEST_user1@test.com"):
            with pytest.raises(PlatformError):
                await run.web.hermes.activate("Add a page", user=user)
    assert all('"userId":"TEST_user1@test.com"' in request for request in server.requests)


async def test_hermes_is_not_asked_to_touch_what_is_not_ours(names: dict[str, str]) -> None:
    async with against(answer(201, b"{}"), names) as (server, run):
        hermes = run.web.hermes
        for refused in (
            lambda: hermes.activate_raw({"clientId": "acme", "userId": "jane", "instruction": "x"}),
            lambda: hermes.activate_raw({"clientId": 7}),
            lambda: hermes.deactivate("acme-site-Swpf78Mo"),
            lambda: hermes.keepalive("acme-site-Swpf78Mo"),
            lambda: hermes.resume_preview("Swpf78Mo"),
            lambda: hermes.resume_raw({"clientId": "acme", "chatThreadId": "x"}),
            lambda: hermes.resume_raw({"clientId": run.web.client_id, "chatThreadId": "Swpf78Mo"}),
        ):
            with pytest.raises(GuardRefused):
                await refused()
    assert server.requests == []


async def test_the_key_is_sent_and_never_shown(names: dict[str, str]) -> None:
    async with (
        bad_server(answer(500, b"{}")) as server,
        opened({**names, "ALB_ENDPOINT": server.url, "INTERNAL_API_KEY": "hush"}) as run,
    ):
        reply = await run.web.hermes.resume_preview(f"t-{run.web.client_id}")
    assert "authorization: bearer hush" in server.requests[0].lower()
    assert "hush" not in repr(reply)
    assert "hush" not in repr(run.web.settings)


async def test_an_upgrade_is_asked_for_with_a_real_handshake(names: dict[str, str]) -> None:
    async with against(answer(502, b"WebSocket not supported"), names) as (server, run):
        reply = await run.web.alb.upgrade("edit.acme.webordinary.com", "/session/t/_astro/hmr")
    assert (reply.status, reply.body) == (502, "WebSocket not supported")
    for wanted in (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: ",
    ):
        assert wanted in server.requests[0]
