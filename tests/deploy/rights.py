"""What IAM would say: the requests that clients make, as IAM sees them, and whether statements allow them."""

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REGION, ACCOUNT = "us-west-2", "123456789012"
_TAG = "1a2b3c4d"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: The monitor's mark with a run's tag, and whatever follows: ids of users, projects and chats.
_MARKED = re.compile(r"(syn-?)[0-9a-f]{8}.*")
#: Every request of a whole suite, by the kind of platform it ran on; renewed by test_requests.
RECORDED = Path(__file__).parents[1] / "golden" / "aws-requests.json"


@dataclass(frozen=True, order=True)
class Request:
    """One action on one resource; `context` are the condition keys that are known of it."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = field(default=())

    @property
    def example(self) -> "Request":
        """The same with real ids in the place of `{tag}` and `{id}`."""
        return Request(
            self.action,
            _filled(self.resource),
            tuple((key, value.replace("{tag}", _TAG)) for key, value in self.context),
        )


def requests_of(
    service: str, operation: str, params: Mapping[str, Any], tags: Mapping[str, Mapping[str, str]]
) -> Iterator[Request]:
    """What a call asks IAM for, ids replaced. `tags` are those of tasks that were described before."""
    action = f"{service}:{operation}"
    match service:
        case "dynamodb":
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield Request(action, _arn("dynamodb", f"table/{params['TableName']}{index}"))
        case "sqs":
            yield from _of_queue(action, params)
        case "ecs":
            yield from _of_ecs(action, params, tags)
        case "logs":
            stream = f"log-group:{params['logGroupName']}:log-stream:{{id}}"
            yield Request(action, _arn("logs", stream))
        case "cloudwatch":
            yield Request(action, "*")
        case _:
            raise AssertionError(f"nobody said what {action} asks for")


def written(found: Mapping[str, Iterable[Request]]) -> str:
    """The requests as they are kept: sorted, one a line."""
    lines = {
        platform: [json.dumps([one.action, one.resource, dict(one.context)]) for one in sorted(requests)]
        for platform, requests in sorted(found.items())
    }
    told = (
        f'  "{platform}": [\n    ' + ",\n    ".join(several) + "\n  ]" for platform, several in lines.items()
    )
    return "{\n" + ",\n".join(told) + "\n}\n"


def recorded(platform: str) -> list[Request]:
    """What a whole suite asks on a `shared` or an `isolated` platform."""
    kept = json.loads(RECORDED.read_text())[platform]
    return [Request(action, resource, tuple(context.items())) for action, resource, context in kept]


def _of_queue(action: str, params: Mapping[str, Any]) -> Iterator[Request]:
    name = params.get("QueueName") or str(params.get("QueueUrl", "")).rsplit("/", 1)[-1]
    if not name:
        yield Request(action, "*")
        return
    queue = _arn("sqs", _MARKED.sub(r"\1{tag}", name))
    yield Request(action, queue)
    if params.get("tags"):
        yield Request("sqs:TagQueue", queue)


def _of_ecs(action: str, params: Mapping[str, Any], tags: Mapping[str, Mapping[str, str]]) -> Iterator[Request]:
    cluster = str(params["cluster"]).rsplit("/", 1)[-1]
    there = ("ecs:cluster", _arn("ecs", f"cluster/{cluster}"))
    task = _arn("ecs", f"task/{cluster}/{{id}}")
    match action.partition(":")[2]:
        case "DescribeServices" | "UpdateService":
            for service in params.get("services") or [params["service"]]:
                yield Request(action, _arn("ecs", f"service/{cluster}/{service}"), (there,))
        case "ListTasks":
            yield Request(action, "*", (there,))
        case "DescribeTasks":
            yield Request(action, task, (there,))
        case "StopTask":
            whose = _MARKED.sub(r"\1{tag}", tags[params["task"]].get("ClientId", ""))
            yield Request(action, task, (("aws:ResourceTag/ClientId", whose), there))
        case "RunTask":
            given = {tag["key"]: tag["value"] for tag in params["tags"]}
            whose = _MARKED.sub(r"\1{tag}", given.get("ClientId", ""))
            family = _arn("ecs", f"task-definition/{params['taskDefinition']}:1")
            yield Request(action, family, (("aws:RequestTag/ClientId", whose), there))
            yield Request("ecs:TagResource", task, (("ecs:CreateAction", "RunTask"),))
        case other:
            raise AssertionError(f"nobody said what ecs:{other} asks for")


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{_UUID.sub('{id}', rest)}"


def _filled(text: str) -> str:
    return text.replace("{tag}", f"{_TAG}-site-TESTvisitor{_TAG}").replace("{id}", "0f" * 16)


# -- whether it is allowed ---------------------------------------------------------------------------------


def allowed(statements: Iterable[Mapping[str, Any]], request: Request) -> bool:
    """Whether IAM lets the request through: a statement allows it, and none denies it."""
    concerned = [one["Effect"] for one in statements if _concerns(one, request)]
    return "Allow" in concerned and "Deny" not in concerned


def _concerns(statement: Mapping[str, Any], request: Request) -> bool:
    known = {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert set(statement) <= known, f"cannot judge {set(statement) - known}"
    context, conditions = dict(request.context), statement.get("Condition", {})
    return (
        any(_like(request.action.lower(), one.lower()) for one in _several(statement["Action"]))
        and any(_like(request.resource, one) for one in _several(statement["Resource"]))
        and all(_holds(operator, wanted, context) for operator, wanted in conditions.items())
    )


def _holds(operator: str, wanted: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether every key of a condition has one of its values; a key that is not there has none."""
    match operator:
        case "StringEquals":
            return all(context.get(key) in _several(values) for key, values in wanted.items())
        case "StringLike" | "ArnEquals" | "ArnLike":
            return all(
                key in context and any(_like(context[key], one) for one in _several(values))
                for key, values in wanted.items()
            )
        case _:
            raise AssertionError(f"cannot judge the condition {operator}")


def _like(text: str, pattern: str) -> bool:
    """IAM's patterns know `*` and `?`, and no sets of letters."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
