"""boto3 at our border: one attempt unless throttled, counted, traced, and its errors made ours."""

import asyncio
import time

import pytest

from probes.platform import WebordinaryPlatform
from probes.platform.aws import AwsError
from probes.platform.settings import load
from synthetics.errors import ProbeBroken, SettingsError
from tests.platform.conftest import NOWHERE, opened
from tests.support import badserver
from tests.support.badserver import BadServer, Handler, answer, bad_server
from tests.support.clock import FakeClock


def refusal(code: str, status: int = 400) -> Handler:
    body = f'{{"__type": "com.amazonaws#{code}", "message": "said AWS"}}'.encode()
    return answer(status, body, kind="application/x-amz-json-1.0")


ENVIRON = {"ALB_ENDPOINT": NOWHERE, "SESSION_KEY": "simple", "AWS_TIMEOUT_S": "0.5"}


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"]
)
async def test_our_own_rights_break_the_probe_and_name_action_and_resource(code: str) -> None:
    async with bad_server(refusal(code)) as server, opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run:
        with pytest.raises(ProbeBroken) as caught:
            await run.web.tables.session("s-1")
    assert "dynamodb:Query on webordinary-edit-sessions" in str(caught.value)
    assert code in str(caught.value)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (refusal("InternalServerError", 500), "InternalServerError"),
        (refusal("ResourceNotFoundException"), "ResourceNotFoundException"),
        (badserver.never, "timeout"),
        (badserver.reset, "unreachable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_platforms_trouble_is_the_platforms(act: Handler, code: str) -> None:
    async with bad_server(act) as server, opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run:
        began = time.perf_counter()
        with pytest.raises(AwsError) as caught:
            await run.web.tables.session("s-1")
        assert time.perf_counter() - began < 3
        assert len(server.requests) == 1, "more than one attempt"
    assert caught.value.code == code
    assert "dynamodb:Query on webordinary-edit-sessions" in str(caught.value)
    ((service, operation, outcome),) = run.meter.requests
    assert (service, operation) == ("dynamodb", "Query")
    assert outcome != "ok"


def throttled(code: str, times: int) -> Handler:
    """Refuses so many requests, then answers."""
    items = answer(200, b'{"Items": [], "Count": 0}', kind="application/x-amz-json-1.0")

    async def act(server: BadServer, writer: asyncio.StreamWriter) -> None:
        await (refusal(code) if len(server.requests) <= times else items)(server, writer)

    return act


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ],
)
async def test_what_was_throttled_is_asked_again_later(code: str) -> None:
    clock = FakeClock()
    began = clock.monotonic()
    async with (
        bad_server(throttled(code, times=3)) as server,
        opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url, "AWS_TIMEOUT_S": "10"}, clock=clock) as run,
    ):
        assert await run.web.tables.session("s-1") is None
    assert 0 < clock.monotonic() - began <= 0.2 + 0.4 + 0.8, "pauses grow from a fifth of a second"
    assert run.meter.requests == [*[("dynamodb", "Query", code)] * 3, ("dynamodb", "Query", "ok")]


async def test_throttling_without_an_end_is_told_when_the_calls_time_is_over() -> None:
    clock = FakeClock()
    began = clock.monotonic()
    async with (
        bad_server(refusal("ThrottlingException")) as server,
        opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url, "AWS_TIMEOUT_S": "10"}, clock=clock) as run,
    ):
        with pytest.raises(AwsError) as caught:
            await run.web.tables.session("s-1")
    assert clock.monotonic() - began <= 10, "it paused beyond the time limit of one call"
    tried = len(server.requests)
    assert tried > 3
    assert str(caught.value) == (
        f"dynamodb:Query on webordinary-edit-sessions: ThrottlingException: said AWS (tried {tried} times)"
    )
    assert (caught.value.code, caught.value.transient) == ("ThrottlingException", True)
    assert run.meter.requests == [("dynamodb", "Query", "ThrottlingException")] * tried


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b'{"Items": [', b"[1, 2, null]", b"7", b"null"])
async def test_rubbish_from_aws_is_the_platforms_trouble(body: bytes) -> None:
    async with (
        bad_server(answer(200, body)) as server,
        opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run,
    ):
        for ask in (run.web.tables.session("s-1"), run.web.tasks.own(), run.web.tasks.edit_service()):
            with pytest.raises(AwsError) as caught:
                await ask
            assert caught.value.code == "unreadable"


async def test_nobody_listens() -> None:
    async with opened({**ENVIRON, "AWS_ENDPOINT_URL": NOWHERE}) as run:
        with pytest.raises(AwsError) as caught:
            await run.web.tables.session("s-1")
    assert caught.value.code == "unreachable"


async def test_requests_are_traced_and_counted() -> None:
    act = answer(200, b'{"Items": [], "Count": 0}', kind="application/x-amz-json-1.0")
    async with bad_server(act) as server, opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run:
        assert await run.web.tables.session("s-1") is None
    (request,) = server.requests
    assert f"traceparent: 00-{run.trace.trace_id}-" in request
    assert "User-Agent: synthetics/" in request
    assert run.meter.requests == [("dynamodb", "Query", "ok")]


async def test_no_credentials_are_our_trouble(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    platform = WebordinaryPlatform(load({}, {"AWS_ENDPOINT_URL": moto, "ALB_ENDPOINT": NOWHERE}))
    try:
        (trouble,) = await platform.own_trouble()
        assert "sqs:ListQueues" in trouble
        assert "credentials" in trouble
        findings = {finding.subject: finding.problem for finding in await platform.preflight()}
        assert "credentials" in (findings["table webordinary-edit-sessions"] or "")
        assert "dynamodb:DescribeTable" in (findings["table webordinary-edit-sessions"] or "")
        assert "connection refused" in (findings[f"load balancer {NOWHERE}"] or "")
    finally:
        await platform.close()


async def test_a_clock_that_is_off_is_our_trouble() -> None:
    act = answer(200, b"{}", "Date: Thu, 01 Jan 2015 00:00:00 GMT", kind="application/x-amz-json-1.0")
    async with bad_server(act) as server:
        platform = WebordinaryPlatform(load({}, {**ENVIRON, "AWS_ENDPOINT_URL": server.url}))
        try:
            (trouble,) = await platform.own_trouble()
        finally:
            await platform.close()
    assert trouble.startswith("our clock differs from AWS's by -")


async def test_aws_in_trouble_is_not_ours() -> None:
    async with bad_server(refusal("ServiceUnavailable", 503)) as server:
        platform = WebordinaryPlatform(load({}, {**ENVIRON, "AWS_ENDPOINT_URL": server.url}))
        try:
            assert await platform.own_trouble() == []
        finally:
            await platform.close()


def test_an_unknown_profile_is_a_setting_that_is_wrong() -> None:
    with pytest.raises(SettingsError, match=r"AWS_PROFILE: .*nobody"):
        WebordinaryPlatform(load({}, {"AWS_PROFILE": "nobody"}))


async def test_the_event_loop_goes_on_while_aws_is_asked() -> None:
    async with (
        bad_server(badserver.never) as server,
        opened({**ENVIRON, "AWS_ENDPOINT_URL": server.url}) as run,
    ):
        asking = asyncio.create_task(run.web.tables.session("s-1"))
        ticks = 0
        while not asking.done():
            await asyncio.sleep(0.02)
            ticks += 1
        assert ticks > 5
        with pytest.raises(AwsError):
            await asking
