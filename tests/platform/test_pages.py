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
        page("<title>404</title><h1>404 Not Found</h1>"),
        page("<title>Not Found</title><h1>A gallery</h1>"),
        page("<title>500 miles</title>"),
        page("<title>502 Bad Gateway: what your visitors see</title>"),
        page("<title>Our status</title><h1>Service Unavailable</h1><p>Container unreachable, says one.</p>"),
        page("<title>Error</title>" + "<p>Trial and error.</p>" * 300 + "<pre>"),
        page("<title></title><svg><title>503 Service Unavailable</title></svg><h1>Shop</h1>"),
    ],
    ids=[
        "plain",
        "comment-first",
        "undeclared",
        "long",
        "compressed",
        "a-number-for-a-name",
        "a-name-like-a-phrase",
        "a-number-and-words-of-its-own",
        "about-errors",
        "an-error-in-its-text",
        "error-for-a-name",
        "an-error-in-a-picture",
    ],
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
        (page("<html><head><title>502 Bad Gateway</title></head>"), "an error page, '502 Bad Gateway'"),
        (
            page("<h1>503 Service Temporarily Unavailable</h1>"),
            "an error page, '503 Service Temporarily Unavailable'",
        ),
        (page("<title>404: Not found</title>"), "an error page, '404: Not found'"),
        (
            page("<TITLE>\n Error 500 &ndash; Internal Server Error </TITLE>"),
            "an error page, 'Error 500 – Internal Server Error'",
        ),
        (page("<title>Internal Server Error</title>"), "an error page, 'Internal Server Error'"),
        (page("<title>Error</title><pre>Cannot GET /session/9f3c</pre>"), "an error page, 'Error'"),
        (page("<h1>Container unreachable</h1>"), "the platform's page for containers out of reach"),
        (
            page("<title>No active session, start one by mail</title>"),
            "the platform's page for hosts without a session",
        ),
        (page('{"message": "<p>Cannot GET /</p>"}'), "no HTML (type text/html)"),
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
