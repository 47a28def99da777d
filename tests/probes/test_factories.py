"""The three ways to open a chat: each opens, shares, counts, talks and lets go as the contract says."""

from datetime import timedelta

import pytest

from probes.dialogue import Dialogue
from probes.factories import Who, factory_of
from probes.platform import Context
from synthetics.contract import expect
from synthetics.contract.probe import ProbeSpec, Severity, Step, probe
from synthetics.model.run import Outcome
from tests.support.monitor import Watch, left_behind
from tests.support.sandbox import RunningSandbox

TALK = Step("two_chats_talk", budget=timedelta(minutes=1))


@probe(
    ProbeSpec(
        name="two-chats",
        owner="platform",
        severity=Severity.INFO,
        every=timedelta(minutes=5),
        timeout=timedelta(minutes=1),
        steps=(TALK,),
    )
)
async def two_chats(ctx: Context) -> None:
    """Two chats of one user share a container, and each is answered on its own branch."""
    ctx.cleanup(ctx.platform.clean_up)
    async with ctx.step(TALK):
        factory = factory_of(ctx)
        one = await factory.open(Who(thread="one"))
        other = await factory.open(Who(thread="other"))
        expect.equal("container of the other chat", other.container_id, one.container_id)
        dialogue = Dialogue(ctx, one.queues)
        await dialogue.at_rest(one, other)
        for number, chat in enumerate((one, other)):
            answer = await dialogue.ask(chat, f'Create file{number}.txt with content "{ctx.tag}"')
            expect.equal("success", answer.response.success, True)
            expect.equal("branch", answer.response.branch, chat.branch)
        workspace = one.workspace(ctx)
        assert workspace is not None
        expect.true("its own file", "file0.txt" in await workspace.files(one.branch), wanted="file0.txt")
        expect.true("no other's", "file1.txt" not in await workspace.files(one.branch), wanted="no file1.txt")
        for left, chat in ((1, one), (0, other)):
            await factory.close(chat)
            await ctx.eventually(
                lambda: ctx.platform.tables.container(one.container_id),
                until=lambda row, left=left: row is None or row.session_count == left,
                within=timedelta(seconds=10),
                what=f"{left} sessions counted",
            )


@pytest.mark.parametrize("factory", ["http", "direct", "email"])
async def test_two_chats_of_one_user(factory: str, platform: RunningSandbox, watch: Watch) -> None:
    async with watch(platform, SESSION_FACTORY=factory) as monitor:
        run = await monitor.run(two_chats)

    assert (run.outcome, run.reason) == (Outcome.PASSED, None)
    assert run.facts["session_factory"] == factory
    assert left_behind(platform, run.tag) == []
