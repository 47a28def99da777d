"""Mail intake: the mail queue's messages become sessions and commands (contract §8)."""

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_string
from email.message import EmailMessage
from email.policy import default as mail_policy
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.faults import Faults
from sandbox.faults.mail import OF_THREADS
from sandbox.hermes import names
from sandbox.hermes.answers import HermesError, now_ms
from sandbox.hermes.cloud import Cloud, CloudError, Row, Value, text
from sandbox.hermes.opening import Opening, Wish
from sandbox.hermes.queues import Owner, Queues, command
from sandbox.hermes.resume import Resume
from sandbox.hermes.sessions import Sessions
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import StartFailed
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

POLL_SECONDS = 20
FALLBACK_CLIENT = "amelia"
NO_INSTRUCTION = "No instruction provided"
QUOTED = re.compile(r"^(>|On .+ wrote:\s*$|-- ?$|_{5,}|-----Original Message)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail asks for, and on whose behalf."""

    client: str
    project: str
    user: str
    thread: str
    instruction: str
    sender: str
    subject: str


def mime_of(body: object) -> str:
    """The mail inside an envelope (contract §8.1); envelopes within envelopes are opened too."""
    if isinstance(body, str):
        try:
            inner = json.loads(body)
        except ValueError:
            return body
        return mime_of(inner) if isinstance(inner, dict) else body
    if isinstance(body, dict):
        for key in ("Body", "body", "content", "Message"):
            if key in body:
                return mime_of(body[key])
    return json.dumps(body)


def read_mail(mime: str, dialect: str, *, broken: Collection[str] = ()) -> Mail:
    """Who writes, to which thread, and what: identity by the intake of the dialect (contract §8.2).

    `broken` are the faults by which the second intake goes wrong about the thread.
    """
    message = message_from_string(mime, policy=mail_policy)
    sender, subject = str(message.get("From", "")), str(message.get("Subject", ""))
    written = _written(message)
    if dialect == "path":
        return Mail(
            client=re.sub(r"[^A-Za-z0-9]", "", sender.partition("@")[0])[:20] or FALLBACK_CLIENT,
            project="project",
            user="email-user",
            thread=_thread_in_reply(message),
            instruction=_new_text(written) or NO_INSTRUCTION,
            sender=sender,
            subject=subject,
        )
    client, project = _addressed(str(message.get("To", "")), subject)
    address = sender.rpartition("<")[2].rstrip("> ")
    return Mail(
        client=client,
        project=project,
        user=names.user_part(address) or "user",
        thread=_thread(message, client, broken),
        instruction=written.strip() or NO_INSTRUCTION,
        sender=sender,
        subject=subject,
    )


def _written(message: EmailMessage) -> str:
    """The mail's text, else its HTML; read as well as can be if its encoding is unknown."""
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, ValueError):
        return str(body.get_payload())


def _addressed(to: str, subject: str) -> tuple[str, str]:
    """Client and project that a mail names."""
    found = re.search(r"edit@([A-Za-z0-9]+)-([A-Za-z0-9-]+)\.", to) or re.search(
        r"\[([^/\]]+)/([^\]]+)\]", subject
    )
    return (found[1], found[2]) if found else ("default", "project")


def _thread(message: EmailMessage, client: str, broken: Collection[str]) -> str:
    """The thread of a mail: of its first reference, the mail it answers or its own id; else one of its own."""
    references = str(message.get("References", "")).split()
    answered, own = message.get("In-Reply-To"), message.get("Message-ID")
    if "thread-of-last-reference" in broken and answered:
        references = []
    if "thread-ignores-answered-mail" in broken and not references:
        answered = None
    for source in (*references[:1], answered, own):
        if source:
            if "thread-of-new-mail-at-random" in broken and source is own:
                return names.new_chat_thread()
            keeps = "thread-keeps-brackets" in broken
            return names.thread_hash(f"<{str(source).strip()}>" if keeps else str(source).strip())
    if "nameless-mails-share-a-thread" in broken:
        return names.thread_hash(client)
    return names.lonely_thread(now_ms())


def _thread_in_reply(message: EmailMessage) -> str:
    """The chat thread that a reply's headers name; a new one if they name none."""
    for header in ("In-Reply-To", "References"):
        if found := re.search(r"thread-([A-Za-z0-9-]+)@", str(message.get(header, ""))):
            return found[1]
    return names.new_chat_thread()


def _new_text(written: str) -> str:
    """A reply without what it quotes and without its signature."""
    quoted = QUOTED.search(written)
    return (written[: quoted.start()] if quoted else written).strip()


class MailIntake:
    """Turns mails into sessions: a new thread opens one, a known thread gets a command."""

    def __init__(
        self,
        settings: SandboxSettings,
        cloud: Cloud,
        tables: Tables,
        queues: Queues,
        sessions: Sessions,
        opening: Opening,
        resume: Resume,
        faults: Faults,
        truth: Truth,
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._sqs = cloud.sqs
        self._cloud = cloud
        self._tables = tables
        self._queues = queues
        self._sessions = sessions
        self._opening = opening
        self._resume = resume
        self._truth = truth
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox-mail")
        self._consumer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read the mail queue."""
        self._consumer = asyncio.create_task(self._consume())

    async def close(self) -> None:
        """Stop reading; a poll under way ends with the connection it waits on."""
        if self._consumer is not None:
            self._consumer.cancel()
            await asyncio.gather(self._consumer, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def process_record(self, record: Value) -> None:
        """One record of an SQS event; what fails is told to the truth log and swallowed, as in the real one."""
        body = record.get("body") if isinstance(record, dict) else None
        try:
            await self.take(body)
        except (CloudError, StartFailed, HermesError) as error:
            self._truth.write("mail.failed", reason=str(error))

    async def take(self, body: object) -> None:
        """Read one envelope and do what its mail asks for."""
        mime, dialect = mime_of(body), self._settings.routing_dialect
        mail = read_mail(mime, dialect)
        if broken := self._broken(mail.client):
            mail = read_mail(mime, dialect, broken=broken)
        self._truth.write("mail.received", client=mail.client, thread=mail.thread)
        if self._faults.strikes("mail-lost", client=mail.client) is not None:
            return
        mapping = await self._tables.mappings.row(mail.thread)
        session = await self._sessions.find(text(mapping, "sessionId")) if mapping is not None else None
        if mapping is None or session is None:
            await self._open(mail)
        else:
            await self._continue(mail, session, mapping)

    def _broken(self, client: str) -> list[str]:
        return [fault for fault in OF_THREADS if self._faults.strikes(fault, client=client) is not None]

    async def _open(self, mail: Mail) -> None:
        first = f"Email from {mail.sender}: {mail.subject}" if mail.user == "email-user" else mail.instruction
        row = await self._opening.open_for_mail(
            Wish(mail.client, mail.user, first, project=mail.project, chat_thread=mail.thread)
        )
        mapping: dict[str, Value] = {
            "threadId": mail.thread,
            "sessionId": row["sessionId"],
            "containerId": row["containerId"],
            "clientId": mail.client,
            "projectId": mail.project,
            "userId": mail.user,
            "status": "active",
            "createdAt": now_ms(),
            "lastActivity": now_ms(),
        }
        await self._tables.mappings.put(mapping)

    async def _continue(self, mail: Mail, session: Row, mapping: Mapping[str, Value]) -> None:
        """A reply: wake the session's container and hand the command over; it waits on the queue until then."""
        client = text(session, "clientId") or mail.client
        await self._resume.resume(mail.thread, client)
        owner = Owner(client, text(session, "projectId") or mail.project, text(session, "userId") or mail.user)
        queues = await self._queues.ensure(text(mapping, "containerId"), owner)
        body = command(
            session=text(session, "sessionId"),
            chat_thread=mail.thread,
            instruction=mail.instruction,
            user=mail.sender,
            branch=names.branch_of(mail.thread),
            owner=owner,
        )
        attributes = {"Type": "edit", "SessionId": text(body, "sessionId"), "ChatThreadId": mail.thread}
        await self._queues.send(queues.input, body, attributes)

    async def _consume(self) -> None:
        """Read the mail queue for ever; a mail that failed is delivered again, then goes to the DLQ."""
        loop = asyncio.get_running_loop()
        url = ""
        while True:
            try:
                if not url:
                    queue = self._settings.email_queue_name
                    url = (await self._cloud.call(self._sqs.get_queue_url, QueueName=queue))["QueueUrl"]
                poll = partial(
                    self._sqs.receive_message,
                    QueueUrl=url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=POLL_SECONDS,
                )
                answer = await loop.run_in_executor(self._thread, poll)
            except (CloudError, ClientError, BotoCoreError) as error:
                self._truth.write("mail.failed", reason=str(error))
                await asyncio.sleep(1)
                continue
            for message in answer.get("Messages", []):
                await self._handle(url, message)

    async def _handle(self, url: str, message: "MessageTypeDef") -> None:
        """Take one mail and delete it; that it failed is told, and is no matter of the mails beside it."""
        try:
            await self.take(message.get("Body", ""))
            await self._cloud.call(
                self._sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
            )
        except (CloudError, StartFailed, HermesError) as error:
            self._truth.write("mail.failed", reason=str(error))
