"""What is written about the settings is what the settings are."""

from pathlib import Path

from synthetics.commands.docs import FILE, configuring

ROOT = Path(__file__).parents[2]


def test_the_page_about_settings_is_the_one_that_they_write() -> None:
    assert (ROOT / FILE).read_text(encoding="utf-8") == configuring(), (
        "run `python -m synthetics.commands.docs`"
    )
