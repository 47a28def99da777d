"""A sandbox from the command line: it says how it is reached, can be broken and mended, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

COMMAND = (sys.executable, "-m", "synthetics.cli")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def announced(place: Path) -> Iterator[dict[str, Any]]:
    """What a running sandbox says of itself; its end is checked too."""
    process = start(place)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    yield told
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=20)
    assert (rest, process.returncode) == ("", 0), complaints
    assert not (place / ".state" / "sandbox.json").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(told["control_url"], trust_env=False)


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "sandbox", "--json", "--speed", "0.05", *arguments],
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def call(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=place, env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SYNTHETICS_")}


def test_it_says_what_points_a_monitor_at_it(announced: dict[str, Any], place: Path) -> None:
    variables = announced["environment"]

    assert json.loads((place / ".state" / "sandbox.json").read_text()) == announced
    assert variables["ENVIRONMENT"] == "isolated"
    assert httpx.get(f"{announced['control_url']}/health", trust_env=False).is_success
    assert variables["AWS_ENDPOINT_URL"].startswith("http://127.")


def test_a_fault_is_switched_on_listed_and_off(announced: dict[str, Any], place: Path) -> None:
    on = call(place, "fault", "set", "slow_image-pull", "factor=1.4", "times=2")
    listed = {one["name"]: one for one in json.loads(call(place, "fault", "list", "--json").stdout)}
    shown = call(place, "fault", "list").stdout
    off = call(place, "fault", "clear", "slow-image-pull")
    after = {one["name"]: one for one in json.loads(call(place, "fault", "list", "--json").stdout)}

    assert (on.returncode, off.returncode) == (0, 0)
    assert on.stdout.startswith("slow-image-pull is on: ")
    assert listed["slow-image-pull"]["active"]["factor"] == 1.4
    assert listed["slow-image-pull"]["active"]["times"] == 2
    assert "slow-image-pull (on)" in shown
    assert off.stdout == "slow-image-pull is off.\n"
    assert after["slow-image-pull"]["active"] is None


def test_clear_without_a_name_mends_everything(announced: dict[str, Any], place: Path) -> None:
    url = ("--url", announced["control_url"])
    call(place, "fault", "set", "hermes-down", *url)
    call(place, "fault", "set", "wake-fails", *url)

    assert call(place, "fault", "clear", *url).stdout == "No fault is on.\n"
    assert all(one["active"] is None for one in json.loads(call(place, "fault", "list", "--json").stdout))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("set", "slow-imge-pull"), "There is no fault called 'slow-imge-pull'; did you mean slow-image-pull?"),
        (("set", "slow-image-pull", "facto=2"), "There is no parameter 'facto'. Did you mean 'factor'?"),
        (("set", "slow-image-pull", "much"), "Wanted NAME=VALUE, found 'much'."),
        (("clear", "hermes-up"), "did you mean hermes-down?"),
        (("list", "--url", "http://127.0.0.1:1"), "The sandbox does not answer at http://127.0.0.1:1"),
    ],
)
def test_a_fault_that_cannot_be_set_gets_a_sentence(
    announced: dict[str, Any], place: Path, arguments: tuple[str, ...], wanted: str
) -> None:
    told = call(place, "fault", *arguments)

    assert told.returncode == 2
    assert wanted in told.stderr
    assert told.stdout == ""
    assert "Traceback" not in told.stderr


def test_without_a_sandbox_there_is_nothing_to_break(tmp_path: Path) -> None:
    told = call(tmp_path, "fault", "list")

    assert told.returncode == 2
    assert "No sandbox runs here" in told.stderr


def test_a_place_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = call(tmp_path, "sandbox", "--directory", str(tmp_path / "file" / "sandbox"))

    assert told.returncode == 2
    assert "The sandbox cannot start: " in told.stderr
    assert "Not a directory" in told.stderr
    assert "--directory" in told.stderr
    assert "Traceback" not in told.stderr


def test_all_mistakes_in_its_settings_are_told(tmp_path: Path) -> None:
    told = call(tmp_path, "sandbox", "--speed", "99", "--set", "lanch=service", "--set", "session_key=none")

    assert told.returncode == 2
    assert "3 things are wrong:" in told.stderr
    assert "lanch of the sandbox: there is no such setting; did you mean launch?" in told.stderr
    assert "session_key of the sandbox: found 'none'" in told.stderr
    assert "speed of the sandbox: found 99.0" in told.stderr


def test_a_second_one_in_the_same_place_is_refused(announced: dict[str, Any], place: Path) -> None:
    told = call(place, "sandbox")

    assert told.returncode == 2
    assert "another sandbox runs in" in told.stderr
    assert f"(process {announced['pid']})" in " ".join(told.stderr.split())
    assert "--directory" in told.stderr
    assert "Traceback" not in told.stderr
    assert json.loads((place / ".state" / "sandbox.json").read_text()) == announced


def test_a_taken_port_is_named(announced: dict[str, Any], tmp_path: Path) -> None:
    port = announced["control_url"].rpartition(":")[2]

    told = call(tmp_path, "sandbox", "--set", f"alb_port={port}")

    assert told.returncode == 2
    assert f"127.0.0.1:{port} is taken" in told.stderr
    assert "Traceback" not in told.stderr
