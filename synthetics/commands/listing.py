"""`synthetics probes` and `synthetics runs`: what is watched, and how it went."""

import json
import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.commands.documents import run_head
from synthetics.commands.rendering import runs_table
from synthetics.commands.run import choose
from synthetics.commands.shell import ConfigOption, JsonOption, out, run_async
from synthetics.contract.probe import Probe
from synthetics.words import in_words


def probes(as_json: JsonOption = False) -> None:
    """List every probe: its promise, how often it runs, and the cases it checks."""
    from synthetics import main  # the whole service: only where it is needed

    if as_json:
        _write([_probe_document(probe) for probe in main.CATALOGUE])
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("probe", "promise", "every", "cases"):
        table.add_column(column, overflow="fold")
    for probe in main.CATALOGUE:
        cases = " ".join(case.id for case in probe.spec.cases)
        table.add_row(
            Text(probe.name, style="bold"), Text(probe.promise), in_words(probe.spec.every), Text(cases)
        )
    out().print(table)


def runs(
    name: Annotated[str | None, typer.Argument(metavar="[PROBE]", help="Only this probe's runs.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the latest runs, newest first."""
    from synthetics import main  # the whole service: only where it is needed

    probe = choose([name], every=False, catalogue=main.CATALOGUE)[0].name if name else None
    configuration = main.load(config)
    log.configure(configuration.settings.log_format, "warning")
    found = run_async(lambda: main.recent_runs(configuration, probe, limit))
    if as_json:
        _write([run_head(run) for run in found])
    elif found:
        out().print(runs_table(found))
    else:
        out().print("No runs yet.")


def _probe_document(probe: Probe) -> dict[str, object]:
    spec = probe.spec
    return {
        "name": spec.name,
        "promise": probe.promise,
        "owner": spec.owner,
        "severity": spec.severity.value,
        "every_seconds": spec.every.total_seconds(),
        "timeout_seconds": spec.timeout.total_seconds(),
        "steps": [{"name": step.name, "budget_seconds": step.budget.total_seconds()} for step in spec.steps],
        "cases": [{"id": case.id, "promise": case.promise, "effect": case.effect.value} for case in spec.cases],
        "timings": [
            {
                "name": timing.name,
                "help": timing.help,
                "paths": list(timing.paths),
                "phases": list(timing.phases),
                "target_seconds": timing.target.total_seconds() if timing.target else None,
            }
            for timing in spec.timings
        ],
    }


def _write(document: object) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")
