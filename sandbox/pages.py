"""The pages that people see while no site is there to be seen; texts as in contract §2.7."""

from html import escape
from http import HTTPStatus

REFRESH_SECONDS = 5

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">{head}
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def waking(thread: str) -> str:
    """Shown while a container wakes up; asks again by itself."""
    return _FRAME.format(
        head=f'\n<meta http-equiv="refresh" content="{REFRESH_SECONDS}">',
        title="Waking Up Edit Session",
        body=f"<p>Your edit session <code>{escape(thread)}</code> is waking up. "
        f"This page asks again every {REFRESH_SECONDS} seconds.</p>",
    )


def not_found(thread: str, client: str) -> str:
    """Shown for a thread that nobody knows."""
    return _FRAME.format(
        head="",
        title="Edit Session Not Found",
        body=f"<p>There is no session <code>{escape(thread)}</code> for <code>{escape(client)}</code>.</p>",
    )


def somebodys_site() -> str:
    """A site where none should be seen."""
    return _FRAME.format(head="", title="Welcome", body="<p>This is a site.</p>")


def unreachable(thread: str) -> str:
    """Shown when the container should be there but does not answer."""
    return _FRAME.format(
        head="", title="Container unreachable", body=f"<p>Session <code>{escape(thread)}</code>.</p>"
    )


def no_websocket() -> str:
    """Shown to a WebSocket upgrade, which a Lambda cannot serve."""
    return _FRAME.format(
        head="", title="WebSocket not supported", body="<p>Reload the page to see changes.</p>"
    )


def no_active_session() -> str:
    """Shown on a client's edit host outside any session."""
    return _FRAME.format(
        head="", title="No active session", body="<p>There is no active session. Start one by mail.</p>"
    )


def decision(title: str, sentence: str) -> str:
    """Shown to somebody who approved or rejected a change by mail."""
    return _FRAME.format(head="", title=escape(title), body=f"<p>{escape(sentence)}</p>")


def alb_page(status: HTTPStatus) -> str:
    """What the load balancer says in its own name."""
    title = f"{status.value} {_PHRASES.get(status, status.phrase)}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


_PHRASES = {
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Temporarily Unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "Gateway Time-out",
}
