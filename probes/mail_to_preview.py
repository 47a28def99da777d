"""From a mail to a preview (contract §1.3, §12.9): the whole journey, timed hop by hop."""

from datetime import timedelta

from probes import chats
from probes.cases import cases
from probes.factories.email import Email
from probes.platform import Context
from probes.platform.mail import Letter
from probes.platform.phases import Instants
from probes.platform.values import SessionRow
from probes.timings import MAIL_TO_PREVIEW
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe
from synthetics.contract.waiting import DEAR

SESSION = Step("a_session_comes_of_a_mail", budget=timedelta(seconds=15))
START = Step("its_container_answers", budget=timedelta(seconds=60))
PREVIEW = Step("its_preview_can_be_opened", budget=timedelta(seconds=60))
SLEEP = Step("left_alone_it_goes_to_sleep", budget=timedelta(seconds=30), sleeps=1)

SPEC = ProbeSpec(
    name="mail-to-preview",
    owner="platform",
    severity=Severity.PAGE,
    every=timedelta(minutes=30),
    timeout=timedelta(minutes=6),
    sleeps=1,
    steps=(SESSION, START, PREVIEW, SLEEP),
    cases=cases("E2E-01"),
    timings=(MAIL_TO_PREVIEW,),
    shares=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.FAIR,
)


@probe(SPEC)
async def mail_to_preview(ctx: Context) -> None:
    """Someone who writes a mail can open the preview of their site within a minute."""
    web = ctx.platform
    ctx.cleanup(web.clean_up)
    if not ctx.allowed("E2E-01"):
        return
    letter = web.mail.letter("Add a page about us", project=chats.PROJECT)

    async with ctx.step(SESSION):
        sent, sent_at = ctx.instant(), ctx.now()
        with ctx.check("E2E-01", essential=True) as check:
            row = await session_of(ctx, letter)
            seen = ctx.instant()
            check.saw(mail=letter.message_id, session=row.session_id, session_seen=seen - sent)

    async with ctx.step(START):
        with ctx.check("E2E-01", essential=True) as check:
            ready = await chats.until_ready(ctx, row)
            check.saw(container_answers=ready.at - sent)

    async with ctx.step(PREVIEW):
        with ctx.check("E2E-01", essential=True) as check:
            preview = await chats.site_seen(ctx, await address_of(ctx, row))
            check.saw(preview_seen=preview.at - sent)
            told = row.created_at and sent + (row.created_at - sent_at).total_seconds()
            accepted = min(max(told or seen, sent), seen)
            instants = Instants(sent, sent_at, accepted, healthy=ready.at, preview=preview.at)
            spent = await chats.start_of(ctx, row, instants, until=preview.at)
            took = ctx.measure("mail_to_preview", since=sent, until=preview, phases=spent).took
            expect.within("time from the mail to the preview", took, web.settings.target_mail_to_preview)

    async with ctx.step(SLEEP):
        with ctx.check("E2E-01"):
            await goes_to_sleep(ctx, row)


async def session_of(ctx: Context, letter: Letter) -> SessionRow:
    """The row of the session that comes of the letter; its container is this run's. Raises TimedOut."""
    row = await Email(ctx).session_of(letter)
    if row.container_id:
        await ctx.platform.note_container(row.container_id)
    return row


async def address_of(ctx: Context, row: SessionRow) -> str:
    """The preview's address, as the session's row tells it once it is active. Raises TimedOut."""

    async def told() -> str | None:
        now = await ctx.platform.tables.session(row.session_id)
        return now.preview_url if now is not None else None

    url = await ctx.eventually(
        told,
        until=bool,
        within=ctx.platform.settings.container_ready_timeout,
        what=f"previewUrl in the row of session {row.session_id}",
        pace=DEAR,
    )
    assert url is not None
    return url


async def goes_to_sleep(ctx: Context, row: SessionRow) -> None:
    """With its thread unmapped and nobody there, the container goes and the session is over. Raises TimedOut.

    Only tables and ECS are asked meanwhile: looking at the preview would keep the container awake.
    """
    web = ctx.platform
    await chats.unmap_threads(ctx)
    await ctx.eventually(
        lambda: web.tasks.own(client_id=web.mail.client_id),
        until=lambda tasks: not tasks,
        within=web.settings.sleep_patience,
        what="tasks that came of the mail, after the idle limit, gone",
        pace=DEAR,
    )
    await ctx.eventually(
        lambda: web.tables.session(row.session_id),
        until=lambda found: found is None or found.terminal,
        within=web.settings.scale_down_timeout,
        what=f"session {row.session_id} over after its container went to sleep",
        pace=DEAR,
    )
