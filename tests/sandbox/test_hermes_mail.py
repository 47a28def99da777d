"""Mail intake: envelopes, identities and threads of contract §8; ids of §1.4; a mail that becomes a session."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from sandbox.hermes.answers import HermesError
from sandbox.hermes.names import LONGEST_CONTAINER_ID, container_id, thread_hash, user_part
from sandbox.hermes.service import Hermes
from sandbox.mail import mime_of, read_mail
from sandbox.settings import SandboxSettings
from tests.sandbox.tasks_support import new_client
from tests.sandbox.visitor import Visitor
from tests.support.sandbox import RunningSandbox, until

MAIL = "From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <m1@x>\r\n{more}\r\nCreate note.txt\r\n"


def mail(sender: str = "Ann <ann@x.org>", to: str = "in@x", subject: str = "Hello", more: str = "") -> str:
    return MAIL.format(sender=sender, to=to, subject=subject, more=more)


@pytest.mark.parametrize(
    "envelope",
    [
        mail(),
        json.dumps({"notificationType": "Received", "content": mail()}),
        json.dumps({"Message": mail()}),
        json.dumps({"Message": json.dumps({"content": mail()})}),
        json.dumps({"Body": json.dumps({"content": mail()})}),
        {"content": mail()},
        {"Message": mail()},
        json.dumps({"body": {"Message": mail()}}),
        mail().replace("\r\n", "\n"),
    ],
)
def test_every_envelope_is_opened(envelope: object) -> None:
    assert mime_of(envelope).replace("\r\n", "\n") == mail().replace("\r\n", "\n")


@pytest.mark.parametrize("other", ['{"a": "b"}', "[1, 2]", "7"])
def test_other_json_is_taken_for_the_mail_itself(other: str) -> None:
    assert mime_of(other) == other
    assert mime_of(json.loads(other)) == other


def test_the_first_intake_takes_the_client_from_the_sender() -> None:
    read = read_mail(mail(sender="syn-abc.1@x.org", more="In-Reply-To: <thread-9f3c01ab@mail>\r\n"), "path")
    assert (read.client, read.user, read.thread) == ("synabc1", "email-user", "9f3c01ab")
    assert read.instruction == "Create note.txt"


def test_the_second_intake_takes_the_client_from_the_address() -> None:
    read = read_mail(mail(to="edit@acme-site.webordinary.com"), "lambda")
    assert (read.client, read.project, read.user) == ("acme", "site", "ann")
    assert read.thread == thread_hash("m1@x")
    tagged = read_mail(mail(subject="[acme/shop] please"), "lambda")
    assert (tagged.client, tagged.project) == ("acme", "shop")
    assert read_mail(mail(), "lambda").client == "default"


def test_a_reply_belongs_to_the_first_mail_of_its_thread() -> None:
    reply = read_mail(mail(more="References: <first@x> <second@x>\r\nIn-Reply-To: <second@x>\r\n"), "lambda")
    assert reply.thread == thread_hash("<first@x>")


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "{}",
        "null",
        "no headers at all",
        "Content-Type: text/plain; charset=klingon\n\nqapla",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n",
        "Content-Type: image/png\nFrom: \n\nx",
    ],
)
@pytest.mark.parametrize("dialect", ["path", "lambda"])
def test_junk_is_still_a_mail(junk: str, dialect: str) -> None:
    read = read_mail(mime_of(junk), dialect)
    assert read.client
    assert read.thread
    assert read.instruction


@pytest.mark.parametrize(
    ("source", "thread"),
    [
        ("<probe-0001@monitor.example>", "tZoTQGRH"),
        ("thread-1", "Swpf78Mo"),
        ("thread-2", "ZsZRTYEf"),
    ],
)
def test_thread_hashes(source: str, thread: str) -> None:
    assert thread_hash(source) == thread


def test_container_ids_are_fit_for_queues(tmp_path: Path) -> None:
    def composed(form: str, user: str, client: str = "acme") -> str:
        settings = SandboxSettings.model_validate({"directory": tmp_path, "container_id_form": form})
        return container_id(settings, client=client, project="site", user=user, thread="t1", session="s-1")

    assert user_part("TEST_user1@test.com") == "TESTuser1"
    assert composed("client-project-user", "jane@x.org") == "acme-site-jane"
    assert composed("client-thread-user", "jane@x.org") == "acme-t1-jane"
    assert composed("session-id", "jane@x.org") == "s-1"
    long = [composed("client-project-user", "jane", client="c" * 80 + last) for last in "ab"]
    assert len(set(long)) == 2
    assert all(len(name) <= LONGEST_CONTAINER_ID for name in long)
    assert "@" not in composed("client-project-user", "jane", client="a@b.c")


def test_a_mail_becomes_a_session_and_a_reply_a_command(sandbox: RunningSandbox) -> None:
    with Visitor(sandbox) as visitor:
        queue = sandbox.sqs.get_queue_url(QueueName=sandbox.settings.email_queue_name)["QueueUrl"]
        thread = f"m{visitor.client}"
        written = mail(sender=f"{visitor.client}@x.org", more=f"References: <thread-{thread}@mail>\r\n")

        sandbox.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"content": written}))

        opened = sandbox.wait_for("session.active", client=visitor.client)
        session = str(opened.fields["session"])
        row = visitor.session(session)
        assert (row["userId"], row["chatThreadId"]) == ("email-user", thread)
        sandbox.wait_for("command.finished", session=session)

        answer = visitor.post("/email/process", {"Records": [{"messageId": "1", "body": written}]})

        assert answer.status_code == 201
        assert set(answer.json()) == {"message", "timestamp"}
        until(lambda: len(sandbox.truth("command.finished", session=session)) == 2, 20, "the reply's command")
        sandbox.dynamodb.delete_item(
            TableName=sandbox.settings.thread_mapping_table, Key={"threadId": {"S": thread}}
        )
        visitor.deactivate(session)


def test_the_second_intake_opens_by_address_and_continues_by_thread(lambda_sandbox: RunningSandbox) -> None:
    with Visitor(lambda_sandbox) as visitor:
        own, to = f"<{visitor.client}@x>", f"edit@{visitor.client}-shop.webordinary.com"
        queue = lambda_sandbox.sqs.get_queue_url(QueueName=lambda_sandbox.settings.email_queue_name)["QueueUrl"]
        written = mail(to=to).replace("<m1@x>", own)
        notification = json.dumps({"notificationType": "Received", "content": written})

        lambda_sandbox.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Message": notification}))

        opened = lambda_sandbox.wait_for("session.active", client=visitor.client)
        session, thread = str(opened.fields["session"]), thread_hash(own)
        row = visitor.session(session)
        assert (row["userId"], row["projectId"], row["chatThreadId"]) == ("ann", "shop", thread)
        assert (row["containerId"], row["editBranch"]) == (f"{visitor.client}-shop-ann", f"thread-{thread}")
        (mapping,) = visitor.rows_of(lambda_sandbox.settings.thread_mapping_table)
        assert (mapping["threadId"], mapping["sessionId"]) == (thread, session)
        lambda_sandbox.wait_for("command.finished", session=session)

        reply = mail(to=to, more=f"In-Reply-To: {own}\r\n")
        lambda_sandbox.sqs.send_message(QueueUrl=queue, MessageBody=reply)

        until(lambda: len(lambda_sandbox.truth("command.finished", session=session)) == 2, 20, "the reply")
        assert len(visitor.rows_of(lambda_sandbox.settings.session_table)) == 1
        lambda_sandbox.dynamodb.delete_item(
            TableName=lambda_sandbox.settings.thread_mapping_table, Key={"threadId": {"S": thread}}
        )
        visitor.deactivate(session)


async def test_a_mail_that_fails_ends_in_the_dlq_and_holds_up_no_other(
    sandbox: RunningSandbox, hermes: Hermes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, name = sandbox.sqs, f"mail-{new_client()}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    attributes = {"VisibilityTimeout": "0", "RedrivePolicy": redrive}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    bodies = [{"Id": f"m{number}", "MessageBody": body} for number, body in enumerate(("bad", "good"))]
    sqs.send_message_batch(QueueUrl=queue, Entries=bodies)
    taken = []

    async def take(body: object) -> None:
        taken.append(body)
        if body == "bad":
            raise HermesError(500, "there is no room for it")

    monkeypatch.setattr(hermes.mail, "take", take)
    monkeypatch.setattr(
        hermes.mail, "_settings", sandbox.settings.model_copy(update={"email_queue_name": name})
    )
    hermes.mail.start()
    letters = await asyncio.to_thread(sqs.receive_message, QueueUrl=dead, WaitTimeSeconds=10)
    sqs.delete_queue(QueueUrl=queue)  # the poll under way ends with it

    assert [letter["Body"] for letter in letters["Messages"]] == ["bad"]
    assert taken == ["bad", "good", "bad", "bad"]


def test_mails_that_tell_nothing_of_a_thread_are_strangers_to_each_other() -> None:
    nameless = mail().replace("Message-ID: <m1@x>\r\n", "")
    threads = {read_mail(nameless, "lambda").thread for _ in range(5)}
    assert len(threads) == 5
    assert all(re.fullmatch("[0-9a-z]{12,13}", thread) for thread in threads)


REPLY = mail(more="References: <first@x> <second@x>\r\nIn-Reply-To: <second@x>\r\n")


@pytest.mark.parametrize(
    ("fault", "written", "thread"),
    [
        ("thread-of-last-reference", REPLY, thread_hash("second@x")),
        ("thread-ignores-answered-mail", mail(more="In-Reply-To: <first@x>\r\n"), thread_hash("m1@x")),
        ("thread-keeps-brackets", mail(), thread_hash("<<m1@x>>")),
        ("nameless-mails-share-a-thread", mail(subject="[a/b] x").replace("Message-ID", "X"), thread_hash("a")),
    ],
)
def test_faults_of_threads(fault: str, written: str, thread: str) -> None:
    assert read_mail(written, "lambda", broken=[fault]).thread == thread
    assert read_mail(written, "lambda").thread != thread


def test_a_new_mail_may_get_a_thread_at_random() -> None:
    assert read_mail(mail(), "lambda", broken=["thread-of-new-mail-at-random"]).thread != thread_hash("m1@x")
    assert read_mail(REPLY, "lambda", broken=["thread-of-new-mail-at-random"]).thread == thread_hash("first@x")
