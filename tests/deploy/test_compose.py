"""Everything on one machine: the file is what Docker Compose takes, and its commands start what they say.

There is no container engine here: the commands are started as they are, with the paths of this machine.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.debian import free_port, path_of
from tests.support.sandbox import until
from tests.support.service import Environment, assert_nothing_runs_in, environment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def check(*arguments: str | Path) -> None:
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [("compose-spec", [FOLDER / "compose.yaml"]), ("github-workflows", WORKFLOWS)],
    ids=["compose", "workflows"],
)
def test_files_for_other_programs_are_of_the_form_that_these_take(schema: str, files: list[Path]) -> None:
    program = ROOT / ".venv" / "bin" / "check-jsonschema"
    check(program, "--builtin-schema", f"vendor.{schema}", *files)


def test_alertmanager_takes_its_configuration() -> None:
    check(path_of("amtool", "prometheus-alertmanager"), "check-config", FOLDER / "alertmanager.yml")


def test_what_is_mounted_is_there_and_what_is_built_has_its_stage() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, _, _ = volume.partition(":")
            assert not source.startswith(".") or (FOLDER / source).exists(), volume
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (FOLDER / service["build"]["context"]).resolve() == ROOT


def test_grafana_finds_its_boards_and_prometheus_its_targets() -> None:
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/synthetics.yml").read_text())[
        "providers"
    ]
    mounted = {volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted
    scrapes = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (name,) = scrapes[0]["dns_sd_configs"][0]["names"]
    assert name in SERVICES["sandbox"]["networks"]["default"]["aliases"]
    assert SERVICES["synthetics"]["network_mode"] == "service:sandbox", "there is where Prometheus looks"


def test_nothing_can_be_reached_from_elsewhere() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@contextmanager
def started(name: str, place: Path, environ: Environment) -> Iterator[subprocess.Popen[bytes]]:
    """The service's own command, with this machine's paths for those inside of containers."""
    (command,) = SERVICES[name]["command"]
    command = command.replace("/sandbox", str(place / "sandbox"))
    bin_first = {**environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    with (place / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*SERVICES[name]["entrypoint"], command], cwd=place, env=bin_first, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def test_its_commands_start_a_platform_and_a_service_that_watches_it(tmp_path: Path, database_url: str) -> None:
    place = tmp_path / "machine"
    (place / "sandbox").mkdir(parents=True)
    port = free_port()
    bare = environment(place)
    watching = environment(
        place,
        SYNTHETICS_CONFIG=str(FOLDER / "synthetics.toml"),
        SYNTHETICS_DATABASE_URL=database_url,
        SYNTHETICS_API__PORT=str(port),
    )
    named = set(SERVICES["synthetics"]["environment"])
    assert {"SYNTHETICS_CONFIG", "SYNTHETICS_DATABASE_URL"} < named
    with started("sandbox", place, bare):
        until(lambda: _told(place / "sandbox" / "environment"), 30, "the sandbox")
        with started("synthetics", place, watching) as service:
            until(lambda: _ready(port, service), 30, "the service")
            until(lambda: {"cold-start", "session-resumption"} <= _probes(port), 30, "what the worker watches")
    assert_nothing_runs_in(place)


def _told(file: Path) -> bool:
    """What the health check of the sandbox asks."""
    (_, *question) = SERVICES["sandbox"]["healthcheck"]["test"]
    *words, _ = question
    return subprocess.run([*words, str(file)], check=False, capture_output=True).returncode == 0


def _probes(port: int) -> set[str]:
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/status", trust_env=False).raise_for_status()
    return {probe["name"] for probe in answer.json()["probes"]}


def _ready(port: int, service: subprocess.Popen[bytes]) -> bool:
    assert service.poll() is None, "the service ended"
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success
    except httpx.HTTPError:
        return False
