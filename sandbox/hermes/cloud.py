"""Hands on AWS for the front half: boto3 in threads of its own, one attempt, errors with a name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws import AwsError
from sandbox.hermes.calls import Calls
from sandbox.settings import ACCESS_KEY, REGION, SECRET_KEY, SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, QueryInputTypeDef

Item = dict[str, Any]
Value = str | int | float | None | list["Value"] | dict[str, "Value"]
Row = dict[str, Value]
P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8


class CloudError(Exception):
    """AWS refused or could not be reached; `code` is AWS's own name for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


Near = Callable[[str, str, str, str | None], Awaitable[list[Item]]]
"""Asks a table that lives in this process for the items with this value in that attribute, by that index."""


class Cloud:
    """The AWS clients of one sandbox, and the only way to call them; `near` is a short cut to its tables."""

    def __init__(self, settings: SandboxSettings, near: Near | None = None) -> None:
        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        config = Config(
            retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30, max_pool_connections=THREADS
        )
        self.dynamodb = session.client("dynamodb", endpoint_url=settings.aws_url, config=config)
        self.sqs = session.client("sqs", endpoint_url=settings.aws_url, config=config)
        self.ecs = session.client("ecs", endpoint_url=settings.aws_url, config=config)
        self.cloudwatch = session.client("cloudwatch", endpoint_url=settings.aws_url, config=config)
        self.calls = Calls(settings)
        self._near = near
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox-front")

    async def call(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What AWS answers; raises CloudError with AWS's code."""
        work = partial(action, *args, **kwargs)
        try:
            with self.calls.counted(getattr(action, "__name__", ""), kwargs):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            told = error.response.get("Error", {})
            raise CloudError(told.get("Code", "Unknown"), told.get("Message", str(error))) from error
        except BotoCoreError as error:
            raise CloudError(type(error).__name__, str(error)) from error

    async def query(self, table: str, attribute: str, value: str, index: str | None) -> list[Row]:
        """Every row with this text in that attribute, by this index; None: it is the table's key.

        Raises CloudError.
        """
        if self._near is None:
            return await self.call(self._query, table, attribute, value, index)
        try:
            with self.calls.counted("query", {"TableName": table}):
                return [from_wire(item) for item in await self._near(table, attribute, value, index)]
        except AwsError as error:
            raise CloudError(error.code, str(error)) from error

    def _query(self, table: str, attribute: str, value: str, index: str | None) -> list[Row]:
        request: QueryInputTypeDef = {
            "TableName": table,
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": attribute},
            "ExpressionAttributeValues": {":key": {"S": value}},
        }
        if index is None:
            request["ConsistentRead"] = True
        else:
            request["IndexName"] = index
        found: list[Row] = []
        while True:
            page = self.dynamodb.query(**request)
            found += [from_wire(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return found
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def close(self) -> None:
        """Let go of threads and connections; calls under way are waited for, off the loop that answers them."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for client in (self.dynamodb, self.sqs, self.ecs, self.cloudwatch):
            client.close()


_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_wire(row: Mapping[str, Value]) -> "dict[str, AttributeValueTypeDef]":
    """A row as DynamoDB wants it; attributes that are None are left out."""
    return {name: _serialize(_decimal(value)) for name, value in row.items() if value is not None}


def from_wire(item: "Mapping[str, AttributeValueTypeDef]") -> Row:
    """A row as plain values: whole numbers are int."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _decimal(value: Value) -> object:
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: _decimal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_decimal(inner) for inner in value]
    return value


def _plain(value: object) -> Value:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | set | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def text(row: Mapping[str, Value], name: str) -> str:
    """A text attribute; empty if it is absent or no text."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def number(row: Mapping[str, Value], name: str) -> int:
    """A numeric attribute; 0 if it is absent or no number."""
    value = row.get(name)
    return int(value) if isinstance(value, int | float) else 0
