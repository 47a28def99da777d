"""Starts without what surrounds them in the probes: the probes' own parts, arranged to make samples quickly."""

from datetime import timedelta

from probes import chats, sleepers
from probes.auto_sleep import message_wakes, registers_running
from probes.cases import cases
from probes.cold_start import INSTRUCTION, preview_appears
from probes.platform import Context
from probes.session_resumption import a_look_wakes, wakes
from probes.sleepers import Sleeper
from probes.timings import COLD_START, RESUME, wake
from synthetics.contract.probe import ProbeSpec, Severity, Step, TimingSpec, probe

START = Step("a_start", budget=timedelta(minutes=2))


def _spec(name: str, *ids: str, timings: tuple[TimingSpec, ...]) -> ProbeSpec:
    return ProbeSpec(
        name=name,
        owner="platform",
        severity=Severity.INFO,
        every=timedelta(minutes=5),
        timeout=timedelta(minutes=5),
        steps=(START,),
        cases=cases(*ids),
        timings=timings,
    )


@probe(_spec("fidelity-cold-start", "CS-01", "CS-08", timings=(COLD_START,)))
async def cold(ctx: Context) -> None:
    """A cold start, as the probe of that name measures it."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(START):
        chat = await chats.open_chat(ctx, INSTRUCTION)
        ready = await chats.until_ready(ctx, chat.row)
        await preview_appears(ctx, chat, ready, cold=True)


@probe(
    _spec(
        "fidelity-wakes",
        "SR-01", "SR-04", "SR-09", "SR-10", "SA-01", "SA-03",
        timings=(wake("api", "preview"), RESUME),
    )
)  # fmt: skip
async def api_and_look(ctx: Context) -> None:
    """A wake by the API, then one by a look at the preview, as session resumption measures them."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(START):
        sleeper = await sleepers.fall_asleep(ctx)
        await wakes(ctx, sleeper)
        await a_look_wakes(ctx, sleeper)


@probe(_spec("fidelity-messages", timings=(wake("message"),)))
async def message(ctx: Context) -> None:
    """A wake by a message, as auto-sleep measures it; here the chat is put to sleep instead of waited for."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(START):
        chat = await chats.open_chat(ctx, "Add a page about us")
        await chats.until_ready(ctx, chat.row)
        container = await chats.container_of(ctx, chat)
        await registers_running(ctx, container)
        sleeper = Sleeper(chat.session_id, chat.thread, container, chat.asked.user_id, chat.row)
        await sleepers.put_to_sleep(ctx, sleeper)
        await chats.unmap_threads(ctx)
        await message_wakes(ctx)
