"""Benchmarks (contract §12.5): cold starts and warm creations, repeated, and what most of them keep to."""

from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean, quantiles

from probes import chats
from probes.cases import cases
from probes.platform import Context
from probes.restarts import stop_everything
from synthetics.contract import expect
from synthetics.contract.probe import Price, ProbeSpec, Severity, Step, probe

COLD = Step("cold_starts_are_repeated", budget=timedelta(minutes=8))
WARM = Step("warm_creations_are_repeated", budget=timedelta(seconds=60))

SPEC = ProbeSpec(
    name="start-benchmarks",
    owner="platform",
    severity=Severity.TICKET,
    every=timedelta(hours=24),
    timeout=timedelta(minutes=20),
    steps=(COLD, WARM),
    cases=cases("PB-01", "PB-02"),
    exclusive=frozenset({"edit-service"}),
    leans_on=("cold-start",),
    price=Price.DEAR,
)


@probe(SPEC)
async def start_benchmarks(ctx: Context) -> None:
    """However often someone starts anew or asks for one more session, it takes no longer than promised."""
    ctx.cleanup(ctx.platform.clean_up)
    ctx.fact("session_factory", "http")
    if not ctx.allowed("PB-01"):
        return

    async with ctx.step(COLD):
        user = await cold_starts(ctx)

    async with ctx.step(WARM):
        await warm_creations(ctx, user)


async def cold_starts(ctx: Context) -> str:
    """PB-01: CS-06 again and again, each for somebody new and with no edit task before; the last one's name."""
    settings = ctx.platform.settings
    user = ""
    with ctx.check("PB-01", essential=True) as check:
        took: list[float] = []
        for number in range(settings.benchmark_starts):
            user = f"cold{number}"
            await stop_everything(ctx)
            chat = await chats.open_chat(ctx, "Add a page about us", user=user, thread=user)
            ready = await chats.until_ready(ctx, chat.row)
            took.append(ready.at - chat.asked.sent)
            check.saw(**_told(took))
    with ctx.check("PB-01"):
        slow = timedelta(seconds=_percentile(took, 99))
        expect.within(f"99th percentile of {len(took)} cold starts", slow, settings.target_cold_start)
    return user


async def warm_creations(ctx: Context, user: str) -> None:
    """PB-02: CS-07 again and again, for the user whose container is up."""
    settings = ctx.platform.settings
    with ctx.check("PB-02") as check:
        took: list[float] = []
        for number in range(settings.benchmark_creations):
            chat = await chats.open_chat(ctx, "Add a contact page", user=user, thread=f"warm{number}")
            took.append(chat.asked.took.total_seconds())
            check.saw(**_told(took))
        slow = timedelta(seconds=_percentile(took, 95))
        expect.within(f"95th percentile of {len(took)} warm creations", slow, settings.target_warm_start)


def _told(took: Sequence[float]) -> dict[str, object]:
    """The samples so far and what they say, in seconds."""
    percentiles = {f"p{of}_seconds": round(_percentile(took, of), 3) for of in (50, 90, 95, 99)}
    return {
        "seconds": [round(seconds, 3) for seconds in took],
        "mean_seconds": round(fmean(took), 3),
        **percentiles,
    }


def _percentile(values: Sequence[float], of: int) -> float:
    return quantiles(values, n=100, method="inclusive")[of - 1] if len(values) > 1 else sum(values)
