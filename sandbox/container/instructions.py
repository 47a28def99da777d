"""What an instruction means here (contract §7.4): how long it takes, which file it writes, how it is told."""

import re
from dataclasses import dataclass

LONG_SECONDS, SHORT_SECONDS, USUAL_SECONDS = 20.0, 0.3, 1.5
SUBJECT_LENGTH = 50

_LONG = re.compile(r"refactor|all components|take time", re.IGNORECASE)
_MAKES = re.compile(r"^\s*(create|add)\b", re.IGNORECASE)
_CONTENT = re.compile(r"\bwith content\s+[\"“](.*?)[\"”]\s*$", re.IGNORECASE | re.DOTALL)
_FILE = re.compile(r"(?<![\w/.])((?:[\w-]+/)*[\w-]+\.[a-z]{1,6})\b", re.IGNORECASE)
_PAGE_CALLED = re.compile(r"\bpage\b[^\"“]*[\"“]([^\"”]+)[\"”]|[\"“]([^\"”]+)[\"”]\s+page\b", re.IGNORECASE)
_PAGE_NAMED = re.compile(r"\bpage\s+(?:called\s+|named\s+)?([\w-]+)", re.IGNORECASE)
_COMPONENT = re.compile(
    r"\b(?:(\w+)\s+component|component\s+(?:called\s+|named\s+)?[\"“]?(\w+))", re.IGNORECASE
)
_HEADER = re.compile(r"\b(header|footer|navigation|sidebar)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the agent will do."""

    seconds: float
    file: str
    content: str
    subject: str
    summary: str


def plan(instruction: str) -> Plan:
    """The plan for an instruction; every text gets one."""
    content = _CONTENT.search(instruction)
    named = instruction[: content.start()] if content else instruction
    component = _component(named)
    file, text = _target(named, component)
    makes = bool(_MAKES.match(instruction)) and file != "src/content/edits.md"
    seconds = LONG_SECONDS if _LONG.search(instruction) else SHORT_SECONDS if makes else USUAL_SECONDS
    subject = f"Create {component} component" if component and makes else _shortened(instruction)
    verb = "Created" if makes else "Updated"
    return Plan(seconds, file, content.group(1) if content else text, subject, f"{verb} {file}")


def _component(named: str) -> str | None:
    if found := _COMPONENT.search(named):
        name = found.group(1) or found.group(2)
        if name.lower() not in {"a", "an", "the", "new", "all", "component"}:
            return name[0].upper() + name[1:]
    if (
        (found := _HEADER.search(named))
        and not _FILE.search(named)
        and not re.search(r"\bpage\b", named, re.IGNORECASE)
    ):
        return found.group(1).capitalize()
    return None


def _target(named: str, component: str | None) -> tuple[str, str]:
    if found := _FILE.search(named):
        return found.group(1), f"{named.strip()}\n"
    if found := _PAGE_CALLED.search(named):
        title = found.group(1) or found.group(2)
        return f"src/pages/{_slug(title)}.astro", f"<html><body><h1>{title}</h1></body></html>\n"
    if (found := _PAGE_NAMED.search(named)) and _MAKES.match(named):
        title = f"Page {found.group(1)}"
        return f"src/pages/{_slug(title)}.astro", f"<html><body><h1>{title}</h1></body></html>\n"
    if component:
        return f"src/components/{component}.astro", f"<div>{component}</div>\n"
    return "src/content/edits.md", f"- {named.strip()}\n"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "page"


def _shortened(instruction: str) -> str:
    line = " ".join(instruction.split()) or "Edit"
    return line if len(line) <= SUBJECT_LENGTH else line[:SUBJECT_LENGTH].rstrip() + "…"
