"""Many who ask at once, or rapidly: made or cleanly refused, within the service's capacity (FR-02, 05, 06)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean, median

from probes import chats
from probes.chats import Chat
from probes.platform import Context
from probes.platform.values import SessionRow
from synthetics.contract import expect
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError, Unexpected

#: The file that each of them asks for, and what is noted in their sessions' rows.
FILE, NOTES = "recovery.txt", {"customField": "failure-recovery"}
#: Answers that the load balancer gives in Hermes' place (contract §2.4).
_OF_THE_BALANCER = frozenset({502, 503, 504})
_MOST_SHOWN = 3
#: Of sessions made rapidly, so many must be made (contract §10, sustained load); one that is not is tolerated.
ENOUGH = 0.9


@dataclass(frozen=True, slots=True)
class Asked:
    """One who asked: their chat, or the refusal."""

    user: str
    chat: Chat | None = None
    refusal: PlatformError | None = None

    @property
    def clean(self) -> bool:
        """Whether the refusal is an error that says so and why, as Hermes words them (contract §2.4)."""
        body = str(self.refusal.evidence.get("body", "")) if self.refusal else ""
        return self._status >= 400 and body.lstrip().startswith("{") and '"message"' in body

    @property
    def by_the_balancer(self) -> bool:
        return not self.clean and self._status in _OF_THE_BALANCER

    @property
    def _status(self) -> int:
        status = self.refusal.evidence.get("status") if self.refusal else None
        return status if isinstance(status, int) else 0


async def _ask(ctx: Context, user: str, *, thread: str) -> Asked:
    try:
        chat = await chats.open_chat(
            ctx, f'Create {FILE} with content "{ctx.tag}"', user=user, thread=thread, metadata=NOTES
        )
    except PlatformError as error:
        return Asked(user, refusal=error)
    return Asked(user, chat)


async def many_at_once(ctx: Context) -> list[Chat]:
    """FR-02: of twenty who ask at once some get a session, and all others an error that says so."""
    count = ctx.platform.settings.stress_count
    with ctx.check("FR-02", essential=True) as check:
        users = [f"stress{number}" for number in range(count)]
        asked = await asyncio.gather(*(_ask(ctx, user, thread=user) for user in users))
        made = [one.chat for one in asked if one.chat is not None]
        refused = [one for one in asked if one.refusal is not None]
        check.saw(
            made=len(made),
            looked_up=sum(chat.asked.looked_up for chat in made),
            creation_seconds=[round(chat.asked.took.total_seconds(), 3) for chat in made],
            refusals=[str(one.refusal) for one in refused[:_MOST_SHOWN]],
        )
        if not made:
            raise Unexpected(
                f"unexpected: sessions made of {count} asked for at once: wanted at least 1, got none; "
                f"{refused[0].refusal}"
            )
    with ctx.check("FR-02") as check:
        _clean_refusals(refused)
        by_balancer = [one for one in refused if one.by_the_balancer]
        if by_balancer:
            check.degrade(
                f"{len(by_balancer)} of {count} were refused by the load balancer in Hermes' place: "
                f"{by_balancer[0].refusal}"
            )
        await _nothing_made_for(ctx, refused)
    return made


def _clean_refusals(refused: Sequence[Asked]) -> None:
    unclean = [one for one in refused if not one.clean and not one.by_the_balancer]
    if unclean:
        raise Unexpected(
            f"unexpected: refusals when many ask at once: wanted errors with a status and a message, got "
            f"{len(unclean)} of another kind: {' '.join(str(unclean[0].refusal).split())}"
        )


async def _nothing_made_for(ctx: Context, refused: Sequence[Asked]) -> None:
    """A session that Hermes refused may have a row that is over, but none that lives on."""
    web = ctx.platform
    users = {web.hermes.user(f"{one.user}-{ctx.tag}") for one in refused if one.clean}
    if not users:
        return

    async def alive() -> list[SessionRow]:
        rows = await web.tables.sessions_of_client(web.client_id)
        return [row for row in rows if row.user_id in users and not row.terminal]

    await ctx.eventually(
        alive,
        until=lambda rows: not rows,
        within=web.settings.container_ready_timeout,
        what="no living session of those who were refused",
        pace=DEAR,
    )


async def capacity_holds(ctx: Context) -> None:
    """FR-05: while far more work than there is room for, the edit service keeps to its capacity.

    Tasks launched with RunTask are bounded by nobody (contract §5.4), and are not the service's.
    """
    web = ctx.platform
    with ctx.check("FR-05") as check:
        running, desired = [], []
        until = ctx.instant() + web.settings.index_lag.total_seconds()
        while True:
            service = await web.tasks.edit_service()
            running.append(service.running)
            desired.append(service.desired)
            if ctx.instant() >= until:
                break
            await ctx.pause(DEAR.floor)
        check.saw(running=running, desired=desired)
        expect.at_most("running tasks of the edit service", max(running), web.settings.max_tasks)
        expect.at_most("desired tasks of the edit service", max(desired), web.settings.max_tasks)


async def made_rapidly(ctx: Context) -> timedelta:
    """FR-06: ten sessions of one user within a minute, on a fixed clock; the usual time that one took.

    Zero if none was made.
    """
    settings = ctx.platform.settings
    count, every = settings.rapid_count, settings.rapid_span / settings.rapid_count
    with ctx.check("FR-06") as check:
        began = ctx.instant()
        asked: list[Asked] = []
        for number in range(count):
            due = began + number * every.total_seconds()
            await ctx.pause(timedelta(seconds=max(0.0, due - ctx.instant())))
            asked.append(await _ask(ctx, "rapid", thread=f"rapid{number}"))
        whole = timedelta(seconds=ctx.instant() - began)
        took = [one.chat.asked.took.total_seconds() for one in asked if one.chat is not None]
        refusals = [str(one.refusal) for one in asked if one.refusal is not None]
        check.saw(
            made=len(took),
            sessions_per_minute=round(60 * len(took) / max(whole.total_seconds(), 0.001), 1),
            creation_seconds=[round(seconds, 3) for seconds in took],
            refusals=refusals[:_MOST_SHOWN],
        )
        if len(took) < ENOUGH * count:
            raise Unexpected(
                f"unexpected: sessions made of {count}, asked for one every {every.total_seconds():g} s: "
                f"wanted at least {ENOUGH:.0%}, got {len(took)}; {refusals[0]}"
            )
        mean = timedelta(seconds=fmean(took))
        expect.within("creation on average, when asked for rapidly", mean, settings.target_concurrent_creation)
        if refusals:
            check.degrade(f"{len(refusals)} of {count} were refused: {refusals[0]}")
    return timedelta(seconds=median(took)) if took else timedelta()
