"""Every rule has a runbook, every runbook is linked, and links lead somewhere."""

import re
from pathlib import Path

import pytest

from synthetics.alerting.messages import Links
from synthetics.model.incident import Rule

DOCS = Path(__file__).parents[2] / "docs"
RUNBOOKS = DOCS / "runbooks"
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
HEADS = ("## What it means to users", "## How to see it", "## What to do", "## How to silence it")


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_a_runbook_with_all_its_parts(rule: Rule) -> None:
    page = (RUNBOOKS / f"{rule}.md").read_text(encoding="utf-8")

    assert page.startswith(f"# {rule}\n")
    places = [page.index(head) for head in HEADS]
    assert places == sorted(places)
    assert f"[{rule}]({rule}.md)" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def test_there_is_no_runbook_without_a_rule() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule.value for rule in Rule} | {"README"}


@pytest.mark.parametrize("page", [*RUNBOOKS.glob("*.md"), DOCS / "alerting.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("rule", Rule)
def test_the_link_in_a_notice_is_the_page_of_its_rule(rule: Rule) -> None:
    for setting in (RUNBOOKS.as_uri(), f"{RUNBOOKS.as_uri()}/{{rule}}.md"):
        link = Links(runbooks=setting).runbook(rule)
        assert Path(link.removeprefix("file://")).is_file()
