"""`synthetics run --compare-to` on a sandbox: a deploy that made the pull slower does not pass."""

import json
from pathlib import Path

import pytest

from tests.support.database import NewDatabase
from tests.support.sandbox import RunningSandbox
from tests.support.service import call, environment


def test_without_earlier_timings_nothing_is_run(
    tmp_path: Path, platform: RunningSandbox, database_url: str
) -> None:
    environ = environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=database_url)
    told = call(tmp_path, environ, "run", "cold-start", "--compare-to", "7d")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.strip() == "--compare-to 7d: there is no timing of cold-start"


@pytest.mark.long
def test_a_slower_pull_fails_the_gate_and_the_mended_platform_passes_it(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    environ = environment(
        tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=new_database(), CLIENT_PREFIX="gate-"
    )
    run = ("run", "cold-start", "--json", "--times")
    before = call(tmp_path, environ, *run, "8", within=180.0)
    assert before.returncode == 0, before.stderr
    (tmp_path / "before.json").write_text(before.stdout)

    platform.set_fault("slow-image-pull", factor=2.5, for_="gate-")
    slow = call(tmp_path, environ, *run, "5", "--compare-to", "before.json", within=180.0)
    platform.clear_faults()
    mended = call(tmp_path, environ, *run, "5", "--compare-to", "before.json", within=180.0)

    assert slow.returncode == 1, slow.stderr
    slower = {one["timing"]: one for one in json.loads(slow.stdout)["comparison"] if one["slower"]}
    assert set(slower) == {"cold_start"}
    assert slower["cold_start"]["phase_shares"]["pull"] > 0.8
    assert mended.returncode == 0, mended.stdout
