"""Programs of the Prometheus family as Debian brings them, each on a free port of its own."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.sandbox import until

UP_WITHIN = 20.0


def path_of(name: str, package: str) -> str:
    """Where the program is; the test fails, and says how to get it, where it is missing."""
    program = shutil.which(name)
    if program is None:
        pytest.fail(f"{name} is missing: `make setup` as root installs it, or apt-get install {package}")
    return program


@contextmanager
def debian_program(name: str, package: str, place: Path, *options: str) -> Iterator[str]:
    """The URL of a server that is ready, and is gone after the block; its log is kept in `place`."""
    program, port = path_of(name, package), free_port()
    with (place / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_ready(url), UP_WITHIN, name)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port of the loopback address that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False
