"""The list of what the probes ask of AWS is what they really ask, everything once, on a sandbox."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import probes
from benchmarks.suite import run_together
from probes.platform.aws import AwsClients
from tests.deploy.rights import RECORDED, Request, requests_of, written
from tests.probes.conftest import talkative, watch
from tests.support.monitor import FEW, Watch
from tests.support.sandbox import RunningSandbox

__all__ = ["talkative", "watch"]

#: Every way to ask: dialects, and how chats are opened.
WAYS = (
    ("shared", {"ENVIRONMENT": "shared", "ROUTING_DIALECT": "path"}),
    ("shared", {"ENVIRONMENT": "shared", "ROUTING_DIALECT": "lambda"}),
    ("isolated", {"ROUTING_DIALECT": "lambda"}),
    ("isolated", {"ROUTING_DIALECT": "path", "SESSION_FACTORY": "direct"}),
)


class Recording:
    """Notes every request that the platform's clients make, as IAM would see it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: set[Request] = set()
        self._tags: dict[str, dict[str, str]] = {}
        made: Callable[[AwsClients, Any], Any] = AwsClients._known

        def known(clients: AwsClients, client: Any) -> Any:
            client.meta.events.register("provide-client-params.*.*", self._note)
            client.meta.events.register("after-call.ecs.DescribeTasks", self._learn)
            return made(clients, client)

        monkeypatch.setattr(AwsClients, "_known", known)

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.seen |= set(requests_of(model.service_model.service_name, model.name, params, self._tags))

    def _learn(self, parsed: dict[str, Any], **_: object) -> None:
        for task in parsed.get("tasks", []):
            self._tags[task["taskArn"]] = {tag["key"]: tag["value"] for tag in task.get("tags", [])}


@pytest.mark.long
async def test_the_list_of_requests_is_what_a_whole_suite_asks(
    talkative: RunningSandbox, watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: defaultdict[str, set[Request]] = defaultdict(set)
    for platform, changes in WAYS:
        recording = Recording(monkeypatch)
        async with watch(talkative, **FEW, **changes) as monitor:
            await run_together(monitor.run, probes.CATALOGUE)
        found[platform] |= recording.seen
        monkeypatch.undo()

    renewed = tmp_path / RECORDED.name
    renewed.write_text(written(found))
    known = json.loads(RECORDED.read_text())
    assert json.loads(renewed.read_text()) == known, f"look at {renewed}, and put it in the place of {RECORDED}"
