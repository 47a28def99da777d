"""The README's commands, one after the other, as they are written there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.database import NewDatabase
from tests.support.monitor import FEW
from tests.support.sandbox import RunningSandbox
from tests.support.service import environment

ROOT = Path(__file__).parents[2]
#: Have tests of their own: they go on until they are stopped.
ENDLESS = ("synthetics sandbox", "make ")
#: Whole catalogues, or many runs of one probe.
LONG = ("--all", "--times")


def commands() -> list[str]:
    """Every line of every block that is a command, without its comment."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line.startswith(("synthetics ", "make "))]
    return [line for line in found if line != "synthetics demo" and not line.startswith("synthetics demo ")]


def follow(place: Path, platform: RunningSandbox, url: str, chosen: list[str]) -> dict[str, str]:
    """What went wrong with which of them."""
    environ = environment(
        place, {**platform.environment, **FEW}, SYNTHETICS_DATABASE_URL=url, CLIENT_PREFIX="readme-"
    )
    environ |= {"PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    wrong = {}
    for command in chosen:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=place, env=environ, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        if done.returncode or "Traceback" in done.stderr or not done.stdout.strip():
            wrong[command] = f"{done.returncode}: {done.stdout[-300:]} {done.stderr[-600:]}"
    return wrong


def test_every_short_command_does_what_it_says(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    chosen = [
        command
        for command in commands()
        if not command.startswith(ENDLESS) and not any(word in command for word in LONG)
    ]
    try:
        assert len(chosen) >= 10
        assert follow(tmp_path, platform, new_database(), chosen) == {}
    finally:
        platform.clear_faults()


@pytest.mark.long
def test_the_long_ones_do_too(tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase) -> None:
    chosen = [command for command in commands() if any(word in command for word in LONG)]
    # The gate wants a past: a few runs of it.
    gate = [command.replace("--times 6", "--times 4") for command in chosen if "--compare-to" in command]
    others = [command for command in chosen if "--compare-to" not in command]
    assert gate
    assert others
    url = new_database()
    past = "synthetics run cold-start --times 12"
    assert follow(tmp_path, platform, url, [past, *gate, *others]) == {}
