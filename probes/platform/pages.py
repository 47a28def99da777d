"""Whose page that is: the site's own, or one that the platform shows in its place (contract §2.2, §2.7)."""

import re

from probes.platform.replies import Reply

_TAG = re.compile(r"<(!doctype\s+html|html|head|body|title|meta|main|h1|div|p)\b", re.IGNORECASE)
_LOOKED_AT = 64 * 1024
#: The platform's own pages, by words that a site has no reason to say.
_STAND_INS = {
    "edit session starting": "the platform's starting page",
    "waking up edit session": "the platform's waking page",
    "edit session not found": "the platform's page for unknown sessions",
}
_HTML_TYPES = ("text/html", "application/xhtml+xml")


def not_the_site(reply: Reply) -> str | None:
    """What a 200 shows instead of a site's page, in words; None if it is a page of the site.

    A body that nobody here can read (it is compressed) is judged by its declared type alone.
    """
    kind = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    if (reply.header("content-encoding") or "identity") != "identity":
        return None if kind in _HTML_TYPES else f"a body of type {kind or 'unknown'}"
    text = reply.text[:_LOOKED_AT]
    if not text.strip():
        return "an empty body"
    if is_the_default(text):
        return "the load balancer's own default answer"
    if not _TAG.search(text):
        return f"no HTML (type {kind or 'not told'})"
    return next((page for words, page in _STAND_INS.items() if words in text.casefold()), None)


def is_the_site(reply: Reply) -> bool:
    """Whether the answer is a 200 with a page of the site."""
    return reply.status == 200 and not_the_site(reply) is None


def is_the_default(body: str) -> bool:
    """Whether this is what the load balancer's listener says where none of its rules fits (contract §2.2)."""
    return body.strip().strip(".!").casefold() == "healthy"


def says_html(reply: Reply) -> bool:
    """Whether the answer declares itself as HTML, without which browsers must guess."""
    return (reply.header("content-type") or "").partition(";")[0].strip().lower() in _HTML_TYPES
