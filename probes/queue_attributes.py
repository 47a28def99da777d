"""What a container's queues are set to (contract §4.1)."""

import json
from collections.abc import Mapping

from probes.factories import Conversation
from probes.platform import Context
from probes.platform.responses import queue_name
from synthetics.contract import expect
from synthetics.contract.context import CheckNote
from synthetics.errors import Unexpected

_SECONDS = {"input": "300", "output": "300", "dlq": "60"}
_COMMON = {"MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "20"}
_RECEIVES_BEFORE_DLQ = 3
#: Tags that tell whose queues they are.
_OWNER = ("clientId", "projectId", "userId")


async def attributes_are_right(ctx: Context, chat: Conversation, check: CheckNote) -> None:
    """QM-08: visibility, retention, waiting time, dead letters and tags of the three. Raises Unexpected."""
    queues = ctx.platform.queues
    urls = {"input": chat.queues.input_url, "output": chat.queues.output_url, "dlq": chat.queues.dlq_url}
    wrong: list[str] = []
    untold: set[str] = set()
    for kind, url in urls.items():
        told = await queues.attributes(url)
        wanted = {"VisibilityTimeout": _SECONDS[kind], **_COMMON}
        check.saw(**{kind: {name: told.get(name) for name in wanted}})
        wrong += [f"{kind} {name} {told.get(name)} (wanted {it})" for name, it in wanted.items()
                  if told.get(name) != it]  # fmt: skip
        if kind == "input":
            wrong += wrong_redrive(told.get("RedrivePolicy"), queue_name(chat.queues.dlq_url))
        tags = await queues.tags(url)
        wrong += [f"{kind} tag {name} {tags.get(name)!r} (wanted {it!r})"
                  for name, it in _tags(kind).items() if tags.get(name) != it]  # fmt: skip
        untold |= {name for name in _OWNER if name not in tags}
        if tags.get("clientId", chat.client_id) != chat.client_id:
            wrong.append(f"{kind} tag clientId {tags['clientId']!r} (wanted {chat.client_id!r})")
    expect.empty("attributes and tags of the queues that are not as agreed", wrong)
    if untold:
        check.degrade(f"tags that tell whose queues they are (added later, contract §4.1): no {sorted(untold)}")


def wrong_redrive(policy: str | None, dlq: str) -> list[str]:
    """What is wrong with the input queue's dead letters; nothing if they go to the container's own."""
    if policy is None:
        return ["input RedrivePolicy none (wanted dead letters)"]
    try:
        told = json.loads(policy)
        target, receives = str(told["deadLetterTargetArn"]), int(told["maxReceiveCount"])
    except (ValueError, TypeError, KeyError) as error:
        raise Unexpected(f"unexpected: RedrivePolicy of the input queue: cannot be read: {policy!r}") from error
    wrong = []
    if target.rpartition(":")[2] != dlq:
        wrong.append(f"input dead letters go to {target.rpartition(':')[2]} (wanted {dlq})")
    if receives != _RECEIVES_BEFORE_DLQ:
        wrong.append(f"input maxReceiveCount {receives} (wanted {_RECEIVES_BEFORE_DLQ})")
    return wrong


def _tags(kind: str) -> Mapping[str, str]:
    return {"Project": "Webordinary", "ManagedBy": "Hermes", "Type": "DLQ" if kind == "dlq" else "Standard"}
