"""Names as people type them: hyphens or underscores, any case, and a helping hand with slips."""

from collections.abc import Collection
from difflib import get_close_matches

from synthetics.errors import NotFound


def resolve(kind: str, typed: str, known: Collection[str]) -> str:
    """The known name that was meant. Raises NotFound with the nearest one, or with all if there are few."""
    by_form = {_form(name): name for name in known}
    found = by_form.get(_form(typed))
    if found is not None:
        return found
    near = get_close_matches(_form(typed), by_form, n=1, cutoff=0.5)
    if near:
        raise NotFound(f"there is no {kind} {typed!r}; did you mean {by_form[near[0]]!r}?")
    listed = ", ".join(sorted(known)) if 0 < len(known) <= 12 else ""
    raise NotFound(f"there is no {kind} {typed!r}" + (f"; there are: {listed}" if listed else ""))


def _form(name: str) -> str:
    return name.strip().replace("-", "_").casefold()
