"""What is written about settings and metrics is what they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synthetics.commands.docs import METRICS_FILE, SETTINGS_FILE, configuring
from synthetics.commands.metrics_page import metrics_page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "page"), [(SETTINGS_FILE, configuring), (METRICS_FILE, metrics_page)], ids=["settings", "metrics"]
)
def test_the_page_is_the_one_that_the_code_writes(file: Path, page: Callable[[], str]) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == page(), "run `python -m synthetics.commands.docs`"
