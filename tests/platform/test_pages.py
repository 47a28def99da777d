"""A 200 alone is no site: what stands in for one is told apart from any page that a site may have."""

from datetime import timedelta

import pytest

from probes.platform.pages import is_the_site, not_the_site, says_html
from probes.platform.replies import Reply


def page(text: str, *, status: int = 200, **headers: str) -> Reply:
    told = {name.replace("_", "-"): value for name, value in {"content_type": "text/html", **headers}.items()}
    return Reply("GET preview", status, timedelta(0), told, text)


@pytest.mark.parametrize(
    "reply",
    [
        page("<!DOCTYPE html><html><body>Welcome</body></html>"),
        page(
            "\n<!-- built by Astro --><html lang=en>healthy food</html>",
            content_type="text/html; charset=utf-8",
        ),
        page("<h1>Hello</h1>", content_type="application/octet-stream"),
        page("<html>" + "x" * 200_000),
        page("\ufffd\x00gzip", content_encoding="gzip"),
    ],
    ids=["plain", "comment-first", "undeclared", "long", "compressed"],
)
def test_a_page_of_a_site(reply: Reply) -> None:
    assert not_the_site(reply) is None
    assert is_the_site(reply)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (page("healthy", content_type="text/plain"), "the load balancer's own default answer"),
        (page("<h1>Edit Session Starting</h1><p>9f3c</p>"), "the platform's starting page"),
        (page("<html><title>Waking Up Edit Session</title>"), "the platform's waking page"),
        (page("<html><h1>Edit session not found</h1>"), "the platform's page for unknown sessions"),
        (page('{"status": "ok"}', content_type="application/json"), "no HTML (type application/json)"),
        (page(" \n"), "an empty body"),
        (
            page("\x1f", content_encoding="br", content_type="application/json"),
            "a body of type application/json",
        ),
    ],
)
def test_what_stands_in_for_a_site(reply: Reply, said: str) -> None:
    assert not_the_site(reply) == said
    assert not is_the_site(reply)


def test_only_a_200_is_a_page_of_the_site() -> None:
    assert not is_the_site(page("<html>", status=404))
    assert says_html(page("<html>"))
    assert not says_html(page("<html>", content_type="text/plain"))
