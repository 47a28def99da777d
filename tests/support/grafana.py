"""What the boards ask Prometheus, as Grafana would ask it."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.support.prometheus import DEPLOYED

#: What Grafana puts for the boards' variables: everything, over an hour.
_CHOSEN = {"$over": "1h", "$probe": ".*"}


def board_files() -> list[Path]:
    """Every board that Grafana is given."""
    return sorted((DEPLOYED.parent / "grafana" / "boards").glob("*.json"))


def expressions() -> list[str]:
    """Every query of every panel and annotation, once, with the variables filled in."""
    return sorted(set(_expressions()))


def _expressions() -> Iterator[str]:
    for path in board_files():
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            yield from (_chosen(target["expr"]) for target in panel.get("targets", ()))
        yield from (_chosen(one["expr"]) for one in board.get("annotations", {}).get("list", ()))


def _chosen(expression: str) -> str:
    for name, value in _CHOSEN.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression
