"""The boards for Grafana: the files are what Python says, whole, and explained."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.boards import BOARDS
from deploy.grafana.files import FOLDER, as_json, file_of
from tests.support.grafana import board_files, expressions

GRID_WIDTH = 24


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


def test_the_files_are_what_python_writes_and_no_other_lies_beside_them() -> None:
    written = {file_of(board): as_json(board) for board in BOARDS}
    assert {path: path.read_text() for path in FOLDER.glob("*.json")} == written, "python -m deploy.grafana"


@pytest.mark.parametrize("path", board_files(), ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_none_lies_over_another(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(path):
        assert panel["title"]
        assert panel["type"] == "row" or (panel["description"] and panel["targets"]), panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= GRID_WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", board_files(), ids=lambda path: path.stem)
def test_every_panel_asks_the_prometheus_that_is_chosen_and_every_query_has_a_letter(path: Path) -> None:
    for panel in panels(path):
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert all(letters), panel["title"]
        assert len(set(letters)) == len(letters), panel["title"]


def test_gauges_that_every_process_tells_alike_are_never_added_up() -> None:
    """A state is told by each process: a sum over processes would count it as often as there are any."""
    alike = (
        "_probe_up",
        "_incidents_open",
        "_regression_active",
        "_baseline_seconds",
        "_check_passed",
        "_slo_",
    )
    for expression in expressions():
        for part in alike:
            before, found, _ = expression.partition(part)
            if found:
                assert "max" in before or "min" in before, expression


def test_grafana_is_told_of_the_boards_and_of_prometheus() -> None:
    folder = FOLDER.parent / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/synthetics.yml").read_text())["providers"]
    assert (source["type"], provider["type"]) == ("prometheus", "file")
