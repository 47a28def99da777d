"""Events that meet (contract §12.5, CH-09 to CH-11): a race, an end this very second, an answer too late."""

import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from probes.chats import PROJECT
from probes.platform import Context
from probes.platform.values import SessionRow
from synthetics.contract import expect
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, TimedOut, Unexpected

#: What the edit service is asked for, each before the one before can have been carried out.
ASKED = (2, 0, 1, 0)
#: Seconds that a brief session lives longer than lists may lag.
_LONGER = 2
_ALIVE = frozenset({"active", "idle", "initializing"})
#: How long a caller waits for an answer, in shares of the usual time: about as long as it takes.
_SHARES = (0.7, 1.0, 1.3)
_SHORTEST = timedelta(milliseconds=20)


async def scaling_ends_as_asked(ctx: Context) -> None:
    """CH-10: scaled up and down before either is done, the service ends at what was asked for last.

    It ends at 0, where nobody's autoscaling has a reason to ask for anything else.
    """
    web = ctx.platform
    with ctx.check("CH-10") as check:
        asked = [min(count, web.settings.max_tasks) for count in ASKED]
        for count in asked:
            await web.tasks.scale_edit(count)
        told = " then ".join(map(str, asked))
        await ctx.eventually(
            web.tasks.edit_service,
            until=lambda service: service.desired == 0 and service.stable,
            within=web.settings.container_ready_timeout + web.settings.scale_down_timeout,
            what=f"edit service asked for {told} tasks at once to have 0",
            pace=DEAR,
        )
        await ctx.pause(web.settings.index_lag)  # for a task that an earlier request starts late
        service = await web.tasks.edit_service()
        tasks = await web.tasks.edit_tasks()
        late = [str(task) for task in tasks if task.of_service(web.settings.edit_service)]
        check.saw(desired=service.desired, running=service.running, pending=service.pending)
        expect.equal(f"desired tasks a while after {told} were asked for", service.desired, 0)
        expect.empty("tasks of the edit service that outlived its scaling to 0", late)
    if check.failed:
        await web.tasks.scale_edit(0)


@dataclass(frozen=True, slots=True)
class Brief:
    """A session whose time ends soon."""

    session_id: str
    end: datetime


async def brief_session(ctx: Context) -> Brief | None:
    """The first half of CH-09: a session whose time ends in seconds, and of which Hermes tells.

    None where it does not tell of a session that was written by hand: its end cannot be watched then.
    """
    web = ctx.platform
    session_id = f"{web.client_id}-{PROJECT}-brief{ctx.tag}"
    lag = web.settings.index_lag
    end = int(ctx.now().timestamp()) + math.ceil(lag.total_seconds()) + _LONGER
    user = web.hermes.user(f"brief-{ctx.tag}")
    try:
        await web.tables.put_session(session_id, status="active", user=user, ttl=end)
        await ctx.eventually(
            lambda: _told(ctx, session_id),
            until=lambda told: told.alive and told.listed,
            within=lag + timedelta(seconds=1),
            what=f"session {session_id} told of by Hermes",
            pace=DEAR,
        )
    except PlatformError as error:
        ctx.skip("CH-09", f"Hermes does not tell of a session written by hand: {error}")
        return None
    return Brief(session_id, datetime.fromtimestamp(end, tz=UTC))


@dataclass(frozen=True, slots=True)
class Told:
    """What Hermes says of one session in its status and in its list of active ones."""

    status: str
    listed: bool

    @property
    def alive(self) -> bool:
        return self.status in _ALIVE

    @property
    def agrees(self) -> bool:
        return self.alive == self.listed

    def __str__(self) -> str:
        return f"status {self.status}, {'listed' if self.listed else 'not listed'} as active"


async def _told(ctx: Context, session_id: str) -> Told:
    hermes = ctx.platform.hermes
    reply = await hermes.status_reply(session_id)
    status = str(reply.json().get("status")) if reply.ok else reply.told()
    listed = await hermes.sessions_of_client()
    return Told(status, any(session.get("sessionId") == session_id for session in listed))


async def one_word_for_it(ctx: Context, brief: Brief) -> None:
    """CH-09: once its time is over, status and list say the same of a session, as soon as lists may lag."""
    web = ctx.platform
    with ctx.check("CH-09") as check:
        over = brief.end + timedelta(seconds=1)  # `ttl` is in whole seconds
        await ctx.pause(max(timedelta(0), over - ctx.now()))
        told = await _agreed(ctx, brief.session_id)
        check.saw(status=told.status, listed=told.listed)
        if not told.agrees:
            raise Unexpected(
                "unexpected: what Hermes says of a session whose time is over: wanted its status and its list "
                f"of active sessions to agree, got {told}"
            )
        await web.tables.delete_session_rows(brief.session_id)


async def _agreed(ctx: Context, session_id: str) -> Told:
    """What is told once it agrees, or when the lists have had their time."""
    try:
        return await ctx.eventually(
            lambda: _told(ctx, session_id),
            until=lambda told: told.agrees,
            within=ctx.platform.settings.index_lag + timedelta(seconds=1),
            what="agreement",
            pace=DEAR,
        )
    except TimedOut:
        return await _told(ctx, session_id)


async def answers_come_late(ctx: Context, usual: timedelta) -> None:
    """CH-11: whoever hangs up when the answer is about to come finds one session of theirs, or none."""
    web = ctx.platform
    with ctx.check("CH-11") as check:
        user = f"late-{ctx.tag}"
        answered: list[str] = []
        for share in _SHARES:
            session_id = await _hasty(ctx, user, patience=max(_SHORTEST, share * usual))
            answered += [session_id] if session_id else []
        await ctx.pause(max(web.settings.index_lag, usual))  # what was asked for last may still be under way
        rows = await _rows_of(ctx, web.hermes.user(user))
        check.saw(asked=len(_SHARES), answered=len(answered), rows=len(rows), usual=usual)
        expect.at_most(f"session rows of {len(_SHARES)} requests", len(rows), len(_SHARES))
        known = {row.session_id for row in rows}
        expect.empty("sessions that were answered for and have no row", sorted(set(answered) - known))
        expect.equal("different sessions answered for", len(set(answered)), len(answered))


async def _hasty(ctx: Context, user: str, *, patience: timedelta) -> str | None:
    """Ask for a session and hang up when patience ends; its id if the answer came before."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            asked = await ctx.platform.hermes.activate("Add a page about us", user=user, project=PROJECT)
    except TimeoutError:
        return None
    except Unexpected:
        return None  # a refusal makes no session, and is counted where sessions are asked for
    return asked.session_id


async def _rows_of(ctx: Context, user: str) -> list[SessionRow]:
    rows = await ctx.platform.tables.sessions_of_client(ctx.platform.client_id)
    return [row for row in rows if row.user_id == user]
