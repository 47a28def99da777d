"""The real Prometheus of Debian, with our rules, looking at one process of the service."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.debian import debian_program

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = ("service.rules.yml", "platform.rules.yml")


@dataclass(frozen=True, slots=True)
class RunningPrometheus:
    """Where it answers."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Raises AssertionError with its words if it is refused."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False)
        assert answer.is_success, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule as it was last evaluated."""
        answer = httpx.get(f"{self.url}/api/v1/rules", trust_env=False).raise_for_status()
        return [rule for group in answer.json()["data"]["groups"] for rule in group["rules"]]


@contextmanager
def prometheus(place: Path, target: str) -> Iterator[RunningPrometheus]:
    """A Prometheus that scrapes `target` (host:port) and evaluates our rules every second."""
    for name in RULES:
        shutil.copy(DEPLOYED / name, place / name)
    config = place / "prometheus.yml"
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": list(RULES),
                "scrape_configs": [{"job_name": "synthetics", "static_configs": [{"targets": [target]}]}],
            }
        )
    )
    options = (f"--config.file={config}", f"--storage.tsdb.path={place / 'tsdb'}")
    with debian_program("prometheus", "prometheus", place, *options) as url:
        yield RunningPrometheus(url)
