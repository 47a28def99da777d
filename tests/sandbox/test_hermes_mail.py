"""Mail intake: envelopes, identities and threads of contract §8; ids of §1.4; a mail that becomes a session."""

import json
import re
from pathlib import Path

import pytest

from sandbox.hermes.names import LONGEST_CONTAINER_ID, container_id, thread_hash, user_part
from sandbox.mail import mime_of, read_mail
from sandbox.settings import SandboxSettings
from tests.sandbox.visitor import Visitor
from tests.support.sandbox import RunningSandbox, until

MAIL = "From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <m1@x>\r\n{more}\r\nAdd a page\r\n"


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
    ],
)
def test_every_envelope_is_opened(envelope: object) -> None:
    assert mime_of(envelope) == mail()


def test_the_first_intake_takes_the_client_from_the_sender() -> None:
    read = read_mail(mail(sender="syn-abc.1@x.org", more="In-Reply-To: <thread-9f3c01ab@mail>\r\n"), "path")
    assert (read.client, read.user, read.thread) == ("synabc1", "email-user", "9f3c01ab")
    assert read.instruction == "Add a page"


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
