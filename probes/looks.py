"""Looking through the router without doing harm: each look at a sleeping chat asks Hermes to wake it again.

While the container's row says that it is coming, a look starts nothing, and there may be many. Otherwise (the
row is not there yet, or never changes, contract Q7) each could start one more task, so the waking page's own
Retry-After is kept, as a browser keeps it.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from probes.platform import Context
from probes.platform.replies import Reply
from synthetics.contract import expect

COMING = frozenset({"starting", "running", "idle"})
ROW_EVERY = 1.0
RETRY_AFTER = 5.0
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_WHOLE_SECONDS = re.compile("[0-9]+")


class RouterLooks:
    """Looks of one wait, each made when it does no harm."""

    def __init__(self, ctx: Context, container_id: str | None, ask: Callable[[], Awaitable[Reply]]) -> None:
        self._ctx = ctx
        self._container_id = container_id
        self._ask = ask
        self._coming = False
        self._row_read = float("-inf")
        self._not_before = float("-inf")

    async def look(self) -> Reply:
        """The next answer, as soon as it may be asked for."""
        while not await self._harmless():
            now = self._ctx.instant()
            until = (
                min(self._not_before, self._row_read + ROW_EVERY) if self._container_id else self._not_before
            )
            await self._ctx.pause(timedelta(seconds=max(0.01, until - now)))
        reply = await self._ask()
        if reply.status in self._ctx.platform.settings.starting_page_status:
            self._not_before = self._ctx.instant() + _retry_after(reply, self._ctx.now())
        return reply

    async def _harmless(self) -> bool:
        now = self._ctx.instant()
        if now >= self._not_before:
            return True
        if self._container_id and now - self._row_read >= ROW_EVERY:
            self._row_read = now
            row = await self._ctx.platform.tables.container(self._container_id)
            self._coming = row is not None and row.status in COMING
        return self._coming


def is_the_waking_page(ctx: Context, page: Reply, thread: str) -> None:
    """What a look at a sleeping chat may show (contract §2.7). Raises Unexpected."""
    starting = ctx.platform.settings.starting_page_status
    page.expect("preview of a sleeping chat")
    if page.status == 502 and "container unreachable" in page.text.casefold():
        return  # routed and woken; the proxying came too early
    expect.one_of("status of a sleeping chat's preview", page.status, {200, *starting})
    if page.status in starting:
        expect.contains("page of a sleeping chat", page.text, "Waking Up Edit Session")
        expect.contains("page of a sleeping chat", page.text, thread)


def _retry_after(reply: Reply, now: datetime) -> float:
    """Seconds that the waking page asks for, as a number or as a date; five if it does not say (contract §2.7).

    Never less than one and never more than a minute: a wrong number neither floods the platform with looks nor
    keeps us from seeing it awake.
    """
    told = (reply.header("retry-after") or "").strip()
    if _WHOLE_SECONDS.fullmatch(told):
        seconds = float(told)
    else:
        try:
            seconds = (parsedate_to_datetime(told).astimezone(UTC) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return RETRY_AFTER
    return min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE)
