"""`synthetics token`: who may ask the API for what."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from synthetics import log
from synthetics.clock import SystemClock
from synthetics.commands.shell import ConfigOption, Refused, err, out, run_async
from synthetics.log import LogLevel
from synthetics.model.token import Scope, Token
from synthetics.words import duration, printable

if TYPE_CHECKING:  # it brings the store along, which not every command needs
    from synthetics.settings import Settings

token = typer.Typer(help="Bearer tokens of the API.", no_args_is_help=True)


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it allows; may be repeated.")],
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="How long it is good. Default: for ever.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a token. It is printed once, on standard output, and kept nowhere."""
    try:
        how_long = duration(lasts) if lasts else None
    except ValueError as error:
        raise Refused(f"{error}; wanted a duration such as --for 2160h") from error
    settings = _settings(config)
    made, secret = run_async(lambda: _created(settings, name, scope, how_long))
    err().print(
        printable(f"{made.name}: {_when(made.expires_at, 'good for ever', 'good until ')}"), markup=False
    )
    out().print(secret, markup=False, soft_wrap=True)


@token.command("list")
def list_tokens(config: ConfigOption = None) -> None:
    """List all tokens; none of them is shown itself."""
    settings = _settings(config)
    found = run_async(lambda: _listed(settings))
    out().print(_table(found) if found else "There is no token.")


@token.command("revoke")
def revoke_token(
    typed: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")],
    config: ConfigOption = None,
) -> None:
    """Have a token no longer good, at once and for good."""
    settings = _settings(config)
    revoked = run_async(lambda: _revoked(settings, typed))
    out().print(printable(f"Revoked: {revoked.name}"), markup=False)


async def _created(
    settings: "Settings", name: str, scopes: Sequence[Scope], lasts: timedelta | None
) -> tuple[Token, str]:
    from synthetics import access, main  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        return await access.Access(database, SystemClock()).create(name, scopes, lasts=lasts)


async def _listed(settings: "Settings") -> Sequence[Token]:
    from synthetics import access, main  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        return await access.Access(database, SystemClock()).every()


async def _revoked(settings: "Settings", typed: str) -> Token:
    from synthetics import access, main  # the whole service: only where it is needed

    async with main.connected(settings) as database:
        known = access.Access(database, SystemClock())
        begins = typed.strip().lower()
        meant = [one for one in await known.every() if begins and str(one.id).startswith(begins)]
        if len(meant) != 1:
            raise Refused(
                f"{'several tokens begin' if meant else 'no token begins'} with {typed!r}; "
                "`synthetics token list` lists them."
            )
        return await known.revoke(meant[0].id)


def _settings(config: ConfigOption) -> "Settings":
    from synthetics import main  # the whole service: only where it is needed

    settings = main.load_own(config)
    log.configure(settings.log_format, LogLevel.WARNING)
    return settings


def _table(found: Sequence[Token]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("id", "name", "scopes", "good", "last used"):
        table.add_column(column, overflow="fold")
    now = SystemClock().now()
    for one in found:
        if one.revoked_at:
            good = "revoked"
        else:
            good = _when(one.expires_at, "for ever", "until " if one.holds(now) else "expired ")
        table.add_row(
            str(one.id)[:8],
            Text(printable(one.name)),
            ", ".join(sorted(one.scopes)),
            good,
            _when(one.last_used_at, "never"),
        )
    return table


def _when(moment: datetime | None, never: str, before: str = "") -> str:
    return f"{before}{moment:%Y-%m-%d %H:%M}Z" if moment else never
