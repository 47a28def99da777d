"""Thread identity (contract §8.3, §12.7): which chat a mail belongs to, by what it tells of other mails."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from probes.cases import cases
from probes.platform import Context
from probes.platform.dialects import RoutingDialect
from probes.platform.mail import Letter
from probes.platform.threads import chat_thread, hashed
from probes.platform.values import SessionRow
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import TimedOut, Unexpected

SEND = Step("mails_are_sent", budget=timedelta(seconds=10))
FOUND = Step("each_finds_its_thread", budget=timedelta(seconds=90))
NAMELESS = Step("mails_that_tell_nothing_get_threads_of_their_own", budget=timedelta(seconds=90))

MAILS = ("TH-01", "TH-02", "TH-03", "TH-04")

SPEC = ProbeSpec(
    name="thread-identity",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=1),
    timeout=timedelta(minutes=6),
    steps=(SEND, FOUND, NAMELESS),
    cases=cases(*MAILS, "TH-08"),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)
WITH_BRACKETS = "that id and its brackets"


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail, its case, what its thread is to be made of, and what might be taken instead, with that thread."""

    case: str
    letter: Letter
    source: str
    instead: Mapping[str, str]


@probe(SPEC)
async def thread_identity(ctx: Context) -> None:
    """Whoever answers a mail goes on with the chat that it belongs to, and a new mail begins a new one."""
    ctx.cleanup(ctx.platform.clean_up)
    if ctx.platform.settings.routing_dialect is not RoutingDialect.LAMBDA:
        for case in (*MAILS, "TH-08"):
            ctx.skip(case, "ROUTING_DIALECT=path: that generation's intake makes no threads of mails' ids")
        return

    async with ctx.step(SEND):
        posted = letters(ctx)
        for one in posted:
            await ctx.platform.mail.send(one.letter)

    async with ctx.step(FOUND):
        sessions = await each_finds_its_thread(ctx, posted)

    async with ctx.step(NAMELESS):
        await nameless_are_apart(ctx, sessions)


def letters(ctx: Context) -> list[Posted]:
    """Four mails: one that refers to others, one that answers another, a new one, and one without brackets."""
    mail = ctx.platform.mail
    first, second, answered, bare = (mail.new_id() for _ in range(4))

    def letter(text: str, in_reply_to: str | None = None, references: tuple[str, ...] = ()) -> Letter:
        return mail.letter(text, project="site", in_reply_to=in_reply_to, references=references)

    refers = letter("Add a page about us", in_reply_to=second, references=(first, second))
    answers = letter("Add a page about you", in_reply_to=answered)
    new = letter("Add a page about them")
    brackets = letter("Add a page about all", in_reply_to=bare.strip("<>"))
    own = "its own id"
    return [
        Posted(
            "TH-01",
            refers,
            "its first reference",
            {
                WITH_BRACKETS: hashed(first),
                "the mail that it answers, its last reference": chat_thread(second),
                own: chat_thread(refers.message_id),
            },
        ),
        Posted(
            "TH-02",
            answers,
            "the mail that it answers",
            {WITH_BRACKETS: hashed(answered), own: chat_thread(answers.message_id)},
        ),
        Posted("TH-03", new, own, {WITH_BRACKETS: hashed(new.message_id)}),
        Posted(
            "TH-04",
            brackets,
            "the mail that it answers, told without brackets",
            {WITH_BRACKETS: hashed(bare), own: chat_thread(brackets.message_id)},
        ),
    ]


# -- finding ---------------------------------------------------------------------------------------------


async def each_finds_its_thread(ctx: Context, posted: list[Posted]) -> dict[str, str]:
    """TH-01 to TH-04. The sessions that the mails' threads lead to, by thread. Raises TimedOut if none came."""
    sessions: dict[str, str] = {}

    async def missing() -> list[str]:
        for one in posted:
            if one.letter.thread not in sessions and (found := await session_of(ctx, one.letter.thread)):
                sessions[one.letter.thread] = found
                ctx.platform.mail.heard(one.letter)
        return [one.case for one in posted if one.letter.thread not in sessions]

    try:
        await ctx.eventually(
            missing,
            until=lambda cases: not cases,
            within=patience(ctx),
            what="threads of four mails",
            pace=DEAR,
        )
    except TimedOut as error:
        if not sessions and not await came_of_mails(ctx):
            with ctx.check("TH-03", essential=True):
                raise TimedOut(f"{error}; no session at all came of them: the intake takes no mail") from error
    for one in posted:
        await judge(ctx, one, sessions.get(one.letter.thread))
    return sessions


def patience(ctx: Context) -> timedelta:
    """How long a mail may be under way here: that it is late is E2E-01's, and says nothing of its thread."""
    return 2 * ctx.platform.settings.target_mail_to_preview


async def judge(ctx: Context, one: Posted, session_id: str | None) -> None:
    """The mail was found under the thread that was promised, or under which other. TH-04 owns the brackets."""
    if session_id is not None:
        with ctx.check(one.case) as check:
            check.saw(thread=one.letter.thread, session=session_id)
            row = await ctx.platform.tables.session(session_id)
            if row is not None and row.thread_id is not None:
                told = row.thread_id.removeprefix("thread-")
                expect.equal(f"thread in the row of session {session_id}", told, one.letter.thread)
        return
    instead = None
    for way, thread in one.instead.items():
        if await session_of(ctx, thread):
            ctx.platform.mail.heard(one.letter)
            instead = f"{thread} (of {way})"
            break
    brackets = instead is not None and WITH_BRACKETS in instead
    if brackets and one.case != "TH-04":
        ctx.skip(one.case, "its thread was made of an id and its brackets (TH-04)")
    with ctx.check("TH-04" if brackets else one.case):
        raise Unexpected(
            f"unexpected: thread of the mail {one.letter.message_id}: wanted {one.letter.thread} (of "
            f"{one.source}), got {instead or 'none that could be made of any id in it'}"
        )


async def session_of(ctx: Context, thread: str) -> str | None:
    """The session that a thread leads to, by its mapping; it is this run's from now on. None if unmapped."""
    web = ctx.platform
    mapping = await web.tables.mapping(thread)
    if mapping is None or not mapping.session_id:
        return None
    web.guard.belongings.adopt("session", mapping.session_id)
    web.guard.belongings.adopt("thread", thread)
    if mapping.container_id:
        await web.note_container(mapping.container_id)
    return mapping.session_id


async def came_of_mails(ctx: Context) -> dict[str, SessionRow]:
    """The sessions that came of this run's mails so far, by their ids."""
    web = ctx.platform
    containers = web.known().containers
    return {row.session_id: row for row in await web.tables.sessions_of_client(web.mail.client_id, containers)}


async def nameless_are_apart(ctx: Context, sessions: Mapping[str, str]) -> None:
    """TH-08: two mails without any id each begin a chat of their own, under a thread that none other has."""
    mail = ctx.platform.mail
    known = {*await came_of_mails(ctx), *sessions.values()}
    texts = ("Add a page about nothing", "Add a page about nobody")
    letters = [mail.letter(text, project="site", nameless=True) for text in texts]
    for letter in letters:
        await mail.send(letter)

    async def fresh() -> dict[str, str]:
        return {
            session: _thread(row) for session, row in (await came_of_mails(ctx)).items() if session not in known
        }

    with ctx.check("TH-08") as check:
        came = await ctx.eventually(
            fresh,
            until=lambda found: len(found) >= 2,
            within=patience(ctx),
            what="two chats of two mails that tell nothing of a thread (session and thread of each)",
            pace=DEAR,
        )
        mail.heard(*letters)
        threads = list(came.values())
        check.saw(threads=threads)
        expect.true(f"threads of mails that tell nothing: {threads}", all(threads), wanted="a thread for each")
        expect.equal("threads of two mails that tell nothing", len({*threads, *sessions}), len(sessions) + 2)


def _thread(row: SessionRow) -> str:
    return (row.thread_id or row.edit_branch or "").removeprefix("thread-")
