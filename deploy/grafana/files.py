"""A board as its file: the JSON that Grafana is provisioned with."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).parent / "boards"

#: What a mark of an annotation is called by; the SDK's own annotation has no field for it.
_TAGS = "probe,timing,path,rule,severity"


def file_of(board: Dashboard) -> Path:
    """Where this board lies, named after its uid."""
    return FOLDER / f"{board.build().uid}.json"


def as_json(board: Dashboard) -> str:
    """The board's JSON, the same for the same board."""
    document: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    numbers = count(1)
    for panel in document["panels"]:
        panel["id"] = next(numbers)
    for annotation in document.get("annotations", {}).get("list", ()):
        annotation |= {"titleFormat": annotation["name"], "tagKeys": _TAGS, "step": "60s"}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
