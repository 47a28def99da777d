"""The demo itself: starts its processes, shows what they do, and takes them along when it goes."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from synthetics.commands.demo.feed import Feed
from synthetics.commands.demo.plan import HOST, Plan
from synthetics.commands.demo.processes import Child
from synthetics.commands.demo.view import Addresses, addresses_text, line, picture
from synthetics.commands.shell import Refused, out
from synthetics.contract.probe import Probe

_READY_WITHIN = 60.0
_LOOK_EVERY = 1.5
#: Neither credentials nor proxies nor settings of a real deployment may reach the demo's processes.
_NEEDED = frozenset({"PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "TZ", "VIRTUAL_ENV"})
_GRACE_SERVICE, _GRACE_SANDBOX = 25.0, 10.0


async def show(plan: Plan, children: list[Child]) -> None:
    """Run the demo until it is cancelled or its time is up; `children` holds its processes meanwhile."""
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
    def render() -> RenderableType:
        return picture(feed.story, addresses, running=time.monotonic() - began)

    with Live(console=console, get_renderable=render, refresh_per_second=2):
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
            # The generation in which a look at the preview wakes a sleeping chat: there is more to see.
            "--set", "routing_dialect=lambda",
        ],
        environ={**_own_environment(), "SYNTHETICS_STATE_DIR": str(plan.state_dir)},
        logs=plan.place / "logs",
    )  # fmt: skip
    children.append(child)
    stack.push_async_callback(child.stop, _GRACE_SANDBOX)
    told = json.loads(await child.start_and_hear(_READY_WITHIN))
    environment: dict[str, str] = told["environment"]
    return environment


async def _start_service(
    plan: Plan, monitored: Mapping[str, str], children: list[Child], stack: AsyncExitStack, console: Console
) -> Child:
    console.print("Starting the service: worker, API and an embedded Postgres …")
    from synthetics import main  # for the catalogue alone; the service itself is a process of its own

    child = Child(
        "service",
        ["serve", "--role", "all"],
        environ={
            **_own_environment(),
            **monitored,
            **_schedule(main.CATALOGUE, main.SHOWN, plan.every_seconds),
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


def _schedule(catalogue: Sequence[Probe], shown: Collection[str], shortest: float) -> dict[str, str]:
    """Settings under which the most frequent of the shown probes runs every `shortest` seconds, the others of
    them in proportion, and no other probe at all."""
    least = min(probe.spec.every for probe in catalogue if probe.name in shown)
    told: dict[str, str] = {}
    for probe in catalogue:
        variable = f"SYNTHETICS_PROBES__{probe.name.upper().replace('-', '_')}"
        if probe.name not in shown:
            told[f"{variable}__ENABLED"] = "false"
            continue
        every = f"{probe.spec.every / least * shortest:g}"
        told |= {f"{variable}__EVERY": every, f"{variable}__TIMEOUT": every}
    return told


async def _until_ready(feed: Feed, service: Child) -> None:
    until = time.monotonic() + _READY_WITHIN
    while not await feed.ready():
        service.refuse_if_ended()
        if time.monotonic() > until:
            raise Refused(f"The service was not ready within {_READY_WITHIN:g} s; see {service.log}.")
        await asyncio.sleep(0.2)


def _own_environment() -> dict[str, str]:
    """What any program needs, and nothing else: the demo is the same whatever is configured from here."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NEEDED or name.startswith(("LC_", "PYTHON", "COVERAGE"))
    }


def _command() -> str:
    """How to call us in another terminal."""
    if shutil.which("synthetics"):
        return "synthetics"
    beside = Path(sys.executable).with_name("synthetics")
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
