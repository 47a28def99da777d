"""Where requests go: the rules of contract §2.2 in both dialects, the pages of §2.7, the sockets of §2.8."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.sandbox.visitor import Visitor
from tests.support.sandbox import RunningSandbox, until

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Iterator[Visitor]:
    with Visitor(sandbox) as someone:
        yield someone


@pytest.fixture
def chatter(lambda_sandbox: RunningSandbox) -> Iterator[Visitor]:
    with Visitor(lambda_sandbox) as someone:
        yield someone
    lambda_sandbox.clear_faults()


def page_of(chatter: Visitor, thread: str, path: str = "", client: str = "") -> httpx.Response:
    """What a browser gets on the client's preview host."""
    host = f"edit.{client or chatter.client}.webordinary.com"
    return chatter.http.get(f"/session/{thread}{path}", headers={"Host": host})


def test_path_dialect_leads_every_session_to_its_own_container(visitor: Visitor) -> None:
    mine = visitor.active()
    other = visitor.active(userId="TEST_bob@x.org")

    def api(path: str, session: str) -> httpx.Response:
        return visitor.http.get(path, headers={"X-Session-ID": session})

    def looked(session: str, how: str, **asked: str) -> Any:
        path = "/api/files/exists" if how == "exists" else "/api/exec"
        return visitor.http.post(path, json=asked, headers={"X-Session-ID": session}).json()

    assert visitor.http.get("/api/health").text == "OK"
    for told in (mine, other):
        session, task = told["sessionId"], visitor.session(told["sessionId"])["fargateTaskArn"]
        visitor.running.wait_for("preview.serving", task=task)
        assert visitor.http.get(told["previewUrl"]).status_code == 200
        health = visitor.http.get(f"/session/{session}/health").json()
        assert (health["status"], health["client"]) == ("healthy", visitor.client)
        assert health["user"] == visitor.session(session)["userId"]
        assert api(f"/api/session/{session}", session).json()["sessionId"] == session
        assert api("/api/files", session).status_code == 200
        assert looked(session, "exists", filePath="package.json") == {"exists": True}
        visitor.running.wait_for("command.finished", session=session)
        ran = looked(session, "exec", command="git symbolic-ref --short HEAD")
        assert ran == {"output": f"{told['gitBranch']}\n", "exitCode": 0}
    assert api("/api/files", "nobody").status_code == 404
    assert visitor.http.get("/api/status").json() == {"status": "ok"}


def test_path_dialect_tells_starting_and_unknown_apart(visitor: Visitor) -> None:
    told = visitor.activate()
    starting = visitor.http.get(told["previewUrl"])
    assert starting.status_code in (502, 503)
    assert "<html" in starting.text
    assert visitor.http.get("/session/nobody").status_code == 404
    codes = [starting.status_code]
    until(lambda: codes.append(visitor.http.get(told["previewUrl"]).status_code) or codes[-1] == 200, 20, "200")
    assert set(codes) <= {200, 404, 502, 503}


def test_the_default_answer_needs_no_container(visitor: Visitor) -> None:
    for path in ("/health", "/", "/anything"):
        answer = visitor.http.get(path)
        assert (answer.status_code, answer.text) == (200, "healthy")


@pytest.mark.parametrize("path", ["/session/", "/session/../../etc/passwd", "/api/%00", "/..", "/%2e%2e/x"])
def test_malformed_paths_are_refused(visitor: Visitor, path: str) -> None:
    answer = visitor.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400")


def test_path_dialect_opens_websockets_by_session(visitor: Visitor) -> None:
    told = visitor.active()
    url = f"ws://{visitor.settings.host}:{visitor.settings.alb_port}/ws/hmr?sessionId="
    with connect(url + told["sessionId"], open_timeout=10, proxy=None) as opened:
        opened.send("ping")
    with pytest.raises(InvalidStatus) as refused:
        connect(url + "nobody", open_timeout=10, proxy=None)
    assert refused.value.response.status_code == 404


def test_lambda_dialect_wakes_and_then_shows_the_site(chatter: Visitor) -> None:
    container = chatter.sleeping("chat-7", status="stopped")

    waking = page_of(chatter, "chat-7")

    assert waking.status_code == 202
    assert waking.headers["content-type"] == "text/html"
    assert (waking.headers["retry-after"], waking.headers["refresh"]) == ("5", "5")
    assert "Waking Up Edit Session" in waking.text
    assert "chat-7" in waking.text
    assert 'http-equiv="refresh"' in waking.text
    for _ in range(3):
        assert page_of(chatter, "chat-7").status_code in (202, 404, 200)
    until(lambda: page_of(chatter, "chat-7").status_code == 200, 20, "the site")
    assert len(chatter.tasks_of(container)) == 1
    assert page_of(chatter, "chat-7", "/health").json()["clientId"] == chatter.client


def test_lambda_dialect_does_not_know_everybody(chatter: Visitor) -> None:
    page = page_of(chatter, "nobody", client="acme")
    assert page.status_code == 404
    assert all(text in page.text for text in ("Edit Session Not Found", "nobody", "acme"))
    elsewhere = chatter.http.get("/session/nobody")
    assert elsewhere.status_code == 404
    assert "default" in elsewhere.text, "a host that names no client"
    outside = chatter.http.get("/", headers={"Host": "edit.acme.webordinary.com"})
    assert (outside.status_code, "active session" in outside.text) == (404, True)


def test_lambda_dialect_names_an_unreachable_container(chatter: Visitor) -> None:
    chatter.sleeping("chat-8", status="running", containerIp="127.0.0.9")
    page = page_of(chatter, "chat-8")
    assert page.status_code == 502
    assert "Container unreachable" in page.text


def test_lambda_dialect_can_lose_the_address_or_the_chat(chatter: Visitor) -> None:
    chatter.sleeping("chat-10", status="running", containerIp="127.0.0.9")
    chatter.running.set_fault("router-misreads-address", for_=chatter.client)
    below = page_of(chatter, "chat-10", "/about")
    chatter.running.set_fault("unreachable-page-wrong", for_=chatter.client)
    unreachable = page_of(chatter, "chat-10")
    chatter.running.set_fault("router-finds-nobody", for_=chatter.client)
    unknown = page_of(chatter, "chat-10")
    chatter.running.clear_faults()

    assert (below.status_code, "chat-10" in below.text, "chat-1" in below.text) == (404, False, True)
    assert (unreachable.status_code, "Container unreachable" in unreachable.text) == (502, False)
    assert unknown.status_code == 404


def test_lambda_dialect_refuses_websockets(chatter: Visitor) -> None:
    host = f"edit.{chatter.client}.webordinary.com"
    request = UPGRADE.format(path="/session/chat-9/_astro/hmr", host=host)
    answer = chatter.raw(request.encode())
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"WebSocket not supported" in answer


def test_lambda_dialect_has_no_api_of_containers(chatter: Visitor) -> None:
    assert chatter.http.get("/api/health").text == "healthy"
    assert chatter.http.get("/hermes/health").json()["status"] == "healthy"


def test_lambda_dialect_still_shows_sessions_made_over_http(chatter: Visitor) -> None:
    told = chatter.active()
    assert chatter.http.get(told["previewUrl"] + "/health").status_code == 200


def test_a_wake_that_fails_keeps_the_page_up(chatter: Visitor) -> None:
    container = chatter.sleeping("chat-10", status="stopped")
    chatter.running.set_fault("wake-fails", for_=chatter.client)
    for _ in range(2):
        assert page_of(chatter, "chat-10").status_code == 202
    assert chatter.tasks_of(container) == []
