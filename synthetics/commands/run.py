"""`synthetics run`: probes, once, now; with their steps as they happen."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthetics import log
from synthetics.commands.comparing import (
    Earlier,
    compared,
    comparison_document,
    comparison_table,
    earlier_of_file,
    earlier_of_store,
    span_or_file,
    verdict,
)
from synthetics.commands.documents import exit_code, run_document, runs_document
from synthetics.commands.junit import junit_document
from synthetics.commands.progress import watching
from synthetics.commands.rendering import print_runs
from synthetics.commands.shell import (
    ConfigOption,
    ExitCode,
    JsonOption,
    Refused,
    Shell,
    err,
    out,
    run_async,
    write_json,
)
from synthetics.contract.probe import Probe
from synthetics.log import LogLevel
from synthetics.model.run import Run
from synthetics.regression.comparing import Compared
from synthetics.words import did_you_mean, plain

if TYPE_CHECKING:  # the whole service, which only the run itself needs
    from synthetics.main import Configuration


def run(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[PROBE]...", help="Names of probes.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every probe of the catalogue.")] = False,
    as_json: JsonOption = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write what came out as JUnit XML.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write it as one page that needs no server.")
    ] = None,
    times: Annotated[int, typer.Option(min=1, max=50, help="How many times, one after the other.")] = 1,
    compare_to: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN|FILE",
            help="Fail, too, if a timing is slower than before: than the stored ones of so long, such as 7d,"
            " or than those of a file that --json wrote.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run probes now. Exit code: 0 passed, 1 failed (or slower than before), 2 broken or badly called."""
    from synthetics import main  # the whole service: only where it is needed

    chosen = choose(names or [], every=every, catalogue=main.CATALOGUE)
    for file in (junit, html):
        check_writable(file)
    configuration = main.load(config)
    shell: Shell = context.obj
    # The picture tells what happens; the log only what nobody expected.
    level = (
        LogLevel.DEBUG if shell.debug else max(configuration.settings.log_level, LogLevel.WARNING, key=_weight)
    )
    log.configure(configuration.settings.log_format, level)
    earlier = None if compare_to is None else find_earlier(compare_to, configuration, chosen)
    with redirect_stdout(sys.stderr), watching(err()) as progress:
        runs = run_async(
            lambda: main.run_probes(configuration, [probe.name for probe in chosen], progress, times=times),
            on_stop="Stopping, and removing what the run made.",
        )
    found = None if earlier is None else compared(earlier, runs)
    if junit is not None:
        junit_document(runs, promises_of(chosen), found or ()).write(str(junit), pretty=True)
    if html is not None:
        html.write_text(main.report(runs, chosen, found or ()), encoding="utf-8")
    one = len(chosen) == 1 and not every and times == 1
    show(runs, promises_of(chosen), found, as_json=as_json, one=one)
    code = exit_code(runs)
    raise typer.Exit(verdict(found) if found is not None and code is ExitCode.PASSED else code)


def find_earlier(compare_to: str, configuration: "Configuration", chosen: Sequence[Probe]) -> Earlier:
    """The values that new ones are to be held against. Raises Refused where there are none."""
    names = {probe.name for probe in chosen}
    named = span_or_file(compare_to)
    if isinstance(named, Path):
        earlier = {of: took for of, took in earlier_of_file(named).items() if of.probe in names}
    else:
        earlier = run_async(lambda: earlier_of_store(configuration.settings, names, named))
    if not earlier:
        of = ", ".join(sorted(map(plain, names)))
        raise Refused(f"--compare-to {compare_to}: there is no timing of {of}")
    return earlier


def check_writable(file: Path | None) -> None:
    """Make sure that this file can be written, before anything is run for it. Raises Refused."""
    if file is None:
        return
    existed = file.exists()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("a").close()
        if not existed:  # nobody should find an empty report of runs that were stopped
            file.unlink()
    except OSError as error:
        raise Refused(f"{file} cannot be written ({error.strerror or error}); name another file.") from error


def choose(names: Sequence[str], *, every: bool, catalogue: Sequence[Probe]) -> list[Probe]:
    """The probes that were asked for, in their order. Raises Refused for none, or for an unknown one."""
    if every and names:
        raise Refused("Name probes or say --all, not both.")
    if every:
        return list(catalogue)
    known = {plain(probe.name): probe for probe in catalogue}
    if not names:
        raise Refused(f"Which probe? Name one or more of {', '.join(sorted(known))}, or say --all.")
    unknown = [name for name in names if plain(name) not in known]
    if unknown:
        raise Refused(
            "\n".join(f"There is no probe called {name!r}; {did_you_mean(name, known)}" for name in unknown)
        )
    return [known[name] for name in dict.fromkeys(plain(name) for name in names)]


def promises_of(probes: Sequence[Probe]) -> dict[str, str]:
    """What each case of these probes promises, by case id."""
    return {case.id: case.promise for probe in probes for case in probe.spec.cases}


def show(
    runs: Sequence[Run],
    promises: Mapping[str, str],
    found: Sequence[Compared] | None = None,
    *,
    as_json: bool,
    one: bool,
) -> None:
    """Write what came out to standard output. For `one` probe the document is that run's own.

    A run that was confirmed by a second one is several runs even where one probe was asked for: then the
    document is the last one's, whose `confirms` names the first. What was `found` comparing them with earlier
    ones follows the runs.
    """
    if not as_json:
        print_runs(out(), runs, promises)
        if found is not None:
            out().print()
            out().print(comparison_table(found) if found else "No timing could be compared.")
        return
    document = run_document(runs[-1]) if one and runs else runs_document(runs)
    if found is not None:
        document["comparison"] = [comparison_document(timing) for timing in found]
    write_json(document)


def _weight(level: LogLevel) -> int:
    return list(LogLevel).index(level)
