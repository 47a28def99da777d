"""The HTTP server around the application: its own socket, no signal handlers, stopped by leaving a block."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from synthetics.errors import SettingsError

_LET_REQUESTS_END_SECONDS = 5


class _Server(uvicorn.Server):
    """Signals belong to whoever runs the whole service."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, *, host: str, port: int) -> AsyncIterator[str]:
    """The application answers inside the block; gives its address. Raises SettingsError if it cannot listen."""
    bound = listening_socket(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_LET_REQUESTS_END_SECONDS,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[bound]), name="api")  # connections wait in the backlog
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{bound.getsockname()[1]}"
    finally:
        app.state.live.close()  # who listens would listen for as long as the server lets them
        server.should_exit = True
        await running
        bound.close()


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that connections wait in. Raises SettingsError if it cannot listen there."""
    try:
        bound = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
        # asyncio would see to it only for a socket that names its protocol; without it, an answer of two
        # parts waits 40 ms for the other side's acknowledgement. Accepted sockets have it from this one.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} is already taken on {host}; stop what listens there or choose another port"
        else:
            why = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise SettingsError([f"api.port: {why} (SYNTHETICS_API__PORT, 0 for any free one)"]) from error
