"""Many who open chats, at once or one after the other, and what came of it in numbers (contract §12.8)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import fmean

from probes.commanding import heard, unshared
from probes.dialogue import Answer, Dialogue
from probes.factories import Conversation, Factory, Who
from probes.platform import Context
from probes.platform.dialects import SessionFactory
from synthetics.errors import PlatformError, ProbeBroken, Unavailable, Unexpected
from synthetics.model.timing import ZERO

#: A call of ours that waited so long for a thread of ours has spoiled what was measured by it.
LONGEST_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LoadMetrics:
    """What a load came to, in the fields of the platform's own load suite (contract §9.4).

    Response times are those of the sessions that were made, from asking to the answer.
    """

    total_sessions: int
    successful_sessions: int
    failed_sessions: int
    average_response_time: timedelta
    max_response_time: timedelta
    min_response_time: timedelta
    containers_created: int
    queue_sets_created: int
    interrupts_handled: int
    total_duration: timedelta


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who asked for a chat: when, how long after it was due, and the chat or the refusal."""

    who: Who
    began: float
    late: timedelta = ZERO
    chat: Conversation | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """Everybody who asked, in the order of asking; instants are monotonic."""

    attempts: tuple[Attempt, ...]
    began: float
    ended: float
    queue_sets: int

    @property
    def made(self) -> list[Conversation]:
        return [attempt.chat for attempt in self.attempts if attempt.chat is not None]

    @property
    def refusals(self) -> list[str]:
        return [attempt.refusal for attempt in self.attempts if attempt.chat is None]

    @property
    def containers(self) -> Counter[str]:
        """The containers, and how many chats each of them has."""
        return Counter(chat.container_id for chat in self.made)

    @property
    def pairs(self) -> int:
        """How many different users on different projects were served."""
        return len({(chat.user_id, chat.project) for chat in self.made})

    @property
    def slowest(self) -> Attempt | None:
        served = [attempt for attempt in self.attempts if attempt.chat is not None]
        return max(served, key=lambda attempt: _took(attempt), default=None)

    def average(self, attempts: Sequence[Attempt] | None = None) -> timedelta:
        """How long creation took on average, of all or of some; zero where none was made."""
        took = [_took(attempt) for attempt in attempts or self.attempts if attempt.chat is not None]
        return timedelta(seconds=fmean(one.total_seconds() for one in took)) if took else ZERO

    def metrics(self, interrupts: int = 0) -> LoadMetrics:
        took = [chat.took for chat in self.made]
        return LoadMetrics(
            total_sessions=len(self.attempts),
            successful_sessions=len(took),
            failed_sessions=len(self.refusals),
            average_response_time=self.average(),
            max_response_time=max(took, default=ZERO),
            min_response_time=min(took, default=ZERO),
            containers_created=len(self.containers),
            queue_sets_created=self.queue_sets,
            interrupts_handled=interrupts,
            total_duration=timedelta(seconds=self.ended - self.began),
        )


def _took(attempt: Attempt) -> timedelta:
    return attempt.chat.took if attempt.chat else ZERO


def people(
    ctx: Context, load: str, count: int, *, project: Callable[[int], int], user: Callable[[int], int]
) -> list[Who]:
    """So many people of one load, spread over projects and users; LOAD_USERS makes the users fewer.

    Their names are this load's alone, so that no container of another load serves them. Each project has users
    of its own: one user's projects may share a workspace (contract §6.1), where two containers would collide.
    """
    most = ctx.platform.settings.load_users
    return [
        Who(
            user=f"{load}{project(i)}u{user(i) % most if most else user(i)}",
            project=f"{load}-{project(i)}",
            thread=f"{load}-{i}",
        )
        for i in range(count)
    ]


def scaled(ctx: Context, count: int) -> int:
    """As many as LOAD_SHARE makes of a figure of the suites, and never none."""
    return max(1, round(count * ctx.platform.settings.load_share))


async def at_once(ctx: Context, factory: Factory, who: Sequence[Who]) -> Load:
    """All of them ask at the same instant. Raises Unavailable if nobody at all is served."""

    async def opening() -> list[Attempt]:
        return list(await asyncio.gather(*(_ask(ctx, factory, one) for one in who)))

    return await _loaded(ctx, opening)


async def in_a_row(ctx: Context, factory: Factory, who: Sequence[Who]) -> Load:
    """Each asks as soon as the one before has their chat. Raises Unavailable if nobody at all is served."""

    async def opening() -> list[Attempt]:
        return [await _ask(ctx, factory, one) for one in who]

    return await _loaded(ctx, opening)


async def paced(ctx: Context, factory: Factory, who: Sequence[Who], *, every: timedelta) -> Load:
    """They ask on a fixed clock, however slow the answers are.

    Raises Unavailable if nobody at all is served.
    """

    async def opening() -> list[Attempt]:
        began = ctx.instant()
        asking: list[asyncio.Task[Attempt]] = []
        try:
            for number, one in enumerate(who):
                due = began + number * every.total_seconds()
                await ctx.pause(timedelta(seconds=due - ctx.instant()))
                asking.append(asyncio.create_task(_ask(ctx, factory, one, due=due)))
            return list(await asyncio.gather(*asking))
        finally:
            for task in asking:
                task.cancel()

    return await _loaded(ctx, opening)


async def _ask(ctx: Context, factory: Factory, who: Who, *, due: float | None = None) -> Attempt:
    began = ctx.instant()
    late = timedelta(seconds=began - due) if due is not None else ZERO
    try:
        return Attempt(who, began, late, chat=await factory.open(who))
    except PlatformError as error:
        return Attempt(who, began, late, refusal=str(error))


async def _loaded(ctx: Context, opening: Callable[[], Awaitable[list[Attempt]]]) -> Load:
    web = ctx.platform
    before = await web.queues.containers_with_queues(web.client_id)
    began = ctx.instant()
    attempts = _each_their_own(await opening())
    ended = ctx.instant()
    if all(attempt.chat is None for attempt in attempts):
        raise Unavailable(
            f"unexpected: sessions made of {len(attempts)} asked for: wanted some, got none; "
            f"{attempts[0].refusal}"
        )
    after = await web.queues.containers_with_queues(web.client_id)
    sets = (after - before) | {attempt.chat.queues.container_id for attempt in attempts if attempt.chat}
    return Load(tuple(attempts), began, ended, len(sets))


def _each_their_own(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts, but of those that got one and the same session only the first: the others got none.

    Where a request is not answered, its session is looked up, and may turn out to be somebody else's.
    """
    known: set[str] = set()
    told: list[Attempt] = []
    for attempt in attempts:
        if attempt.chat is not None and attempt.chat.session_id in known:
            told.append(replace(attempt, chat=None, refusal="no answer, and no session that is not another's"))
            continue
        known |= {attempt.chat.session_id} if attempt.chat else set()
        told.append(attempt)
    return told


@asynccontextmanager
async def dismissed(ctx: Context, factory: Factory, load: Load) -> AsyncIterator[Load]:
    """The load inside this block; then everybody is let go, so that the next load finds room.

    What cannot be let go is left to the clean-up.
    """

    async def close(chat: Conversation) -> None:
        with suppress(PlatformError):
            await factory.close(chat)
            await ctx.platform.tables.delete_mapping(_mapped(chat))

    try:
        yield load
    finally:
        await asyncio.gather(*map(close, load.made))


async def kept_awake(ctx: Context, chat: Conversation) -> None:
    """Map the chat's thread: while that is written, its container does not sleep (contract Q16)."""
    tables = ctx.platform.tables
    if await tables.mapping(_mapped(chat)) is None:
        await tables.put_mapping(_mapped(chat), session_id=chat.session_id, container_id=chat.container_id)


def _mapped(chat: Conversation) -> str:
    """The thread's id as its mapping is keyed."""
    return chat.row.thread_id or chat.thread


def room_for(ctx: Context, load: Load) -> int:
    """How many containers these chats may have: one for each user on each project, where those are shared."""
    return len(load.made) if unshared(ctx) else load.pairs


@contextmanager
def unhurried_by_us(ctx: Context, load: Load) -> Iterator[None]:
    """Limits of time are held inside this block; a delay of our own making is not laid at the platform's door.

    Raises ProbeBroken in place of what the block raises. Opening a chat by hand is made of AWS calls, which
    may have waited for a thread of ours; one that Hermes opens is a single request that waits for nothing.
    """
    try:
        yield
    except Unexpected as error:
        waited = ctx.platform.waits.longest_since(load.began)
        by_hand = ctx.platform.settings.session_factory is SessionFactory.DIRECT
        if not by_hand or waited <= LONGEST_WAIT:
            raise
        raise ProbeBroken(
            f"our own trouble: a call to AWS waited {waited.total_seconds():.1f} s for a thread of ours. "
            f"Seen meanwhile: {error}"
        ) from error


# -- talking ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a command: its answer, or what was wrong."""

    chat: Conversation
    answer: Answer | None = None
    trouble: str = ""

    @property
    def interrupted(self) -> bool:
        return self.answer is not None and self.answer.response.told_interrupted

    @property
    def carried_out(self) -> bool:
        return self.answer is not None and self.answer.response.success and not self.interrupted

    def __str__(self) -> str:
        if self.answer is None:
            return self.trouble
        told = self.answer.response
        return f"{self.answer.sent.command.instruction!r}: {told.error or told.summary or 'no success'!r}"


async def one_command_each(
    ctx: Context, chats: Sequence[Conversation], instruction: Callable[[int], str], *, together: bool
) -> list[Heard]:
    """A command of each chat, once their containers are at rest; none of them sleeps meanwhile.

    Containers are talked to side by side. Of the chats of one container each waits for the answer to the one
    before, which a newer command would interrupt; `together` they do not wait.
    """
    numbered = {chat.session_id: number for number, chat in enumerate(chats)}
    groups: dict[str, list[Conversation]] = {}
    for chat in chats:
        groups.setdefault(chat.container_id, []).append(chat)
    dialogues = {container: Dialogue(ctx, group[0].queues) for container, group in groups.items()}
    await asyncio.gather(*(kept_awake(ctx, group[0]) for group in groups.values()))
    await asyncio.gather(*(dialogues[container].at_rest(*group) for container, group in groups.items()))

    async def ask(chat: Conversation) -> Heard:
        dialogue = dialogues[chat.container_id]
        try:
            sent = await dialogue.say(chat, instruction(numbered[chat.session_id]))
            return Heard(chat, await heard(ctx, dialogue, sent))
        except PlatformError as error:
            return Heard(chat, trouble=str(error))

    async def ask_group(group: Sequence[Conversation]) -> list[Heard]:
        if together:
            return list(await asyncio.gather(*map(ask, group)))
        return [await ask(chat) for chat in group]

    return [one for group in await asyncio.gather(*map(ask_group, groups.values())) for one in group]
