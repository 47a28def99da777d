"""The demo's command: what it was asked to be, and that nothing of it stays behind."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from synthetics import settings
from synthetics.commands.demo import processes
from synthetics.commands.demo.plan import HOST, Plan
from synthetics.commands.demo.processes import Child
from synthetics.commands.sandbox import require_sandbox
from synthetics.commands.shell import ConfigOption, ExitCode, run_async, using


def demo(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of API and status page; 0: a free one.")
    ] = 8080,
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="End by itself after so many seconds.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Real seconds for one second of the platform.")] = 0.15,
    idle_seconds: Annotated[float, typer.Option(help="After how long an idle container sleeps.")] = 2.0,
    every: Annotated[
        float,
        typer.Option(min=5, help="Seconds between runs of the most frequent probe; the others in proportion."),
    ] = 30.0,
    config: ConfigOption = None,
) -> None:
    """Start a sandbox platform, the service that watches it, and a live view of both."""
    require_sandbox()
    from synthetics.commands.demo.show import show  # it reads the API: too much for every other command

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
        run_async(
            lambda: show(plan, children),
            on_stop="Stopping everything.",
            at_once=at_once,
            when_stopped=ExitCode.PASSED,
        )


def _clear(place: Path) -> None:
    """Begin anew: what an earlier demo left, a database that outlived it included."""
    processes.stop_database(place)
    shutil.rmtree(place, ignore_errors=True)
    with using(place):
        place.mkdir(parents=True, exist_ok=True)
