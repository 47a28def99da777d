"""Where settings come from: a TOML file and the environment, with every mistake told as the person wrote it."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from synthetics.redaction import HIDDEN, hide, is_secret_name
from synthetics.words import did_you_mean, nearest, plain

Place = tuple[str, ...]
Model = TypeVar("Model", bound=BaseModel)
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Allowed:
    """Put in a field's annotation: what may be written there, in words."""

    words: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting, as the documentation tells it; a `<name>` in the place stands for any name."""

    place: Place
    allowed: str
    default: object
    description: str
    secret: bool

    @property
    def path(self) -> str:
        return ".".join(self.place)

    def variable(self, prefix: str) -> str:
        return prefix + "__".join(part.upper() for part in self.place)


@dataclass(slots=True)
class Given:
    """What a person gave, not yet judged: one tree, and where each value in it was written."""

    tree: dict[str, Any] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    file: str = ""
    #: The file could not be read: what it says is not known.
    unread: bool = False

    def name_of(self, place: Place) -> str:
        """The setting at this place, named as the person wrote it."""
        if place in self.written:
            return self.written[place]
        return f"{'.'.join(place)} in {self.file}" if self.file else ".".join(place)


def read_file(path: Path) -> Given:
    """The settings in this TOML file; what is wrong with the file itself is among the problems."""
    given = Given(file=str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        given.problems.append(f"{path}: there is no such settings file")
    except UnicodeDecodeError:
        given.problems.append(f"{path}: found bytes that are not UTF-8, allowed is a TOML file")
    except OSError as error:
        given.problems.append(f"{path}: the settings file cannot be read ({error.strerror})")
    else:
        try:
            given.tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            given.problems.append(f"{path}: this is not TOML: {hide(str(error))}")
    given.unread = bool(given.problems)
    return given


def add_environment(given: Given, model: type[BaseModel], environ: Mapping[str, str], prefix: str) -> None:
    """Lay the variables that begin with `prefix` over what the file says; an empty one counts as unset."""
    known = {entry.variable(""): entry.variable(prefix) for entry in entries(model)}
    for variable in sorted(environ):
        if not variable.startswith(prefix) or not environ[variable].strip():
            continue
        parts = variable.removeprefix(prefix).lower().split("__")
        place = _place(model, parts)
        if place is None:
            advice = _suggest(model, parts, known)
            given.problems.append(f"{variable}: there is no such setting; {advice}")
        else:
            _put(given, place, environ[variable], variable)


def validated(given: Given, model: type[Model]) -> Model | None:
    """The settings, or None with one more problem for each mistake."""
    try:
        return model.model_validate(given.tree)
    except ValidationError as error:
        given.problems.extend(_sentence(given, model, mistake) for mistake in error.errors())
        return None


def entries(model: type[BaseModel], above: Place = ()) -> Iterator[Entry]:
    """Every setting of this model, in the order of its fields."""
    for name, info in model.model_fields.items():
        inner, named = _nested(info.annotation)
        written = info.alias or name
        here = (*above, written, "<name>") if named else (*above, written)
        if inner is not None:
            yield from entries(inner, here)
        elif not _is_open(info.annotation):
            default = info.get_default(call_default_factory=True, validated_data={})
            yield Entry(
                here,
                allowed(info),
                None if default is PydanticUndefined else default,
                info.description or "",
                _is_secret(here, info),
            )


def allowed(info: FieldInfo) -> str:
    """What may be written in this field, in words."""
    for part in _metadata(info):
        if isinstance(part, Allowed):
            return part.words
    return _allowed_type(info.annotation, _metadata(info))


def _allowed_type(annotation: Any, metadata: list[Any]) -> str:
    kinds = [kind for kind in _flat(annotation) if kind is not NoneType]
    kind = kinds[0] if kinds else str
    if isinstance(kind, type) and issubclass(kind, bool):
        return "true or false"
    if isinstance(kind, type) and issubclass(kind, int | float):
        low = next((part.ge for part in metadata if hasattr(part, "ge")), None)
        high = next((part.le for part in metadata if hasattr(part, "le")), None)
        what = "a whole number" if issubclass(kind, int) else "a number"
        if low is not None and high is not None:
            return f"{what} from {low} to {high}"
        return what if low is None else f"{what}, at least {low}"
    members = getattr(kind, "__members__", None)
    if members:
        return "one of " + ", ".join(str(member.value) for member in members.values())
    if get_origin(kind) in (tuple, frozenset, list):
        return "a list, parted by commas"
    return {Path: "a path", timedelta: "a number over zero"}.get(kind, "text")


def _sentence(given: Given, model: type[BaseModel], mistake: ErrorDetails) -> str:
    place = tuple(str(part) for part in mistake["loc"])
    name = given.name_of(place)
    around, info = _field(model, place)
    if mistake["type"] == "extra_forbidden":
        siblings = [".".join((*place[:-1], one)) for one in around.model_fields] if around else []
        return f"{name}: there is no such setting; {did_you_mean('.'.join(place), siblings)}"
    if info is None or _is_open(info.annotation) or _nested(info.annotation)[0] is not None:
        return f"{name}: found {_shown(place, info, mistake['input'])}, allowed is a table of settings"
    return f"{name}: found {_shown(place, info, mistake['input'])}, allowed is {allowed(info)}"


def _shown(place: Place, info: FieldInfo | None, value: object) -> str:
    if _is_secret(place, info):
        return f"a value that is not shown ({HIDDEN})"
    text = hide(repr(value))
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _suggest(model: type[BaseModel], parts: list[str], known: Mapping[str, str]) -> str:
    info = model.model_fields.get(parts[0])
    if info is not None and _is_open(info.annotation):
        return f"what belongs in [{parts[0]}] of the settings file has variables of its own"
    near = nearest("__".join(parts), known)
    return f"did you mean {known[near]}?" if near else "docs/configuring.md lists them all"


def _put(given: Given, place: Place, value: str, variable: str) -> None:
    table = given.tree
    for part in place[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return  # the file has something else where this table should be, and is told so
    table[place[-1]] = value
    given.written[place] = variable


def _place(model: type[BaseModel], parts: list[str]) -> Place | None:
    """Where a variable's parts lead, None where they lead nowhere."""
    here: Place = ()
    current: type[BaseModel] | None = model
    left = list(parts)
    while current is not None and left:
        name = left.pop(0)
        if name not in current.model_fields or _is_open(current.model_fields[name].annotation):
            return None
        here = (*here, name)
        current, named = _nested(current.model_fields[name].annotation)
        if named and left:
            here = (*here, plain(left.pop(0)))
    return here if current is None and not left else None


def _field(model: type[BaseModel], place: Place) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model around a place, and the field there if it has one."""
    current: type[BaseModel] | None = model
    left = list(place)
    while current is not None:
        info = current.model_fields.get(left.pop(0)) if left else None
        if info is None:
            return current, None
        inner, named = _nested(info.annotation)
        if named and left:
            left.pop(0)
        if not left:
            return current, info
        current = inner
    return None, None


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model inside an annotation, and whether it stands there once for each of any names."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return (inner, True) if isinstance(inner, type) and issubclass(inner, BaseModel) else (None, False)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (annotation, False) if is_model else (None, False)


def _is_open(annotation: Any) -> bool:
    """Whether this is a table that somebody else judges."""
    return get_origin(annotation) is dict and _nested(annotation)[0] is None


def _is_secret(place: Place, info: FieldInfo | None) -> bool:
    return is_secret_name(place[-1]) or (info is not None and SecretStr in _flat(info.annotation))


def _flat(annotation: Any) -> list[Any]:
    """The plain types of an annotation, out of their unions and Annotated."""
    if get_origin(annotation) in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in _flat(part)]
    if hasattr(annotation, "__metadata__"):
        return _flat(get_args(annotation)[0])
    return [annotation]


def _metadata(info: FieldInfo) -> list[Any]:
    parts = list(info.metadata)
    for inner in (info.annotation, *get_args(info.annotation)):
        parts.extend(getattr(inner, "__metadata__", ()))
    return parts
