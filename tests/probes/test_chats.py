"""A chat's container is found however the platform tells of it: late, by its task, or by its id alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from probes import chats, sleepers
from probes.chats import Chat
from probes.platform import Context
from probes.platform.replies import Reply
from probes.platform.values import Activation
from synthetics.contract import expect
from synthetics.contract.probe import Probe, ProbeSpec, Severity, Step, probe
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, left_behind
from tests.support.sandbox import RunningSandbox

FIND = Step("its_container_is_found", budget=timedelta(minutes=1))


def finding(found: Callable[[Context], Awaitable[None]]) -> Probe:
    """A probe that does only this."""

    async def scenario(ctx: Context) -> None:
        """The container of a chat is found."""
        ctx.cleanup(ctx.platform.clean_up)
        async with ctx.step(FIND):
            await found(ctx)

    spec = ProbeSpec(
        name="container-of-a-chat",
        owner="platform",
        severity=Severity.INFO,
        every=timedelta(minutes=5),
        timeout=timedelta(minutes=1),
        steps=(FIND,),
    )
    return probe(spec)(scenario)


async def finds(found: Callable[[Context], Awaitable[None]], platform: RunningSandbox, watch: Watch) -> None:
    """The scenario passes, and nothing is left of it."""
    async with watch(platform) as monitor:
        run = await monitor.run(finding(found))

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert left_behind(platform, run.tag) == []


async def asleep_and_unnamed(ctx: Context, user: str) -> Chat:
    """A chat of this user that has no task, and whose row does not say what its container is called."""
    web, asleep = ctx.platform, await sleepers.fall_asleep(ctx)
    row = replace(asleep.row, container_id=None, user_id=user)
    await web.tables.delete_session_rows(asleep.session_id)
    reply = Reply("POST activate", 201, timedelta(0))
    now = ctx.instant()
    asked = Activation(asleep.session_id, None, "active", web.client_id, user, now, ctx.now(), now, reply)
    return Chat(asked, row)


async def test_a_row_that_never_names_it_and_a_task_that_does(platform: RunningSandbox, watch: Watch) -> None:
    async def found(ctx: Context) -> None:
        chat = await chats.open_chat(ctx, "Add a page about us")
        await chats.until_ready(ctx, chat.row)
        key = {"sessionId": {"S": chat.session_id}, "userId": {"S": chat.row.user_id}}
        await asyncio.to_thread(
            platform.dynamodb.update_item,
            TableName=platform.settings.session_table,
            Key=key,
            UpdateExpression="REMOVE containerId",
        )
        unnamed = Chat(chat.asked, replace(chat.row, container_id=None))
        expect.equal("container", await chats.container_of(ctx, unnamed), chat.row.container_id)

    await finds(found, platform, watch)


async def test_a_row_that_names_it_later(platform: RunningSandbox, watch: Watch) -> None:
    async def found(ctx: Context) -> None:
        chat = await asleep_and_unnamed(ctx, ctx.tag)
        waiting = asyncio.ensure_future(chats.container_of(ctx, chat))
        await ctx.platform.tables.put_session(
            chat.session_id, status="active", user=ctx.tag, containerId="named-at-last"
        )
        expect.equal("container", await waiting, "named-at-last")

    await finds(found, platform, watch)


@pytest.mark.parametrize(
    ("stored", "part"),
    [
        ("some_one-{}", "some_one-{}"),
        pytest.param("some.one-{}@example.com", "someone{}", marks=pytest.mark.long),
    ],
    ids=["as-it-is-stored", "letters-and-digits-of-it"],
)
async def test_a_container_that_only_its_row_under_the_composed_id_tells_of(
    stored: str, part: str, platform: RunningSandbox, watch: Watch
) -> None:
    async def found(ctx: Context) -> None:
        web, user = ctx.platform, stored.format(ctx.tag)
        wanted = f"{web.client_id}-{chats.PROJECT}-{part.format(ctx.tag)}"
        await web.tables.put_container(wanted, status="stopped", projectId=chats.PROJECT, userId=user)
        chat = await asleep_and_unnamed(ctx, user)
        expect.equal("container", await chats.container_of(ctx, chat), wanted)

    await finds(found, platform, watch)
