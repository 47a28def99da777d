"""Mail to the platform: what its intake finds on the mail queue (contract §8)."""

import json
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from probes.platform.aws import Aws, a_text
from probes.platform.guard import Guard
from probes.platform.responses import queue_name
from probes.platform.settings import PlatformSettings
from probes.platform.threads import chat_thread
from synthetics.clock import Clock

_DOMAIN = "monitor.example"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of ours: `thread` is the chat thread that a G2 intake makes of it (contract §8.3).

    Empty where the mail tells nothing that a thread could be made of.
    """

    message_id: str
    thread: str
    sender: str
    mime: str


class Mail:
    """Writes to the platform as this run's client does.

    The two intakes tell the customer from different headers (contract §8.2), so all of them name the run's: the
    sender's local part, the addressee and the subject's tag, each without anything but letters and digits.
    """

    def __init__(self, *, aws: Aws, settings: PlatformSettings, guard: Guard, clock: Clock) -> None:
        self._aws = aws
        self._settings = settings
        self._guard = guard
        self._clock = clock
        self._unheard: set[str] = set()

    @property
    def awaited(self) -> bool:
        """Whether a letter was sent that nothing was seen to come of: it may yet, when the run is over."""
        return bool(self._unheard)

    def heard(self, *letters: Letter) -> None:
        """Take note that sessions came of these letters."""
        self._unheard.difference_update(letter.message_id for letter in letters)

    @property
    def client_id(self) -> str:
        """The client that the intake makes of our address."""
        return self._guard.mail_client_id

    def letter(
        self,
        text: str,
        *,
        project: str,
        subject: str = "A change to my site",
        in_reply_to: str | None = None,
        references: tuple[str, ...] = (),
        nameless: bool = False,
    ) -> Letter:
        """A mail to be sent; `in_reply_to` and `references` are message ids as they are to be written.

        A nameless one has no Message-ID.
        """
        client, message_id = self.client_id, self.new_id()
        message = EmailMessage()
        if not nameless:
            message["Message-ID"] = message_id
        message["Date"] = format_datetime(self._clock.now())
        message["From"] = sender = f"{client}@{_DOMAIN}"
        message["To"] = f"edit@{client}-{project}.{self._settings.mail_domain}"
        message["Subject"] = f"[{client}/{project}] {subject}"
        if in_reply_to:
            message["In-Reply-To"] = in_reply_to
        if references:
            message["References"] = " ".join(references)
        message.set_content(text)
        source = next(iter(references), None) or in_reply_to or ("" if nameless else message_id)
        return Letter(message_id, chat_thread(source) if source else "", sender, message.as_string())

    @staticmethod
    def new_id() -> str:
        """The id of a mail that nobody has sent yet, brackets included."""
        return make_msgid(domain=_DOMAIN)

    async def send(self, letter: Letter) -> str:
        """Put the letter on the mail queue as SES tells of a received mail; the message's id there.

        Written down first: a session may come of it whether we are told so or not.
        """
        details = {"client": self.client_id, "mail": letter.message_id}
        details |= {"thread": letter.thread} if letter.thread else {}
        await self._guard.belongings.intend("session", self.client_id, **details)
        self._guard.belongings.adopt("thread", letter.thread)
        self._guard.own("mail", letter.sender.partition("@")[0])
        self._unheard.add(letter.message_id)
        url, body = await self.queue_url(), self._notification(letter)
        return await self._aws.call(
            "sqs:SendMessage",
            queue_name(url),
            lambda c: c.sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"],
        )

    async def queue_url(self) -> str:
        """The mail queue's address. Raises AwsError where there is no such queue."""
        if self._settings.sqs_queue_url is not None:
            return self._settings.sqs_queue_url
        name = self._settings.email_queue_name
        return await self._aws.call(
            "sqs:GetQueueUrl", name, lambda c: a_text(c.sqs.get_queue_url(QueueName=name)["QueueUrl"])
        )

    def _notification(self, letter: Letter) -> str:
        """Shape 1 of contract §8.1: SES' own notification, the mail in it as it is."""
        return json.dumps(
            {
                "notificationType": "Received",
                "mail": {
                    "messageId": letter.message_id.strip("<>"),
                    "source": letter.sender,
                    "timestamp": self._clock.now().isoformat(),
                },
                "receipt": {"action": {"type": "SNS"}},
                "content": letter.mime,
            }
        )
