"""ASGI applications on sockets that are already bound, inside a loop that somebody else runs."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Server(uvicorn.Server):
    """A server that says when it takes requests, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # signals belong to the process, not to one of its servers


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises OSError if the address is taken."""
    # asyncio switches Nagle's delay off only for sockets that say they are TCP: 40 ms a request
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a listening socket got."""
    port: int = listener.getsockname()[1]
    return port


def server(app: App, *, websockets: bool = False) -> Server:
    """A quiet server for `app`; `serve(sockets=[…])` runs it until `should_exit` is set."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="auto" if websockets else "none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
        proxy_headers=False,
    )
    config.load()  # what it imports must not cost the first request its time
    return Server(config)


@asynccontextmanager
async def served(app: App, listener: socket.socket) -> AsyncIterator[None]:
    """`app` answers on `listener` inside this block."""
    running = server(app)
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    try:
        yield
    finally:
        running.should_exit = True
        await serving
