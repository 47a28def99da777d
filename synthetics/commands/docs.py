"""`python -m synthetics.commands.docs`: writes the pages about settings and metrics from the code itself."""

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path

import probes
from synthetics.commands.markdown import table
from synthetics.commands.metrics_page import metrics_page
from synthetics.settings import PREFIX, Settings
from synthetics.sources import Entry, entries

SETTINGS_FILE, METRICS_FILE = Path("docs/configuring.md"), Path("docs/metrics.md")

_HEAD = """\
# Configuring

<!-- Written by `python -m synthetics.commands.docs`; change the settings' own words instead. -->

Settings come from a TOML file and from the environment; the environment wins. The file is the one given with
`--config`, else the one that `SYNTHETICS_CONFIG` names, else `synthetics.toml` in the working directory if it
is there. An empty variable counts as unset. In names of probes hyphen and underscore are the same.

All mistakes are told at once, each with the setting's name as it was written, what was found and what is
allowed; an unknown name gets the nearest known one. `synthetics check` tries what the settings point at.

```toml
database_url = "postgresql://synthetics@db.internal/synthetics"

[worker]
slots = 8

[probes.cold-start]
every = "15m"

[platform]
environment = "shared"
```

## The service
"""

_PLATFORM = """
## The platform

In the section `[platform]` of the file, or as variables without a prefix.
"""


def configuring() -> str:
    """The whole page."""
    own = table(("setting", "variable", "allowed", "default", ""), _own_rows(entries(Settings)))
    theirs = table(("variable", "allowed", "default", ""), _platform_rows(entries(probes.PlatformSettings)))
    words = (sys.modules[probes.PlatformSettings.__module__].__doc__ or "").partition("\n\n")[2].strip()
    return f"{_HEAD}\n{own}{_PLATFORM}\n{words}\n\n{theirs}"


def _own_rows(listed: Iterable[Entry]) -> Iterable[Sequence[str]]:
    for entry in listed:
        yield (
            f"`{entry.path}`", f"`{entry.variable(PREFIX)}`", entry.allowed, _default(entry), entry.description
        )  # fmt: skip


def _platform_rows(listed: Iterable[Entry]) -> Iterable[Sequence[str]]:
    for entry in listed:
        yield f"`{entry.variable('')}`", entry.allowed, _default(entry), entry.description


def _default(entry: Entry) -> str:
    value = entry.default
    match value:
        case None | () | "":
            return ""
        case Enum():
            return f"`{value.value}`"
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"{value.total_seconds():g} s"
        case frozenset():
            return f"`{','.join(map(str, sorted(value)))}`"
        case tuple():
            return f"`{','.join(map(str, value))}`"
    return f"`{value}`"


if __name__ == "__main__":
    SETTINGS_FILE.write_text(configuring(), encoding="utf-8")
    METRICS_FILE.write_text(metrics_page(), encoding="utf-8")
