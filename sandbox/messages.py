"""What the load balancer's rules speak of: requests, and what is to be done with them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.pages import alb_page

Headers = list[tuple[bytes, bytes]]

BODY_LIMIT = 1024 * 1024
"""What a Lambda target may be sent or may answer, in bytes."""
ONE_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect"}
"""Headers that belong to one connection and are not passed on."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request, as it came."""

    method: str
    target: str
    headers: Headers

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def host(self) -> str:
        """The Host header without its port, in lower case."""
        return self.header("host").rpartition("@")[2].partition(":")[0].lower()

    @property
    def upgrades(self) -> bool:
        return "upgrade" in self.header("connection").lower() and bool(self.header("upgrade"))

    def header(self, name: str) -> str:
        """The first header of that name; empty if there is none."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class Call:
    """A whole request, body included: what a Lambda target is handed."""

    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class Fixed:
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    headers: Headers = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request on to this target."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Invoke:
    """Hand the whole request to a function and send what it answers."""

    function: Callable[[Call], Awaitable[Fixed]]


Action = Fixed | Forward | Invoke
Choose = Callable[[Head], Awaitable[Action]]


def alb_answer(status: HTTPStatus) -> Fixed:
    """An answer that the load balancer makes itself: short HTML."""
    return Fixed(status.value, alb_page(status).encode(), "text/html")
