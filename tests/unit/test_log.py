"""Logs: one form for all, and no secret in any line."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from synthetics import log
from synthetics.redaction import clean
from tests.support.logs import logs_restored

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with logs_restored():
        yield


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_data_in_fields() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)

    structlog.get_logger().info("run.finished", probe="cold-start", took_seconds=1.5)
    structlog.get_logger().debug("run.claimed")

    (line,) = lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["event"] == "run.finished"
    assert (line["level"], line["probe"], line["took_seconds"]) == ("info", "cold-start", 1.5)


def test_libraries_are_in_the_same_form_and_quiet() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)

    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("apscheduler.scheduler").info("added job")
    logging.getLogger("botocore.auth").debug("signature")
    logging.getLogger("uvicorn.error").error("it broke: %s", "badly")

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("it broke: badly", "error", "uvicorn.error")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_in_any_line(form: str) -> None:
    stream = io.StringIO()
    log.configure(form, "debug", stream)
    logger = structlog.get_logger()

    logger.info("store.failed", url=f"postgresql://me:{SECRET}@host/db", nested={"api_key": SECRET})
    logger.info("request.sent", Authorization=SECRET, header=f"Bearer {SECRET}")
    logger.info(f"said Bearer {SECRET}")
    logging.getLogger("urllib3").warning("at https://me:%s@host/", SECRET)
    try:
        raise ValueError(f"Bearer {SECRET}")
    except ValueError:
        logger.exception("run.broke")

    assert stream.getvalue().count("[redacted]") >= 6
    assert "run.broke" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_a_readable_line_has_nothing_that_a_terminal_obeys() -> None:
    stream = io.StringIO()
    log.configure("console", "info", stream)

    structlog.get_logger().warning("run.finished", reason="\x1b]0;mine\x07")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("run.broke")

    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert r"\x1b]0;mine\x07" in stream.getvalue()
    assert "\nTraceback" in stream.getvalue()


def test_lines_follow_standard_error_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    log.configure("json", "info")
    structlog.get_logger().info("one.said")
    monkeypatch.setattr(sys, "stderr", second)
    structlog.get_logger().info("two.said")

    assert [line["event"] for line in lines(first)] == ["one.said"]
    assert [line["event"] for line in lines(second)] == ["two.said"]


def test_the_last_configuration_holds_alone() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure("json", "info", first)
    log.configure("json", "error", second)

    structlog.get_logger().warning("one.said")
    structlog.get_logger().error("two.said")

    assert first.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["two.said"]


def test_evidence_is_json_even_where_numbers_are_not() -> None:
    cleaned = clean(
        {"share": float("nan"), "limit": float("inf"), "token": "x", "empty_user": "redis://:pw@host"}
    )

    assert json.loads(json.dumps(cleaned, allow_nan=False)) == {
        "share": "nan",
        "limit": "inf",
        "token": "[redacted]",
        "empty_user": "redis://[redacted]@host",
    }


def test_evidence_can_be_written_and_kept_whatever_came() -> None:
    cleaned = clean({"half \ud800": ["one \udfff", b"\0"], "said": "whole 🙂"})

    assert cleaned == {r"half \ud800": [r"one \udfff", r"\x00"], "said": "whole 🙂"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"dbPassword": "hunter2!", "user": "me"}', '{"dbPassword": "[redacted]", "user": "me"}'),
        ("{'api_key': 'abc', 'id': 1}", "{'api_key': '[redacted]', 'id': 1}"),
        ("GET /a?accessToken=abc&page=2", "GET /a?accessToken=[redacted]&page=2"),
        ("token: wanted 'a', got 'b'", "token: wanted 'a', got 'b'"),
        ('"tokens": 5', '"tokens": 5'),
    ],
)
def test_what_goes_under_a_secrets_name_is_hidden_in_texts_too(text: str, shown: str) -> None:
    assert clean(text) == shown
