"""The clients against a platform that really runs: what they make is there, and all of it goes again."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from probes.platform import MAIL_MAY_COME, WebordinaryPlatform
from probes.platform.commands import Command
from probes.platform.phases import Instants, start_phases
from probes.platform.settings import load
from probes.platform.values import SessionRow
from probes.platform.workspace import Place
from synthetics.clock import SystemClock
from synthetics.contract.waiting import BLOCKING, FINE, Pace, sight
from synthetics.errors import GuardRefused, StillAwaited
from synthetics.model.resource import Resource, ResourceState
from tests.platform.conftest import Run, opened
from tests.support.sandbox import RunningSandbox

LOOK = Pace(timedelta(milliseconds=100))
LONG = timedelta(seconds=20)
#: What the fault `orphans-kept` leaves about.
FORGOTTEN_QUEUE = "webordinary-input-forgotten-site-somebody"


async def seen(look, until, what="it", pace=FINE):  # type: ignore[no-untyped-def]
    return await sight(SystemClock(), look, until=until, within=LONG, what=what, pace=pace)


async def active(run: Run, session_id: str) -> SessionRow:
    found = await seen(
        lambda: run.web.tables.session(session_id),
        lambda row: row is not None and row.status == "active",
        "the session active",
        LOOK,
    )
    row: SessionRow = found.value
    return row


async def test_a_session_from_start_to_end(sandboxed: Run) -> None:
    web = sandboxed.web
    thread = f"a-{web.client_id}"
    asked = await web.hermes.activate("Create notes.txt", user="visitor", project="site", thread=thread)
    ready = await seen(lambda: web.alb.ready(asked), lambda reply: reply.ok, "ready")
    row = await active(sandboxed, asked.session_id)
    preview = await seen(lambda: web.alb.preview(row), lambda reply: reply.status == 200, "preview")
    container_id = web.container_id(project="site", user=asked.user_id, thread=thread)

    assert asked.looked_up is False
    assert row.client_id == web.client_id
    container = await web.tables.container(container_id)
    assert container is not None
    assert container.status == "running"

    (task,) = await web.tasks.own(container_id=container_id)
    assert task.running
    assert task.client_id == web.client_id
    split = start_phases(
        Instants(asked.sent, asked.sent_at, asked.answered, healthy=ready.at, preview=preview.at),
        task,
        until=preview.at,
    )
    assert split.clock_skew == timedelta(0)
    assert {"network", "pull", "start", "health"} <= {phase.name for phase in split.phases}
    assert (await web.tasks.count()).total >= 1

    queues = await web.queues.find(container_id)
    assert queues is not None
    command = Command(
        session_id=row.session_id,
        thread_id=row.need("thread_id"),
        instruction='Create hello.txt with content "hello"',
        client_id=web.client_id,
    )
    responses = web.queues.responses(queues.output_url)
    await web.queues.send(queues.input_url, command)
    answer = await seen(
        lambda: responses.look(command.command_id), lambda response: response is not None, "response", BLOCKING
    )
    assert answer.value.success, answer.value
    workspace = web.workspaces.at(Place(web.client_id, asked.user_id, "site"))
    assert await workspace.exists("hello.txt")
    assert not await workspace.exists("nothing.txt")
    assert any("hello" in subject for subject in await workspace.log())
    assert not (await workspace.status()).dirty

    await web.clean_up()

    assert await web.tables.session(asked.session_id) is None
    assert await web.tables.container(container_id) is None
    assert await web.tables.tracking(container_id) is None
    assert await web.queues.find(container_id) is None
    assert not [task for task in await web.tasks.own() if not task.leaving]
    assert ("session", asked.session_id) in sandboxed.ledger.gone_entries


async def sweep(sandbox: RunningSandbox, run: Run, kind: str, name: str, state: ResourceState) -> None:
    """Remove what the ledger of a run that was killed tells, as another process would."""
    client = run.web.client_id
    tag, now = client.removeprefix("syn-"), SystemClock().now()
    left = Resource(uuid4(), run.run_id, "test", tag, kind, name, state, now, {"client": client})
    platform = WebordinaryPlatform(load({}, sandbox.environment))
    try:
        await platform.remove(left)
    finally:
        await platform.close()


async def test_what_a_killed_run_left_is_swept(sandbox: RunningSandbox, sandboxed: Run) -> None:
    web = sandboxed.web
    # The run dies right after its request: the ledger knows the client, not the session.
    await web.hermes.activate("Add a page", user="visitor", project="site")
    ((kind, _),) = sandboxed.ledger.entries.values()
    await sweep(sandbox, sandboxed, kind, web.client_id, ResourceState.INTENDED)

    assert await web.tables.sessions_of_client(web.client_id) == []
    assert not [task for task in await web.tasks.own() if not task.leaving]
    assert await web.queues.containers_with_queues(web.client_id) == set()


async def test_another_customers_session_is_never_touched_whoever_says_that_it_is_ours(
    sandbox: RunningSandbox, sandboxed: Run
) -> None:
    web = sandboxed.web
    sandbox.set_fault("anothers-session-answered", for_=web.client_id)
    try:
        asked = await web.hermes.activate("Add a page", user="visitor", project="site")
    finally:
        sandbox.clear_faults()
    theirs = await web.tables.session(asked.session_id)
    assert theirs is not None
    assert theirs.client_id == "acme"

    for change in (
        web.hermes.keepalive(asked.session_id),
        web.hermes.deactivate(asked.session_id),
        web.tables.update_session(theirs, status="expired"),
        web.tables.delete_session_rows(asked.session_id),
    ):
        with pytest.raises(GuardRefused):
            await change
    await web.clean_up()

    assert await web.tables.session(asked.session_id) == theirs
    assert await web.tables.sessions_of_client(web.client_id) == []
    assert sandboxed.ledger.gone_entries, "nothing of it stays written down as ours"


async def test_a_sweep_leaves_another_customers_session_alone(sandbox: RunningSandbox, sandboxed: Run) -> None:
    web = sandboxed.web
    sandbox.set_fault("anothers-session-answered", for_=web.client_id)
    try:
        asked = await web.hermes.activate("Add a page", user="visitor", project="site")
    finally:
        sandbox.clear_faults()
    await sweep(sandbox, sandboxed, "session", asked.session_id, ResourceState.CREATED)

    theirs = await web.tables.session(asked.session_id)
    assert theirs is not None
    assert theirs.status == "active"
    assert await web.tables.sessions_of_client(web.client_id) == []


async def test_the_platforms_own_orphans_are_told_and_left_alone(sandbox: RunningSandbox) -> None:
    settings = load({}, {**sandbox.environment, "MAX_QUEUE_AGE_HOURS": "0.0001"})
    platform = WebordinaryPlatform(settings)
    sandbox.set_fault("orphans-kept")
    try:
        found = await seen(
            platform.orphans,
            lambda orphans: any(orphan.name == FORGOTTEN_QUEUE for orphan in orphans),
            FORGOTTEN_QUEUE,
            LOOK,
        )
        (orphan,) = (orphan for orphan in found.value if orphan.name == FORGOTTEN_QUEUE)
        assert orphan.kind == "queue"
        assert orphan.age > settings.max_queue_age
        assert sandbox.sqs.get_queue_url(QueueName=orphan.name)["QueueUrl"].endswith(orphan.name)
    finally:
        sandbox.clear_faults()
        await platform.close()


async def test_a_lost_answer_is_looked_up(sandbox: RunningSandbox) -> None:
    async with opened({**sandbox.environment, "ACTIVATE_TIMEOUT_S": "1"}) as run:
        web = run.web
        sandbox.set_fault("activate-hangs", for_=web.client_id)
        try:
            asked = await web.hermes.activate("Add a page", user="visitor", project="site")
        finally:
            sandbox.clear_faults()
        assert asked.looked_up
        assert asked.reply.failure is not None
        row = await web.tables.session(asked.session_id)
        assert row is not None
        assert row.client_id == web.client_id
        await web.clean_up()
        assert await web.tables.session(asked.session_id) is None


async def test_rows_of_our_own_wake_like_any_other(sandboxed: Run) -> None:
    web = sandboxed.web
    thread, session = f"t-{web.client_id}", f"{web.client_id}-site-t"
    container = web.container_id(project="site", user="TEST_visitor", thread=thread)
    await web.tables.put_container(container, status="stopped", projectId="site", userId="TEST_visitor")
    await web.tables.put_session(
        session, status="idle", user="TEST_visitor", threadId=thread, containerId=container
    )
    await web.tables.put_mapping(thread, session_id=session, container_id=container)
    assert [row.thread_id for row in await web.tables.mappings_of_container(container) or []] == [thread]

    reply = await web.hermes.resume_preview(thread)
    assert reply.status == 201, reply
    await seen(
        lambda: web.tables.container(container), lambda row: row and row.status == "running", "running", LOOK
    )
    await web.clean_up()
    assert await web.tables.mapping(thread) is None
    assert await web.tables.session(session) is None
    assert await web.tables.container(container) is None
    assert not [task for task in await web.tasks.own() if not task.leaving]


async def test_others_are_left_alone(sandbox: RunningSandbox, sandboxed: Run) -> None:
    async with opened(sandbox.environment) as other:
        theirs = await other.web.hermes.activate("Add a page", user="visitor", project="site")
        web = sandboxed.web
        with pytest.raises(GuardRefused):
            await web.hermes.deactivate(theirs.session_id)
        await active(other, theirs.session_id)
        (task,) = await web.tasks.own(client_id=other.web.client_id)
        with pytest.raises(GuardRefused):
            await web.tasks.stop(task)
        with pytest.raises(GuardRefused):
            await web.tables.delete_session_rows(theirs.session_id)
        with pytest.raises(GuardRefused):
            await web.removal.client(other.web.client_id, web.known())
        await web.clean_up()
        assert await other.web.tables.session(theirs.session_id) is not None
        await other.web.clean_up()


async def test_preflight_finds_nothing_wrong_with_a_sandbox(sandbox: RunningSandbox) -> None:
    platform = WebordinaryPlatform(load({}, sandbox.environment))
    try:
        findings = await platform.preflight()
        assert [finding for finding in findings if finding.problem] == []
        assert len(findings) > 8
        assert await platform.own_trouble() == []
    finally:
        await platform.close()


async def test_raw_paths_and_upgrades(sandboxed: Run) -> None:
    alb = sandboxed.web.alb
    for path in ("/session/", "/session/../../etc/passwd", "/api/%00", "/.."):
        answer = await alb.raw(path)
        assert answer.refused or answer.status in (400, 404, 502, 503), (path, answer)
    assert (await alb.get("/health")).status == 200
    assert (await sandboxed.web.hermes.health()).json()["status"] == "healthy"


async def test_a_task_that_was_started_for_somebody_else_at_our_bidding_is_stopped_and_no_other(
    sandboxed: Run, sandbox: RunningSandbox
) -> None:
    """A platform that takes nonsense may start a task under another client's name; the user is ours."""
    web = sandboxed.web
    ours = sandbox.run_task({"CLIENT_ID": "acme", "USER_ID": web.hermes.user(f"nobody-{web.client_id}")})
    theirs = sandbox.run_task({"CLIENT_ID": "acme", "USER_ID": "jane@acme.example"})
    await web.guard.belongings.intend("session", web.client_id, client=web.client_id)

    await web.clean_up()

    assert sandbox.task(ours)["desiredStatus"] == "STOPPED"
    assert sandbox.task(theirs)["desiredStatus"] == "RUNNING"
    sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=theirs)


async def test_what_was_made_for_nobody_is_swept_from_the_ledger_alone(
    sandbox: RunningSandbox, sandboxed: Run
) -> None:
    web, tag = sandboxed.web, sandboxed.web.client_id.removeprefix("syn-")
    nobody = web.hermes.user(f"nobody-{tag}")
    sandbox.set_fault("invalid-activate-accepted")
    try:
        body = {"clientId": "", "userId": nobody, "instruction": "Add a page"}
        made = (await web.hermes.activate_raw(body)).text_field("sessionId")
    finally:
        sandbox.clear_faults()
    row = await seen(lambda: web.tables.session(made), lambda row: row and row.status == "active", "it", LOOK)
    container = row.value.container_id
    # The run died before it wrote down the session's id.
    left = Resource(
        uuid4(),
        sandboxed.run_id,
        "test",
        tag,
        "session",
        web.client_id,
        ResourceState.INTENDED,
        SystemClock().now(),
        {"client": web.client_id, "nobody": nobody},
    )
    platform = WebordinaryPlatform(load({}, sandbox.environment))
    try:
        await platform.remove(left)
    finally:
        await platform.close()

    assert await web.tables.session(made) is None
    assert await web.tables.container(container) is None
    assert await web.tables.tracking(container) is None
    assert await web.queues.find(container) is None
    assert not [task for task in await web.tasks.own(user_id=nobody) if not task.leaving]


async def test_two_lost_answers_at_once_are_not_taken_for_one_another(sandbox: RunningSandbox) -> None:
    async with opened({**sandbox.environment, "ACTIVATE_TIMEOUT_S": "1"}) as run:
        web = run.web
        sandbox.set_fault("activate-hangs", for_=web.client_id)
        try:
            asked = await asyncio.gather(
                *(web.hermes.activate("Add a page", user=user, project="site") for user in ("one", "two"))
            )
        finally:
            sandbox.clear_faults()

        assert all(each.looked_up for each in asked)
        rows = [await web.tables.session(each.session_id) for each in asked]
        assert [row.user_id for row in rows if row] == ["TEST_one", "TEST_two"]
        await web.clean_up()


async def test_what_comes_of_a_mail_when_its_run_is_over_is_swept(
    sandbox: RunningSandbox, sandboxed: Run
) -> None:
    web = sandboxed.web
    sandbox.set_fault("mail-lost")
    try:
        await web.mail.send(letter := web.mail.letter("Add a page", project="site"))
        await asyncio.to_thread(sandbox.wait_for, "mail.received", client=web.mail.client_id)
    finally:
        sandbox.clear_faults()
    await web.clean_up()
    assert sandboxed.ledger.gone_entries == set()
    left = Resource(
        uuid4(),
        sandboxed.run_id,
        "test",
        web.client_id.removeprefix("syn-"),
        "session",
        web.mail.client_id,
        ResourceState.INTENDED,
        SystemClock().now(),
        {"client": web.mail.client_id, "thread": letter.thread, "mail": letter.message_id},
    )
    platform = WebordinaryPlatform(load({}, sandbox.environment))
    try:
        with pytest.raises(StillAwaited, match="may yet be read"):
            await platform.remove(left)
        await web.mail.send(letter)  # delivered again
        look = partial(web.tables.sessions_of_client, web.mail.client_id)
        await seen(look, bool, "a session", LOOK)
        await platform.remove(replace(left, intended=left.intended - MAIL_MAY_COME))
    finally:
        await platform.close()

    assert await web.tables.sessions_of_client(web.mail.client_id) == []
    assert await web.tables.mapping(letter.thread) is None
    assert not [task for task in await web.tasks.own(client_id=web.mail.client_id) if not task.leaving]
    assert await web.queues.containers_with_queues(web.mail.client_id) == set()
