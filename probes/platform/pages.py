"""Whose page that is: the site's own, or one that the platform shows in its place (contract §2.2, §2.7)."""

import html
import json
import re
from http import HTTPStatus

from probes.platform.replies import Reply

_TAG = re.compile(r"<(!doctype\s+html|html|head|body|title|meta|main|h1|div|p)\b", re.IGNORECASE)
_LOOKED_AT = 64 * 1024
#: The platform's own pages, by words that a site has no reason to say.
_STAND_INS = {
    "edit session starting": "the platform's starting page",
    "waking up edit session": "the platform's waking page",
    "edit session not found": "the platform's page for unknown sessions",
}
#: The same, by their title or heading alone: a site may well speak of such things in its text.
_TITLED_STAND_INS = {
    "container unreachable": "the platform's page for containers out of reach",
    "websocket not supported": "the platform's refusal of a WebSocket",
    "no active session": "the platform's page for hosts without a session",
}
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_NUMBERED = re.compile(r"(?:(?:http )?error )?(?:http )?([45]\d\d)(?: error)?[ :.,|–—-]*(.*)")
#: What servers and load balancers say beside the standard's own phrases.
_PHRASES = {status.value: {status.phrase.casefold()} for status in HTTPStatus if status >= 400}
_PHRASES[404] |= {"page not found", "file not found"}
_PHRASES[500] |= {"server error"}
_PHRASES[503] |= {"service temporarily unavailable"}
_PHRASES[504] |= {"gateway time-out"}
#: Phrases that no site has for its title; a `Not Found` or a `Gone` may be a site's name.
_SERVERS_OWN = frozenset().union(*(words for status, words in _PHRASES.items() if 500 <= status <= 504))
_SHORT_PAGE = 4096
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
    if not _TAG.search(text) or _is_json(text):
        return f"no HTML (type {kind or 'not told'})"
    platforms = next((page for words, page in _STAND_INS.items() if words in text.casefold()), None)
    return platforms or _titled(text)


def is_the_site(reply: Reply) -> bool:
    """Whether the answer is a 200 with a page of the site."""
    return reply.status == 200 and not_the_site(reply) is None


def _titled(text: str) -> str | None:
    """What the page is by its title (or first heading, if it has none), unless it may be a site's own."""
    found = {match[1].casefold(): match[2] for match in reversed(list(_TITLE.finditer(text)))}
    title = " ".join(html.unescape(found.get("title") or found.get("h1") or "").split())
    words = title.casefold().rstrip(".!")
    for said, page in _TITLED_STAND_INS.items():
        if words.startswith(said):
            return page
    numbered = _NUMBERED.fullmatch(words)
    if numbered and numbered[2] in _PHRASES.get(int(numbered[1]), ()):
        return f"an error page, {title!r}"
    # Node's servers call each of their errors just that, and put the cause into a <pre>.
    bare = words == "error" and "<pre>" in text.casefold() and len(text) < _SHORT_PAGE
    return f"an error page, {title!r}" if bare or words in _SERVERS_OWN else None


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_the_default(body: str) -> bool:
    """Whether this is what the load balancer's listener says where none of its rules fits (contract §2.2)."""
    return body.strip().strip(".!").casefold() == "healthy"


def says_html(reply: Reply) -> bool:
    """Whether the answer declares itself as HTML, without which browsers must guess."""
    return (reply.header("content-type") or "").partition(";")[0].strip().lower() in _HTML_TYPES
