"""One sandbox for all of these tests; each acts for clients of its own, so that nothing is mixed up."""

from collections.abc import Iterator

import pytest

from sandbox.settings import SandboxSettings
from tests.support.sandbox import RunningSandbox


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A quick sandbox that serves both dialects, and whose containers go to sleep after three seconds."""
    settings = SandboxSettings(
        directory=tmp_path_factory.mktemp("platform"),
        speed=0.05,
        idle_seconds=3.0,
        command_speed=0.3,
        routing_dialect="both",
    )
    running = RunningSandbox(settings)
    yield running
    assert running.stop() == 0, "the sandbox did not end cleanly"
