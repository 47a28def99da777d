"""Probes are tried against a real sandbox, as users would be served by it."""

from collections.abc import Iterator

import pytest

import probes
from sandbox.settings import SandboxSettings
from tests.support.monitor import watch
from tests.support.sandbox import RunningSandbox

#: These talk to containers again and again, which would be asleep by then on `platform`: see `talkative`.
TALKING = {"container-sharing", "interrupts", "messages", "queue-sets", "container-lifecycle"}
#: Many who ask at once need the machine for themselves.
LOADING = {"load", "sustained-load"}
QUIET = tuple(probe for probe in probes.CATALOGUE if probe.name not in TALKING | LOADING)

__all__ = ["LOADING", "QUIET", "TALKING", "platform", "talkative", "watch"]


@pytest.fixture(scope="session", params=["path"])
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A quick sandbox that serves both dialects, and whose containers go to sleep after two seconds."""
    settings = SandboxSettings(
        directory=tmp_path_factory.mktemp("platform"), speed=0.05, idle_seconds=2.0, routing_dialect="both"
    )
    running = RunningSandbox(settings)
    yield running
    assert running.stop() == 0, "the sandbox did not end cleanly"


@pytest.fixture(scope="session")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A quick sandbox whose containers stay awake between two commands of a slow machine."""
    settings = SandboxSettings(
        directory=tmp_path_factory.mktemp("talkative"),
        speed=0.05,
        idle_seconds=10.0,
        command_speed=0.3,
        routing_dialect="both",
    )
    running = RunningSandbox(settings)
    yield running
    assert running.stop() == 0, "the sandbox did not end cleanly"
