"""What the preview of a chat that wakes shows until the site is there, and which of it is no answer (SR-04)."""

from dataclasses import dataclass
from enum import Enum

from probes.platform import Context, pages
from probes.platform.replies import Reply
from synthetics.contract.context import CheckNote
from synthetics.errors import Unexpected

#: Whatever the load balancer says while a target comes or goes, and a redirect before the site is built
#: (contract §2.4, §12.6): accepted, but not what is promised.
_PASSING = frozenset({200, 302, 502, 503})
_MOST_TOLD = 5
WANTED = "the waking page, 'Edit Session Starting' (404), 'Container unreachable' (502) or the site"


class _Kind(Enum):
    PROMISED = "promised"
    TOLERATED = "tolerated"
    BROKEN = "broken"


@dataclass(slots=True)
class _Seen:
    """One answer and how often it came; instants are seconds after the first look."""

    kind: _Kind
    told: str
    first: float
    last: float
    times: int = 1

    def __str__(self) -> str:
        if self.times == 1:
            return f"{self.told} (once, after {self.first:.1f} s)"
        return f"{self.told} ({self.times} times, from {self.first:.1f} s to {self.last:.1f} s)"


class Between:
    """Takes note of every answer after the first look, and judges them when the wait is over."""

    def __init__(self, ctx: Context, thread: str, *, since: float) -> None:
        self._ctx = ctx
        self._thread = thread
        self._since = since
        self._seen: dict[str, _Seen] = {}

    def note(self, reply: Reply) -> None:
        """Keep what came, and when."""
        if pages.is_the_site(reply):
            return
        told, now = _told(reply), self._ctx.instant() - self._since
        known = self._seen.get(told)
        if known is None:
            self._seen[told] = _Seen(self._kind_of(reply), told, now, now)
        else:
            known.times, known.last = known.times + 1, now

    def told(self) -> list[str]:
        """The first answers that were no page of the site: what each was, how often it came, and when."""
        return [str(seen) for seen in self._seen.values()][:_MOST_TOLD]

    def judge(self, check: CheckNote) -> None:
        """Degrades the check for what is only tolerated. Raises Unexpected for what nobody promised."""
        if wrong := self._of(_Kind.BROKEN):
            raise Unexpected(f"unexpected: preview while the chat woke: wanted {WANTED}, got {wrong}")
        if odd := self._of(_Kind.TOLERATED):
            before = f"{check.reason}; " if check.reason else ""
            check.degrade(f"{before}preview while the chat woke: wanted {WANTED}, accepted {odd}")

    def _of(self, kind: _Kind) -> str:
        of_kind = [str(seen) for seen in self._seen.values() if seen.kind is kind]
        more = [f"{len(of_kind) - _MOST_TOLD} others"] if len(of_kind) > _MOST_TOLD else []
        return ", ".join(of_kind[:_MOST_TOLD] + more)

    def _kind_of(self, reply: Reply) -> _Kind:
        if reply.failure is not None:
            return _Kind.TOLERATED  # one look of many that was lost on its way
        page = reply.text.casefold()
        if reply.status == 404 and "edit session starting" in page:
            return _Kind.PROMISED
        if reply.status == 502 and "container unreachable" in page:
            return _Kind.PROMISED
        starting = self._ctx.platform.settings.starting_page_status
        if reply.status in starting and "waking up edit session" in page and self._thread in reply.text:
            return _Kind.PROMISED
        return _Kind.TOLERATED if reply.status in _PASSING else _Kind.BROKEN


def _told(reply: Reply) -> str:
    shown = pages.not_the_site(reply) if reply.status == 200 else None
    return f"200 with {shown}" if shown else reply.told()
