"""Assertions that name the thing, what was wanted and what came; they raise `Unexpected`."""

from collections.abc import Container, Sized
from datetime import timedelta

from synthetics.errors import Unexpected


def equal(what: str, got: object, wanted: object) -> None:
    """`got` is just what was wanted."""
    if got != wanted:
        _refuse(what, repr(wanted), repr(got))


def different(what: str, got: object, other: object) -> None:
    """`got` is not the same as `other`."""
    if got == other:
        _refuse(what, f"something other than {other!r}", repr(got))


def one_of(what: str, got: object, wanted: Container[object]) -> None:
    """`got` is among the wanted."""
    if got not in wanted:
        _refuse(what, f"one of {_listed(wanted)}", repr(got))


def contains(what: str, got: str, wanted: str) -> None:
    """The text `got` has `wanted` in it, in any case."""
    if wanted.casefold() not in got.casefold():
        _refuse(what, f"a text containing {wanted!r}", repr(_short(got)))


def true(what: str, got: object, *, wanted: str = "yes") -> None:
    """`got` holds; `wanted` says in words what was asked."""
    if got is False:
        raise Unexpected(f"unexpected: {what}: wanted {wanted}, but it is not so", what=what, wanted=wanted)
    if not got:
        _refuse(what, wanted, repr(got))


def at_least(what: str, got: float, wanted: float) -> None:
    """`got` is not below `wanted`."""
    if got < wanted:
        _refuse(what, f"at least {wanted:g}", f"{got:g}")


def at_most(what: str, got: float, wanted: float) -> None:
    """`got` is not above `wanted`."""
    if got > wanted:
        _refuse(what, f"at most {wanted:g}", f"{got:g}")


def within(what: str, took: timedelta, limit: timedelta) -> None:
    """`took` stays under the limit."""
    if took >= limit:
        _refuse(what, f"under {limit.total_seconds():g} s", f"{took.total_seconds():.3f} s")


def empty(what: str, got: Sized) -> None:
    """Nothing is in `got`."""
    if len(got):
        _refuse(what, "nothing", repr(got))


def _refuse(what: str, wanted: str, got: str) -> None:
    raise Unexpected(f"unexpected: {what}: wanted {wanted}, got {got}", what=what, wanted=wanted, got=got)


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


def _listed(wanted: Container[object]) -> str:
    return repr(sorted(wanted, key=str)) if isinstance(wanted, set | frozenset | tuple | list) else repr(wanted)
