"""Session persistence (contract §12.2): files, history and rows outlive the container they were made in."""

from datetime import timedelta

from probes import chats
from probes.cases import cases
from probes.chats import Chat
from probes.platform import Context
from probes.platform.values import SessionRow
from probes.platform.workspace import EVERY_BRANCH, Workspace
from probes.restarts import stop_everything
from probes.timings import FILE_CHECK
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR
from synthetics.errors import PlatformError

WORK = Step("work_is_done", budget=timedelta(seconds=120))
LOOK = Step("looks_at_files_are_quick", budget=timedelta(seconds=6))
OTHER = Step("another_customer_works_elsewhere", budget=timedelta(seconds=120))
ROWS = Step("rows_keep_what_they_say", budget=timedelta(seconds=30))
STOP = Step("everything_is_stopped", budget=timedelta(seconds=60))
AGAIN = Step("work_is_taken_up_again", budget=timedelta(seconds=120))

SPEC = ProbeSpec(
    name="session-persistence",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(hours=6),
    timeout=timedelta(minutes=15),
    steps=(WORK, LOOK, OTHER, ROWS, STOP, AGAIN),
    cases=cases(*(f"SP-{n:02}" for n in range(1, 8))),
    timings=(FILE_CHECK,),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)

FILE, HEADER, FOREIGN = "test-persistence.txt", "src/components/Header.astro", "other-customer.txt"
NOTES = {"customField": "persistence-test"}
LOOKS = 3
#: The longest that a session of activate may live by its `ttl` (contract §3.1), direct rows' day included.
LONGEST_LIFE = timedelta(days=1, minutes=5)
NO_WORK = "the work that was to be kept was never there, see SP-01"


@probe(SPEC)
async def session_persistence(ctx: Context) -> None:
    """Someone whose container was stopped meanwhile finds files, history and session as they left them."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    ctx.fact("session_factory", "http")

    async with ctx.step(WORK):
        chat = await chats.open_chat(ctx, f'Create {FILE} with content "{ctx.tag}"', metadata=NOTES)
        await chats.until_ready(ctx, chat.row)
        if web.settings.isolated:
            await chats.map_thread(ctx, chat)  # so that it does not go to sleep while we work
        workspace, refusal = chats.window(ctx, chat)
        worked = await work_is_done(ctx, workspace, refusal)

    async with ctx.step(LOOK):
        await looks_are_quick(ctx, workspace, refusal)

    async with ctx.step(OTHER):
        await another_customer(ctx, chat, workspace, refusal)

    if not ctx.allowed("SP-03"):
        return  # nothing below can be checked where others work

    async with ctx.step(ROWS):
        before = await rows_keep(ctx, chat)
        await rows_expire(ctx, chat)

    async with ctx.step(STOP):
        subjects = [] if workspace is None or not worked else await workspace.log(EVERY_BRANCH)
        with ctx.check("SP-01", essential=True):
            await stop_everything(ctx)

    async with ctx.step(AGAIN):
        await taken_up_again(ctx, workspace if worked else None, subjects)
        await row_outlived(ctx, chat, before)


async def work_is_done(ctx: Context, workspace: Workspace | None, refusal: str) -> bool:
    """The first halves of SP-01, SP-02 and SP-06: a file and a header, each asked for and committed."""
    refused = [case for case in ("SP-01", "SP-02", "SP-06") if not ctx.allowed(case)]
    if refused:
        return False
    if workspace is None:
        for case in ("SP-02", "SP-06"):
            ctx.skip(case, refusal)
        return False
    with ctx.check("SP-01") as check:
        await _committed(ctx, workspace, FILE)
    if check.failed:
        for case in ("SP-02", "SP-06"):
            ctx.skip(case, NO_WORK)
        return False
    with ctx.check("SP-06") as check:
        await chats.open_chat(ctx, f"Create Header component as {HEADER}")
        await _committed(ctx, workspace, HEADER)
        await _header_in_history(workspace)
    return True


async def _committed(ctx: Context, workspace: Workspace, file: str) -> None:
    """Wait for a file that was asked for, and for a working tree with nothing unsaved in it."""

    async def done() -> str:
        if not await workspace.exists(file):
            return f"no {file}"
        status = await workspace.status()
        return f"unsaved: {', '.join(status.changes)}" if status.dirty else ""

    await ctx.eventually(
        done,
        until=lambda missing: not missing,
        within=ctx.platform.settings.target_response,
        what=f"{file} in the workspace and committed (the session is up, but the edit was not applied)",
        pace=DEAR,
    )


async def _header_in_history(workspace: Workspace) -> None:
    subjects = await workspace.log(EVERY_BRANCH)
    named = any("Create Header component" in subject for subject in subjects)
    expect.true(f"history {subjects[:5]}", named, wanted="a commit named 'Create Header component'")


async def looks_are_quick(ctx: Context, workspace: Workspace | None, refusal: str) -> None:
    """SP-07: whether a file of a warm container is there is told in under two seconds, each time."""
    if workspace is None:
        ctx.skip("SP-07", refusal)
        return
    with ctx.check("SP-07") as check:
        took: list[timedelta] = []
        for _ in range(LOOKS):
            asked = ctx.instant()
            await workspace.exists(FILE)
            took.append(ctx.measure("file_check", since=asked, until=ctx.instant()).took)
        check.saw(took=took)
        expect.within("the slowest look at a file", max(took), ctx.platform.settings.target_file_check)


async def another_customer(ctx: Context, chat: Chat, workspace: Workspace | None, refusal: str) -> None:
    """SP-05: two customers have sessions, containers and workspaces of their own, and keep their names."""
    with ctx.check("SP-05") as check:
        other = await chats.open_chat(
            ctx, f'Create {FOREIGN} with content "{ctx.tag}"', client="other", thread="other"
        )
        await chats.until_ready(ctx, other.row)
        if ctx.platform.settings.isolated:
            await chats.map_thread(ctx, other)
        ours, theirs = await chats.fresh_row(ctx, chat), await chats.fresh_row(ctx, other)
        check.saw(sessions=[ours.session_id, theirs.session_id], clients=[ours.client_id, theirs.client_id])
        expect.different("session of another customer", theirs.session_id, ours.session_id)
        if ours.container_id and theirs.container_id:
            expect.different("container of another customer", theirs.container_id, ours.container_id)
        for row, asked in ((ours, chat.asked), (theirs, other.asked)):
            if row.client_id is not None:  # rows of generation B name none (contract §3.1)
                expect.equal(f"clientId of session {row.session_id}", row.client_id, asked.client_id)
        elsewhere = chats.workspace_of(ctx, other)
        if workspace is None or elsewhere is None:
            check.degrade(f"nobody looked into the two workspaces: {refusal}")
            return
        await _committed(ctx, elsewhere, FOREIGN)
        expect.empty(
            f"files of {other.asked.client_id} in the workspace of {chat.asked.client_id}",
            [FOREIGN] if await workspace.exists(FOREIGN) else [],
        )


async def rows_keep(ctx: Context, chat: Chat) -> SessionRow:
    """SP-03, while it is used: a session's client, state and notes stay, and its last activity moves on.

    Keepalive is the platform's own touch. Where it does nothing (contract Q2) we touch the row by hand.
    """
    web = ctx.platform
    row = await ctx.eventually(
        lambda: chats.fresh_row(ctx, chat),
        until=lambda row: row.status != "initializing",
        within=web.settings.container_ready_timeout,
        what=f"session {chat.session_id} active",
        pace=DEAR,
    )
    kept = row
    with ctx.check("SP-03") as check:
        if not row.metadata:  # today's platform ignores what activate is given (contract §2.3)
            await web.tables.update_session(row, metadata=NOTES)
        before = await chats.fresh_row(ctx, chat)
        await ctx.pause(timedelta(seconds=min(2.0, web.settings.idle_timeout.total_seconds() / 4)))
        reply = await web.hermes.keepalive_reply(chat.session_id)
        after = await chats.fresh_row(ctx, chat)
        if not _later(after, before):
            check.degrade(f"keepalive did not move lastActivity ({reply.told()}; contract Q2)")
            await web.tables.update_session(row, lastActivity=int(ctx.now().timestamp() * 1000))
            after = await chats.fresh_row(ctx, chat)
        kept = after
        check.saw(keepalive=reply.told(), before=before.last_activity, after=after.last_activity)
        expect.true("lastActivity after a touch", _later(after, before), wanted="a later time than before")
        _same(before, after)
        expect.equal("status of the session after a touch", after.status, before.status)
    return kept


def _later(after: SessionRow, before: SessionRow) -> bool:
    return after.last_activity is not None and (
        before.last_activity is None or after.last_activity > before.last_activity
    )


def _same(before: SessionRow, after: SessionRow) -> None:
    expect.equal("clientId of the session", after.client_id, before.client_id)
    expect.equal("notes (metadata) of the session", dict(after.metadata), dict(before.metadata))


async def rows_expire(ctx: Context, chat: Chat) -> None:
    """SP-04: a session's life has an end; one that is marked expired reads so, and is gone once deleted."""
    web = ctx.platform
    with ctx.check("SP-04") as check:
        row = chat.row  # as it was written: keepalive gives it a new end
        check.saw(ttl=row.ttl)
        if not row.generation_b:
            expect.true(f"ttl of {row}", row.ttl, wanted="the second when its life ends")
        if row.ttl is not None:
            expect.true(f"ttl of {row}: {row.ttl}", row.ttl > ctx.now(), wanted="a time to come")
            expect.within("the life of a session by its ttl", row.ttl - ctx.now(), LONGEST_LIFE)
        session_id = f"{web.client_id}-{chats.PROJECT}-brief{ctx.tag}"
        ttl = int(ctx.now().timestamp()) + 30
        await web.tables.put_session(session_id, status="active", user=chat.asked.user_id, ttl=ttl)
        brief = await web.tables.session(session_id)
        expect.true(f"row of session {session_id}, just written", brief, wanted="a row")
        assert brief is not None
        await web.tables.update_session(brief, status="expired")
        expired = await web.tables.session(session_id)
        expect.equal("status after expiry", expired.status if expired else "no row", "expired")
        told = await web.hermes.status_reply(session_id)
        check.saw(hermes=told.told())
        if told.ok:
            expect.equal("status that Hermes tells of it", told.json().get("status"), "expired")
        await web.tables.delete_session_rows(session_id)
        left = await web.tables.session(session_id)
        expect.empty("rows of the session after its deletion", [str(left)] if left else [])


async def taken_up_again(ctx: Context, workspace: Workspace | None, subjects: list[str]) -> None:
    """SP-01, SP-02 and SP-06 after the restart: the same customer and user find what they had left."""
    web = ctx.platform
    with ctx.check("SP-01", essential=True) as check:
        again = await chats.open_chat(ctx, f"Update {HEADER} with a link home")
        await chats.until_ready(ctx, again.row)
        row = await chats.fresh_row(ctx, again)
        if row.client_id is not None:
            expect.equal("clientId of the second session", row.client_id, web.client_id)
        if workspace is None:
            check.degrade("nobody looked for files before and after the restart: FILE_CHECK shows none")
            return
    with ctx.check("SP-01"):
        kept = await workspace.exists(FILE)
        expect.true(f"{FILE} after the container was stopped and started again", kept, wanted="the file")
    with ctx.check("SP-02") as check:
        now = await workspace.log(EVERY_BRANCH)
        check.saw(before=subjects[:10], after=now[:10])
        lost = [subject for subject in subjects if subject not in now]
        expect.empty("commits of before the restart that are no longer in any branch's history", lost)
    with ctx.check("SP-06"):
        kept = await workspace.exists(HEADER)
        expect.true(f"{HEADER} after the restart", kept, wanted="the file")
        await _header_in_history(workspace)


async def row_outlived(ctx: Context, chat: Chat, before: SessionRow) -> None:
    """SP-03 after the restart: the first session's row still says whose it is, and what was noted in it."""
    with ctx.check("SP-03") as check:
        row = await ctx.platform.tables.session(chat.session_id)
        if row is None and before.generation_b:
            check.degrade("the session's row is gone: the multi-session platform deletes it on release")
            return
        if row is None:
            raise PlatformError(
                f"unexpected: row of session {chat.session_id} after its container was stopped: wanted it "
                "(rows outlive containers, contract §6.3), got none"
            )
        check.saw(status=row.status, metadata=dict(row.metadata))
        _same(before, row)
