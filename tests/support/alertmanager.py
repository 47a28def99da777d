"""The real Alertmanager of Debian, on a port of its own; and receivers that keep what they are sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.debian import debian_program

#: Told at once, and again when it is over; nothing is grouped, so that nothing waits.
CONFIG = """
route:
  receiver: hook
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: hook
    webhook_configs:
      - url: {hook}
        send_resolved: true
"""


@dataclass(frozen=True, slots=True)
class RunningAlertmanager:
    """Where it answers."""

    url: str

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts that are open there and have these labels."""
        filters = [f'{name}="{value}"' for name, value in labels.items()]
        answer = httpx.get(f"{self.url}/api/v2/alerts", params={"filter": filters}, trust_env=False)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found


@contextmanager
def alertmanager(place: Path, hook: str = "http://127.0.0.1:9/") -> Iterator[RunningAlertmanager]:
    """An Alertmanager that tells `hook` of everything, and is gone after the block."""
    config = place / "alertmanager.yml"
    config.write_text(CONFIG.format(hook=hook))
    storage = f"--storage.path={place / 'alertmanager'}"
    options = (f"--config.file={config}", storage, "--cluster.listen-address=")
    with debian_program("prometheus-alertmanager", "prometheus-alertmanager", place, *options) as url:
        yield RunningAlertmanager(url)


@dataclass(slots=True)
class Receiver:
    """Keeps what it is sent. `answers` are the statuses of the next answers; after them it is 200."""

    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int, within: float = 10.0) -> None:
        """Return once so many bodies came."""
        async with asyncio.timeout(within):
            while len(self.bodies) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(
            (int(line.partition(":")[2]) for line in head.splitlines() if line.startswith("content-length")), 0
        )
        body = await reader.readexactly(length)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.bodies.append(json.loads(body))
            self.arrived.set()
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsaid".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """An HTTP server that takes JSON."""
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield receiver


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[int, list[str]]]:
    """An SMTP server: its port, and the mails that came."""
    mails: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 here")
        while line := (await reader.readline()).decode().strip().upper():
            if line.startswith("DATA"):
                await say("354 go on")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                await say("250 kept")
            elif line.startswith("QUIT"):
                await say("221 bye")
                break
            else:
                await say("250 fine")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], mails
