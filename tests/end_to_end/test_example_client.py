"""The example of a client, against a running service."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.client import Incident, Refused, Run, Synthetics
from tests.support.database import NewDatabase
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import Environment, call, environment, serving

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Served:
    """A running service, and a token that may act."""

    url: str
    token: str
    environ: Environment


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, platform: RunningSandbox, new_database: NewDatabase
) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("example")
    environ = environment(
        place, platform.environment, SYNTHETICS_DATABASE_URL=new_database(), CLIENT_PREFIX="example-"
    )
    token = call(place, environ, "token", "create", "example", "--scope", "act").stdout.strip()
    # Nothing is due meanwhile: what runs was asked for.
    with serving(place, environ, config="[probes.infrastructure]\nevery = '6h'\ntimeout = '5m'\n") as service:
        service.until_ready()
        service.wait_for("worker.started")
        yield Served(service.url, token, environ)


def test_a_run_is_asked_for_waited_for_and_listened_to(served: Served) -> None:
    heard: list[Run | Incident] = []

    def listen() -> None:
        with Synthetics(served.url) as api:
            for happened in api.events():
                heard.append(happened)
                if isinstance(happened, Run) and happened.probe == "infrastructure" and happened.outcome:
                    return

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    with Synthetics(served.url, served.token) as api:
        until(lambda: len(api.status()[1]) > 10, 20, "the catalogue")
        run = api.run_now("infrastructure", within_seconds=60)
        assert (run.probe, run.outcome, run.reason) == ("infrastructure", "passed", None)
        assert api.run(run.id) == run
        assert run in list(api.runs("infrastructure", outcome="passed"))
        assert list(api.incidents(is_open=True)) == []
    listening.join(20)
    assert run.id in {happened.id for happened in heard}


def test_what_is_refused_is_said_in_the_services_own_words(served: Served) -> None:
    with (
        Synthetics(served.url) as stranger,
        pytest.raises(Refused, match="401 Unauthorized: a bearer token is needed"),
    ):
        stranger.run_now("infrastructure")
    with Synthetics(served.url, served.token) as api:
        with pytest.raises(Refused, match="404 Not Found: the probe 'nothing' does not exist"):
            api.run_now("nothing")
        with pytest.raises(Refused, match="404 Not Found: there is no incident"):
            api.acknowledge("00000000-0000-5000-8000-000000000000")


def test_its_command_line_prints_and_returns(served: Served) -> None:
    command = [sys.executable, str(ROOT / "examples" / "client.py"), served.url]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    refused = subprocess.run(
        [*command, "infrastructure"], capture_output=True, text=True, timeout=60, check=False
    )

    assert told.returncode == 0
    assert "infrastructure" in told.stdout
    assert refused.returncode == 1
    assert refused.stderr.startswith("401 Unauthorized: ")
