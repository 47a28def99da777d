"""Customers beside the probes: what is theirs on the sandbox, planted and looked at again byte for byte.

Their names are chosen to be mistaken for ours: a prefix of ours, a tag's eight digits, the mark of test users.
"""

import hashlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.sandbox import RunningSandbox

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody whose site is on the platform."""

    client: str
    user: str
    project: str = "site"

    @property
    def container(self) -> str:
        return f"{self.client}-{self.project}-{self.user}"

    @property
    def session(self) -> str:
        return f"{self.client}-session"

    @property
    def thread(self) -> str:
        return f"thread-of-{self.client}"


CUSTOMERS = (
    Customer("acme", "jane"),
    Customer("syn", "synthia"),
    Customer("syn-customer", "TEST_visitor"),
    Customer("syn-0a1b2c3d", "TEST_visitor-0a1b2c3d"),  # another monitor's run, which is not ours either
    Customer("synergy", "visitor"),
    Customer("test-1a2b3c4d", "TEST_1758000000000_abcdefghi"),
    Customer("deadbeef", "email-user"),
)


def plant(sandbox: RunningSandbox, customer: Customer) -> None:
    """Rows in all tables, a queue set with a message in each queue, and a workspace with unsaved work."""
    urls = {kind: _queue(sandbox, kind, customer) for kind in ("input", "output", "dlq")}
    now = int(time.time() * 1000)
    shared = {
        "clientId": customer.client,
        "userId": customer.user,
        "projectId": customer.project,
        "containerId": customer.container,
        "lastActivity": now,
    }
    queues = {"inputQueueUrl": urls["input"], "outputQueueUrl": urls["output"]}
    _put(
        sandbox,
        sandbox.settings.session_table,
        {
            **shared,
            **queues,
            "sessionId": customer.session,
            "threadId": customer.thread,
            "chatThreadId": customer.thread,
            "status": "active",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "ttl": now // 1000 + DAY_SECONDS,
        },
    )
    _put(
        sandbox,
        sandbox.settings.thread_mapping_table,
        {**shared, "threadId": customer.thread, "sessionId": customer.session, "status": "active"},
    )
    _put(
        sandbox,
        sandbox.settings.container_table,
        {**shared, **queues, "status": "stopped", "createdAt": now, "stoppedAt": now},
    )
    _put(
        sandbox,
        sandbox.settings.queue_tracking_table,
        {**shared, **queues, "dlqQueueUrl": urls["dlq"], "status": "active", "createdAt": now},
    )
    _workspace(sandbox, customer)


def belongings(sandbox: RunningSandbox, customer: Customer) -> dict[str, Any]:
    """Everything that is theirs, but for the messages in their queues, which are counted."""
    names = sandbox.settings
    tables = (
        names.session_table,
        names.thread_mapping_table,
        names.container_table,
        names.queue_tracking_table,
    )
    theirs: dict[str, Any] = {
        table: sorted(
            json.dumps(item, sort_keys=True)
            for item in sandbox.dynamodb.scan(TableName=table)["Items"]
            if item.get("clientId", {}).get("S") == customer.client
        )
        for table in tables
    }
    for kind in ("input", "output", "dlq"):
        url = _url(sandbox, kind, customer)
        told = sandbox.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        theirs[f"{kind} queue"] = told | sandbox.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    theirs["workspace"] = _tree(names.workspace_root / customer.client)
    return theirs


def messages(sandbox: RunningSandbox, customer: Customer) -> list[tuple[str, str]]:
    """What lies in their queues, and how often it was received before; receiving it counts."""
    found = []
    for kind in ("input", "output", "dlq"):
        answer = sandbox.sqs.receive_message(
            QueueUrl=_url(sandbox, kind, customer),
            MaxNumberOfMessages=10,
            AttributeNames=["ApproximateReceiveCount"],
        )
        found += [
            (message["Body"], message["Attributes"]["ApproximateReceiveCount"])
            for message in answer.get("Messages", [])
        ]
    return found


def _queue(sandbox: RunningSandbox, kind: str, customer: Customer) -> str:
    name = f"webordinary-{kind}-{customer.container}"
    url: str = sandbox.sqs.create_queue(QueueName=name, tags={"Project": "Webordinary"})["QueueUrl"]
    sandbox.sqs.send_message(QueueUrl=url, MessageBody=f"{kind} of {customer.client}")
    return url


def _url(sandbox: RunningSandbox, kind: str, customer: Customer) -> str:
    url: str = sandbox.sqs.get_queue_url(QueueName=f"webordinary-{kind}-{customer.container}")["QueueUrl"]
    return url


def _put(sandbox: RunningSandbox, table: str, row: dict[str, object]) -> None:
    typed = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in row.items()}
    sandbox.dynamodb.put_item(TableName=table, Item=typed)


def _workspace(sandbox: RunningSandbox, customer: Customer) -> None:
    place = sandbox.settings.workspace_root / customer.client / customer.user / "project"
    place.mkdir(parents=True)
    (place / "index.html").write_text(f"the site of {customer.client}\n")
    git = ("git", "-C", str(place), "-c", "user.name=x", "-c", "user.email=x@example.com")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *command], check=True)
    (place / "unsaved.txt").write_text("not committed yet\n")


def _tree(root: Path) -> dict[str, str]:
    """Every file below, hidden ones included, with its contents' hash and its time of change."""
    return {
        str(
            path.relative_to(root)
        ): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
