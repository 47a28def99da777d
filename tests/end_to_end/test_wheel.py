"""The image's own steps without an engine for it: the wheel in an empty environment, and `serve` from it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("synthetics", "probes", "api", "sandbox", "migrations", "pyproject.toml", "README.md")
PIP = (sys.executable, "-m", "pip")
STARTS_WITHIN = 45.0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the image copies."""
    place = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    command = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-qq",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "dist",
        ".",
    )
    subprocess.run(command, cwd=place, check=True, timeout=120)
    (wheel,) = (place / "dist").glob("synthetics-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what `requirements-runtime.lock` pins, and nothing else; its `bin`.

    What is pinned is linked from this environment, whose files the lock's hashes let in, instead of being
    downloaded again: no index is needed, and whatever the lock leaves out is really not there.
    """
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, with_pip=False, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    for name, version in pinned(ROOT / "requirements-runtime.lock"):
        distribution = metadata.distribution(name)
        assert distribution.version == version, f"{name} is not what the lock pins: run `make setup`"
        link(distribution, packages)
    python = str(place / "bin" / "python")
    command = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-qq",
        "--no-deps",
        "--no-index",
        str(built),
    )
    subprocess.run(command, check=True, timeout=60)
    return place / "bin"


def pinned(lock: Path) -> Iterator[tuple[str, str]]:
    """What the lock pins for this machine."""
    for line in lock.read_text().splitlines():
        found = re.match(r"([a-z0-9._-]+)==([^ ;\\]+)(.*)", line)
        if found and "win32" not in found[3]:
            yield found[1], found[2]


def link(distribution: metadata.Distribution, packages: Path) -> None:
    """Show this distribution's packages, modules and metadata in another environment."""
    for top in {
        file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")
    }:
        target = packages / top
        source = Path(str(distribution.locate_file(top)))
        if not target.exists() and source.exists():
            target.symlink_to(source)


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    """A bare one: no path, no home of ours, and nothing that points at a platform."""
    return {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PATH": os.defpath, **settings}


def test_the_wheel_has_everything_that_runs_and_nothing_else(built: Path, installed: Path) -> None:
    files = {str(file) for file in metadata.Distribution.at(dist_info(installed)).files or ()}

    tops = {file.split("/")[0] for file in files if not file.startswith(("..", "synthetics-"))}
    assert tops == {"synthetics", "probes", "api", "sandbox", "migrations"}
    assert "synthetics/py.typed" in files
    assert any(file.startswith("api/templates/") for file in files)
    assert any(file.startswith("api/static/") for file in files)
    assert any(file.startswith("migrations/versions/") for file in files)


def test_the_command_is_there_and_knows_its_version(installed: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [installed / "synthetics", "--version"],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    assert told.stdout == f"synthetics {metadata.version('synthetics')}\n"


def test_without_its_extra_the_sandbox_says_how_to_get_it(installed: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [installed / "synthetics", "sandbox"],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert told.returncode == 2
    assert "pip install 'synthetics[sandbox]'" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_service_starts_from_the_wheel_answers_and_stops(installed: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log, state = tmp_path / "log", tmp_path / "state"
    settings = {"SYNTHETICS_API__PORT": str(port), "SYNTHETICS_STATE_DIR": str(state)}
    with log.open("wb") as written:
        service = subprocess.Popen(
            [installed / "synthetics", "serve", "--role", "api"],
            env=environment(tmp_path, **settings),
            cwd=tmp_path,
            stdout=written,
            stderr=written,
        )
    try:
        healthy = until_answered(f"http://127.0.0.1:{port}/healthz", service, log)
        ready = until_answered(f"http://127.0.0.1:{port}/readyz", service, log)
        page = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            code = service.wait(timeout=20)
        except subprocess.TimeoutExpired:
            service.kill()
            raise

    assert (healthy.status_code, ready.status_code, page.status_code) == (200, 200, 200)
    assert page.headers["content-type"].startswith("text/html")
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not (tmp_path / "state" / "postgres" / "data" / "postmaster.pid").exists(), (
        "the database outlived it"
    )


def until_answered(url: str, service: "subprocess.Popen[bytes]", log: Path) -> httpx.Response:
    """The first good answer."""
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert service.poll() is None, f"serve ended by itself: {log.read_text()}"
        try:
            answer = httpx.get(url, trust_env=False, timeout=5)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.is_success:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"no good answer from {url} within {STARTS_WITHIN:g} s: {log.read_text()}")


def dist_info(installed: Path) -> Path:
    (found,) = installed.parent.glob("lib/python*/site-packages/synthetics-*.dist-info")
    return found
