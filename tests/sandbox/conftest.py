"""What tests of several parts of the sandbox share."""

from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud
from sandbox.hermes.service import Hermes
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth
from tests.support.sandbox import SPEED, RunningSandbox


@pytest.fixture
async def hermes(sandbox: RunningSandbox) -> AsyncIterator[Hermes]:
    """Hermes' parts, over the wire of a running sandbox, without its port."""
    cloud = Cloud(sandbox.settings)
    parts = Hermes(
        sandbox.settings, cloud, Faults(sandbox.settings.directory), Truth(sandbox.settings.truth_path)
    )
    yield parts
    await parts.stop()
    await cloud.close()


@pytest.fixture(scope="session")
def lambda_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox of the second generation: the router answers for sessions, mails name their customer."""
    directory = tmp_path_factory.mktemp("lambda")
    running = RunningSandbox(SandboxSettings(directory=directory, speed=SPEED, routing_dialect="lambda"))
    yield running
    assert running.stop() == 0
