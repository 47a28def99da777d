"""DynamoDB items by key: asked for by partition key, written and deleted one by one, never listed whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from probes.platform.aws import Aws, AwsClients, AwsError
from probes.platform.dialects import SessionKey
from probes.platform.rows import Stored

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table's key, and which index has which partition key."""

    key: tuple[str, ...]
    indexes: Mapping[str, str]

    def index_by(self, attribute: str) -> str | None:
        """An index whose partition key is this attribute."""
        return next((name for name, hashed in self.indexes.items() if hashed == attribute), None)


class Shapes:
    """What DescribeTable said, once per process and table."""

    def __init__(self) -> None:
        self._known: dict[str, TableShape] = {}

    async def of(self, aws: Aws, table: str) -> TableShape:
        """The table's shape. Raises AwsError or ProbeBroken."""
        if table not in self._known:
            self._known[table] = await _described(aws, table)
        return self._known[table]

    async def session_key(self, aws: Aws, table: str, setting: SessionKey) -> tuple[str, ...]:
        """The names of the sessions table's key attributes."""
        match setting:
            case SessionKey.SIMPLE:
                return ("sessionId",)
            case SessionKey.COMPOSITE:
                return ("sessionId", "userId")
            case SessionKey.AUTO:
                return (await self.of(aws, table)).key


async def _described(aws: Aws, table: str) -> TableShape:
    told = await aws.call(
        "dynamodb:DescribeTable",
        table,
        lambda c: c.dynamodb.describe_table(TableName=table)["Table"],
    )
    indexes = {
        index.get("IndexName", ""): next(
            (key["AttributeName"] for key in index.get("KeySchema", []) if key["KeyType"] == "HASH"), ""
        )
        for index in told.get("GlobalSecondaryIndexes", [])
    }
    ordered = sorted(told.get("KeySchema", []), key=lambda key: key["KeyType"] != "HASH")
    return TableShape(tuple(key["AttributeName"] for key in ordered), indexes)


async def query(
    aws: Aws,
    table: str,
    attribute: str,
    value: str,
    *,
    index: str | None = None,
    newest: bool = False,
    only: tuple[str, str] | None = None,
) -> list[Stored]:
    """Every item with this partition key; only the one with the highest sort key if `newest`.

    `only` names another attribute and the text that it must be, sifted by DynamoDB.
    """
    asked: QueryInputTypeDef = {
        "TableName": table,
        "KeyConditionExpression": "#k = :v",
        "ExpressionAttributeNames": {"#k": attribute},
        "ExpressionAttributeValues": {":v": {"S": value}},
    }
    if index is None:
        asked["ConsistentRead"] = True
    else:
        asked["IndexName"] = index
    if newest:
        asked["ScanIndexForward"] = False
        asked["Limit"] = 1
    if only is not None:
        asked["FilterExpression"] = "#o = :o"
        asked["ExpressionAttributeNames"] = {"#k": attribute, "#o": only[0]}
        asked["ExpressionAttributeValues"] = {":v": {"S": value}, ":o": {"S": only[1]}}
    where = f"{table}/index/{index}" if index else table
    items: list[Stored] = []
    for _ in range(_MOST_PAGES):
        found, last = await aws.call("dynamodb:Query", where, lambda clients: _page(clients, asked))
        items += found
        if not last or newest:
            break
        asked["ExclusiveStartKey"] = last
    return items


def _page(clients: AwsClients, asked: "QueryInputTypeDef") -> tuple[list[Stored], Any]:
    page = clients.dynamodb.query(**asked)
    return [*page["Items"]], page.get("LastEvaluatedKey")


async def put(aws: Aws, table: str, values: Mapping[str, object], *, new_key: str | None = None) -> bool:
    """Write a whole item; with `new_key`, only where no item has that key yet (False if one has)."""
    item = typed(values)

    def ask(clients: AwsClients) -> None:
        if new_key is None:
            clients.dynamodb.put_item(TableName=table, Item=item)
        else:
            clients.dynamodb.put_item(
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(#k)",
                ExpressionAttributeNames={"#k": new_key},
            )

    try:
        await aws.call("dynamodb:PutItem", table, ask)
    except AwsError as error:
        if error.code == "ConditionalCheckFailedException":
            return False
        raise
    return True


async def update(aws: Aws, table: str, key: Mapping[str, object], values: Mapping[str, object]) -> None:
    """Set attributes of an item that is there; if it is not, AwsError with ConditionalCheckFailedException."""
    names = {f"#{position}": name for position, name in enumerate(values)}
    expression = "SET " + ", ".join(f"{placeholder} = :{placeholder[1:]}" for placeholder in names)
    asked = {f":{position}": value for position, value in enumerate(values.values())}
    stored = typed(asked)
    await aws.call(
        "dynamodb:UpdateItem",
        table,
        lambda clients: clients.dynamodb.update_item(
            TableName=table,
            Key=typed(key),
            UpdateExpression=expression,
            ConditionExpression="attribute_exists(#k)",
            ExpressionAttributeNames={**names, "#k": next(iter(key))},
            ExpressionAttributeValues=stored,
        ),
    )


async def add(aws: Aws, table: str, key: Mapping[str, object], attribute: str, number: int) -> None:
    """Add to a number of an item that is there; if it is not, AwsError with ConditionalCheckFailedException."""
    await aws.call(
        "dynamodb:UpdateItem",
        table,
        lambda clients: clients.dynamodb.update_item(
            TableName=table,
            Key=typed(key),
            UpdateExpression="ADD #n :by",
            ConditionExpression="attribute_exists(#k)",
            ExpressionAttributeNames={"#n": attribute, "#k": next(iter(key))},
            ExpressionAttributeValues=typed({":by": number}),
        ),
    )


async def delete(aws: Aws, table: str, stored_key: Stored) -> None:
    """Delete the item with this key (in DynamoDB's own wire format), if there is one."""
    await aws.call(
        "dynamodb:DeleteItem",
        table,
        lambda clients: clients.dynamodb.delete_item(TableName=table, Key=dict(stored_key)),
    )


def typed(values: Mapping[str, object]) -> dict[str, Any]:
    """Python values in DynamoDB's wire format."""
    write = TypeSerializer()
    return {name: write.serialize(value) for name, value in values.items()}
