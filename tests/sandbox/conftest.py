"""What tests of several parts of the sandbox share."""

from collections.abc import AsyncIterator

import pytest

from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud
from sandbox.hermes.service import Hermes
from sandbox.truth import Truth
from tests.support.sandbox import RunningSandbox


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
