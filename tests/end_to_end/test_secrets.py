"""No secret is written anywhere: neither the monitor's own, nor what a platform lets slip in its answers."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.support.badserver import answer, bad_server
from tests.support.database import NewDatabase
from tests.support.sandbox import RunningSandbox
from tests.support.service import Environment, call, due_in, environment, only, serving


def token(length: int = 24) -> str:
    """Random letters that nothing else contains."""
    return secrets.token_hex(length // 2)


@dataclass(frozen=True)
class Planted:
    """Values that must not be found, by where they were put."""

    slipped: dict[str, str] = field(
        default_factory=lambda: {
            "bearer": f"Bearer {token()}",
            "key id": f"AKIA{token(16).upper()}",
            "password": token(),
            "session token": token(),
            "url": f"someone:{token()}",
            "api token": f"syn_{token(32)}_{secrets.token_urlsafe(32)[:43]}",
            "signature": token(32),
            "cookie": token(),
        }
    )
    own: dict[str, str] = field(
        default_factory=lambda: {"aws": f"own{token()}", "notifier": f"T{token()}", "database": token()}
    )

    @property
    def body(self) -> bytes:
        """A platform's error that tells more than it should."""
        of = self.slipped
        told = {
            "error": f"could not reach https://{of['url']}@db.internal/x with Authorization: {of['bearer']}",
            "message": f"signed with {of['key id']}: https://s3.test/a?X-Amz-Signature={of['signature']}&b=1",
            "details": {"password": of["password"], "sessionToken": of["session token"]},
            "note": of["api token"],
        }
        return json.dumps(told).encode()

    def needles(self) -> Iterator[tuple[str, str]]:
        for place, value in {**self.slipped, **self.own}.items():
            yield place, value.rpartition(" ")[2].rpartition(":")[2]


def found(planted: Planted, written: dict[str, str]) -> list[tuple[str, str]]:
    """Which of them were written where."""
    return [
        (place, name) for place, needle in planted.needles() for name, text in written.items() if needle in text
    ]


def everything_stored(url: str) -> str:
    """Every row of every table, as text."""
    with psycopg.connect(url) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            )
        ]
        assert {"runs", "checks", "resources", "notices", "tokens"} <= set(names)
        return "\n".join(
            str(row) for name in names for row in connection.execute(f"SELECT t::text FROM {name} t")
        )


def settings_of(
    place: Path, platform: RunningSandbox, url: str, planted: Planted, **changes: str
) -> Environment:
    return environment(
        place,
        platform.environment,
        SYNTHETICS_DATABASE_URL=url,
        SYNTHETICS_NOTIFIERS__TEAM__APPRISE=f"json://someone:{planted.own['notifier']}@127.0.0.1:1/",
        SYNTHETICS_LOG_LEVEL="debug",
        AWS_SECRET_ACCESS_KEY=planted.own["aws"],
        ACTIVATE_TIMEOUT_S="2",
        **changes,
    )


@pytest.mark.parametrize("status", [500, pytest.param(201, marks=pytest.mark.long)])
async def test_what_a_platform_lets_slip_is_kept_nowhere(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase, status: int
) -> None:
    planted, url = Planted(), new_database()
    headers = (
        f"Set-Cookie: session={planted.slipped['cookie']}",
        f"Authorization: {planted.slipped['bearer']}",
    )
    async with bad_server(answer(status, planted.body, *headers)) as hermes:
        environ = settings_of(
            tmp_path, platform, url, planted, HERMES_ENDPOINT=hermes.url, CLIENT_PREFIX="slip-"
        )
        reports = ("--junit", "junit.xml", "--html", "report.html")
        told = await asyncio.to_thread(
            call,
            tmp_path,
            environ,
            "--debug",
            "run",
            "cold-start",
            "session-resumption",
            "--json",
            *reports,
            within=180.0,
        )
    written = {
        "standard output": told.stdout,
        "standard error": told.stderr,
        "junit": (tmp_path / "junit.xml").read_text(),
        "report": (tmp_path / "report.html").read_text(),
        "database": everything_stored(url),
    }
    assert told.returncode in (1, 2), told.stderr
    assert "[redacted]" in told.stdout, "the answer is evidence, without what was in it"
    assert found(planted, written) == []


def test_the_monitors_own_secrets_are_kept_nowhere(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    planted, url = Planted(), new_database()
    environ = settings_of(
        tmp_path, platform, url, planted, CLIENT_PREFIX="own-", HERMES_ENDPOINT="http://127.0.0.1:1"
    )
    secret = call(tmp_path, environ, "token", "create", "robot", "--scope", "act").stdout.strip()
    planted.own["token"] = secret.rpartition("_")[2]
    with serving(
        tmp_path, environ, config=only("cold-start", every=due_in("cold-start", 2, at_least=20))
    ) as service:
        run = service.wait_for("run.finished", within=60)
        service.wait_for("incident.opened", within=60)
        pages = {
            path: service.get(path).text
            for path in (
                *("/", "/metrics", "/incidents", "/probes/cold-start", f"/runs/{run['run_id']}"),
                *("/api/v1/incidents", f"/api/v1/runs/{run['run_id']}", "/api/v1/resources"),
            )
        }
        log = service.log
    listed = call(tmp_path, environ, "token", "list", "--json")
    refused = call(tmp_path, {**environ, "SYNTHETICS_NOTIFIERS__TEAM__SEVERITIES": "loud"}, "check")
    checked = call(tmp_path, environ, "check")
    written = {
        **pages,
        "log": log.read_text(),
        "database": everything_stored(url),
        "tokens": listed.stdout + listed.stderr,
        "mistakes": refused.stdout + refused.stderr,
        "check": checked.stdout + checked.stderr,
    }
    assert "failed" in pages[f"/runs/{run['run_id']}"]
    assert found(planted, written) == []
