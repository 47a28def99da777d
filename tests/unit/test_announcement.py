"""A sandbox is found by what it announced for as long as it runs, and no longer."""

import os
from pathlib import Path

from synthetics.commands.sandbox import Announcement, announce, read_announcement


def an_announcement(control_url: str = "http://127.0.0.1:1") -> Announcement:
    return Announcement(os.getpid(), control_url, "/somewhere", {"ENVIRONMENT": "isolated"})


def test_it_is_found_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sandbox.json"
    with announce(an_announcement(), path):
        assert read_announcement(path) == an_announcement()
    assert read_announcement(path) is None
    assert list(path.parent.iterdir()) == []


def test_what_a_killed_one_left_is_not_believed_though_its_process_id_lives(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    with announce(an_announcement(), path):
        left = path.read_text()
    path.write_text(left)

    assert read_announcement(path) is None
    with announce(an_announcement("http://127.0.0.1:2"), path):
        found = read_announcement(path)
        assert found is not None
        assert found.control_url == "http://127.0.0.1:2"


def test_the_last_one_is_found_and_the_first_one_does_not_take_it_along(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    last = an_announcement("http://127.0.0.1:2")
    first = announce(an_announcement(), path)
    first.__enter__()
    with announce(last, path):
        first.__exit__(None, None, None)
        assert read_announcement(path) == last


def test_what_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    path.write_text("{")
    assert read_announcement(path) is None
    assert read_announcement(tmp_path) is None
