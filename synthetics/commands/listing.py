"""`synthetics probes` and `synthetics runs`: what is watched, and how it went."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.commands.demo.plan import DEMO_PLACE
from synthetics.commands.rendering import STYLES, mark
from synthetics.commands.run import choose
from synthetics.commands.shell import STATE_VARIABLE, ConfigOption, JsonOption, err, out, run_async, write_json
from synthetics.words import in_words, printable

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.queries.values import RunSummary
    from synthetics.scheduling.catalogue import Scheduled


def probes(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every probe as it runs here: its promise, how often, its time limit, and the cases it checks."""
    from synthetics import main  # the whole service: only where it is needed

    plan = main.load(config, asking=False).plan
    if as_json:
        write_json([_probe_document(entry) for entry in plan])
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("probe", "promise", "every", "limit", "cases"):
        table.add_column(column, overflow="fold")
    for entry in plan:
        spec = entry.probe.spec
        table.add_row(
            Text(entry.name, style="bold"),
            Text(entry.probe.promise),
            in_words(spec.every) if entry.enabled else "never",
            in_words(spec.timeout),
            Text(" ".join(case.id for case in spec.cases)),
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
    settings = main.load_own(config)
    log.configure(settings.log_format, "warning")
    found = run_async(lambda: main.recent_runs(settings, probe, limit))
    if as_json:
        write_json([_run_document(run) for run in found])
        return
    where = main.database_in_words(settings)
    if found:
        out().print(_runs_table(found))
        err().print(f"They are in {where}.", style="dim", markup=False)
        return
    out().print(f"No runs yet in {where}.", markup=False)
    demo = settings.state_dir / DEMO_PLACE
    if settings.database_url is None and (demo / "postgres").exists():
        command = f"{STATE_VARIABLE}={shlex.quote(str(demo))} synthetics runs"
        out().print(f"A demo keeps its runs in a database of its own: {command}", markup=False)


def _runs_table(found: "Sequence[RunSummary]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "started", "probe", "outcome", "took", "why it ran", "reason"):
        table.add_column(column, overflow="fold")
    for run in found:
        outcome = run.outcome.value if run.outcome else "in flight"
        table.add_row(
            mark(outcome),
            f"{run.started or run.tick:%Y-%m-%d %H:%M:%S}Z",
            run.probe,
            Text(outcome, style=STYLES.get(outcome, "")),
            in_words(run.took) if run.took is not None else "",
            run.trigger.value,
            Text(printable(run.reason or "")),
        )
    return table


def _run_document(run: "RunSummary") -> dict[str, object]:
    return {
        "id": str(run.id),
        "probe": run.probe,
        "location": run.location,
        "tick": run.tick.isoformat(),
        "trigger": run.trigger.value,
        "attempt": run.attempt,
        "outcome": run.outcome.value if run.outcome else None,
        "reason": run.reason,
        "started": run.started.isoformat() if run.started else None,
        "finished": run.finished.isoformat() if run.finished else None,
        "took_seconds": run.took.total_seconds() if run.took is not None else None,
        "waited_seconds": run.waited.total_seconds(),
        "worker": run.worker,
    }


def _probe_document(entry: "Scheduled") -> dict[str, object]:
    spec = entry.probe.spec
    return {
        "name": spec.name,
        "promise": entry.probe.promise,
        "enabled": entry.enabled,
        "owner": spec.owner,
        "severity": spec.severity.value,
        "price": spec.price.value,
        "every_seconds": spec.every.total_seconds(),
        "timeout_seconds": spec.timeout.total_seconds(),
        "sleeps": spec.sleeps,
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
