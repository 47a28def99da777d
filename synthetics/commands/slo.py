"""`synthetics slo`: what is left of the error budgets."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.clock import SystemClock
from synthetics.commands.shell import ConfigOption, JsonOption, out, run_async, write_json
from synthetics.log import LogLevel
from synthetics.words import in_words

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.queries.budgets import Budget
    from synthetics.settings import Settings


def slo(
    probe: Annotated[str | None, typer.Option(help="Only of this probe.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List objectives, what is left of their budgets, and how fast they go."""
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    found = run_async(lambda: _budgets(settings, probe))
    if as_json:
        write_json([{**asdict(budget), "left": budget.left} for budget in found])
    else:
        out().print(_table(found))


async def _budgets(settings: "Settings", probe: str | None) -> "Sequence[Budget]":
    from synthetics import main, queries  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        return await queries.Reads.of(database, SystemClock()).budgets.all(probe)


def _table(found: "Sequence[Budget]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("probe", "timing", "target", "runs", "over", "budget left"):
        table.add_column(column, overflow="fold")
    windows = [burn.window for burn in found[0].burns] if found else []
    for window in windows:
        table.add_column(f"burn {in_words(window)}", justify="right")
    for budget in found:
        left = "" if budget.left is None else f"{budget.left:.0%}"
        table.add_row(
            budget.probe,
            budget.timing + (f"/{budget.path}" if budget.path else ""),
            in_words(budget.target),
            str(budget.burns[-1].runs),
            str(budget.burns[-1].over),
            Text(left, style="bold red" if (budget.left or 0) < 0 else ""),
            *("" if burn.rate is None else f"{burn.rate:.1f}" for burn in budget.burns),
        )
    return table
