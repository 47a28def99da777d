"""The demo itself: starts its processes, shows what they do, and takes them along when it goes."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from synthetics import settings
from synthetics.commands.demo import processes
from synthetics.commands.demo.feed import Feed
from synthetics.commands.demo.processes import Child
from synthetics.commands.demo.view import Addresses, addresses_text, line, picture
from synthetics.commands.sandbox import require_sandbox
from synthetics.commands.shell import ConfigOption, Refused, out, run_async

HOST = "127.0.0.1"
_READY_WITHIN = 60.0
_LOOK_EVERY = 1.5
_GRACE_SERVICE, _GRACE_SANDBOX = 25.0, 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What this demo was asked to be."""

    state_dir: Path
    port: int
    speed: float
    idle_seconds: float
    every_seconds: float
    seconds: float | None

    @property
    def place(self) -> Path:
        return self.state_dir / "demo"


def demo(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of API and status page; 0: a free one.")
    ] = 8080,
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="End by itself after so many seconds.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Real seconds for one second of the platform.")] = 0.25,
    idle_seconds: Annotated[float, typer.Option(help="After how long an idle container sleeps.")] = 5.0,
    every: Annotated[float, typer.Option(min=5, help="Seconds from one run of a probe to its next.")] = 30.0,
    config: ConfigOption = None,
) -> None:
    """Start a sandbox platform, the service that watches it, and a live view of both."""
    require_sandbox()
    known = settings.load(config, os.environ)
    if port == 0:
        port = processes.free_port(HOST)
    processes.refuse_taken_port(HOST, port)
    plan = Plan(known.state_dir, port, speed, idle_seconds, every, seconds)
    children: list[Child] = []

    def at_once() -> None:
        for child in children:
            child.kill()
        processes.stop_database(plan.place)

    with processes.alone(plan.state_dir / "demo.lock"):
        _clear(plan.place)
        run_async(lambda: _show(plan, children), on_stop="Stopping everything.", at_once=at_once)


async def _show(plan: Plan, children: list[Child]) -> None:
    console = out()
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        monitored = await _start_sandbox(plan, children, stack, console)
        service = await _start_service(plan, monitored, children, stack, console)
        feed = Feed(f"http://{HOST}:{plan.port}")
        stack.push_async_callback(feed.close)
        await _until_ready(feed, service)
        addresses = Addresses(f"http://{HOST}:{plan.port}", _command(), str(plan.place / "logs"))
        look = _live if console.is_terminal else _plain
        try:
            async with asyncio.timeout(plan.seconds):
                await look(console, feed, addresses, children, began)
        except TimeoutError:
            console.print(f"Ended after {plan.seconds:g} s, as asked.")


async def _live(
    console: Console, feed: Feed, addresses: Addresses, children: list[Child], began: float
) -> None:
    def render() -> object:
        return picture(feed.story, addresses, running=time.monotonic() - began)

    with Live(console=console, get_renderable=render, refresh_per_second=2, screen=False):  # type: ignore[arg-type]
        while True:
            await feed.refresh()
            for child in children:
                child.refuse_if_ended()
            await asyncio.sleep(_LOOK_EVERY)


async def _plain(
    console: Console, feed: Feed, addresses: Addresses, children: list[Child], began: float
) -> None:
    console.print(addresses_text(addresses), markup=False)
    while True:
        for detail in await feed.refresh():
            console.print(line(detail))
        for child in children:
            child.refuse_if_ended()
        await asyncio.sleep(_LOOK_EVERY)


async def _start_sandbox(
    plan: Plan, children: list[Child], stack: AsyncExitStack, console: Console
) -> Mapping[str, str]:
    console.print("Starting a sandbox platform …")
    child = Child(
        "sandbox",
        [
            "sandbox", "--json", "--directory", str(plan.place / "sandbox"),
            "--speed", str(plan.speed), "--idle-seconds", str(plan.idle_seconds),
        ],
        environ={**_own_environment(), "SYNTHETICS_STATE_DIR": str(plan.state_dir)},
        logs=plan.place / "logs",
    )  # fmt: skip
    children.append(child)
    stack.push_async_callback(child.stop, _GRACE_SANDBOX)
    told = await child.start()
    try:
        async with asyncio.timeout(_READY_WITHIN):
            first = await told.readline()
    except TimeoutError:
        raise Refused(f"The sandbox was not up within {_READY_WITHIN:g} s; see {child.log}.") from None
    if not first:
        await asyncio.sleep(0.2)  # its end is known a moment after its last word
        child.refuse_if_ended()
        raise Refused(f"The sandbox did not say how it is reached; see {child.log}.")
    environment: dict[str, str] = json.loads(first)["environment"]
    return environment


async def _start_service(
    plan: Plan, monitored: Mapping[str, str], children: list[Child], stack: AsyncExitStack, console: Console
) -> Child:
    console.print("Starting the service: worker, API and an embedded Postgres …")
    from synthetics import main  # for the catalogue alone; the service itself is a process of its own

    every = f"{plan.every_seconds:g}"
    intervals = {
        f"SYNTHETICS_PROBES__{probe.name.upper().replace('-', '_')}__{what}": every
        for probe in main.CATALOGUE
        for what in ("EVERY", "TIMEOUT")
    }
    child = Child(
        "service",
        ["serve", "--role", "all"],
        environ={
            **_own_environment(),
            **monitored,
            **intervals,
            "SYNTHETICS_STATE_DIR": str(plan.place),
            "SYNTHETICS_API__HOST": HOST,
            "SYNTHETICS_API__PORT": str(plan.port),
            "SYNTHETICS_WORKER__DRAIN": "2",
        },
        logs=plan.place / "logs",
    )
    children.append(child)
    stack.push_async_callback(child.stop, _GRACE_SERVICE)
    await child.start()
    return child


async def _until_ready(feed: Feed, service: Child) -> None:
    until = time.monotonic() + _READY_WITHIN
    while not await feed.ready():
        service.refuse_if_ended()
        if time.monotonic() > until:
            raise Refused(f"The service was not ready within {_READY_WITHIN:g} s; see {service.log}.")
        await asyncio.sleep(0.2)


def _own_environment() -> dict[str, str]:
    """Ours without settings of the service: the demo is the same whatever is deployed from here."""
    return {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}


def _clear(place: Path) -> None:
    """Begin anew: what an earlier demo left, a database that outlived it included."""
    processes.stop_database(place)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)


def _command() -> str:
    """How to call us in another terminal."""
    if shutil.which("synthetics"):
        return "synthetics"
    beside = Path(sys.executable).with_name("synthetics")
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
