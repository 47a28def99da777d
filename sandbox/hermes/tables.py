"""The four tables, as Hermes, the router and the jobs use them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.hermes.cloud import Cloud, CloudError, Row, Value, from_wire, to_wire
from sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, UpdateItemInputTypeDef


@dataclass(frozen=True, slots=True)
class Shape:
    """What DescribeTable tells once: the key, and which attribute has an index."""

    key: tuple[str, ...]
    indexes: Mapping[str, str]


class Table:
    """One table. Rows are found by partition key whatever the generation of its key is (contract Q1)."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self._client = cloud.dynamodb
        self.name = name
        self._shape: Shape | None = None
        self._describing = asyncio.Lock()

    async def shape(self) -> Shape:
        async with self._describing:
            if self._shape is None:
                table = (await self._cloud.call(self._client.describe_table, TableName=self.name))["Table"]
                indexes = table.get("GlobalSecondaryIndexes", [])
                self._shape = Shape(
                    tuple(
                        part["AttributeName"]
                        for part in sorted(table["KeySchema"], key=lambda part: part["KeyType"])  # HASH, RANGE
                    ),
                    {index["KeySchema"][0]["AttributeName"]: index["IndexName"] for index in indexes},
                )
            return self._shape

    async def rows(self, key: str) -> list[Row]:
        """Every row with this partition key."""
        return await self._cloud.query(self.name, (await self.shape()).key[0], key, None)

    async def row(self, key: str) -> Row | None:
        """The row with this partition key; of several, the last by sort key."""
        found = await self.rows(key)
        return found[-1] if found else None

    async def having(self, attribute: str, value: str) -> list[Row]:
        """Every row with this value in that attribute: by its index if it has one, else by a scan."""
        index = (await self.shape()).indexes.get(attribute)
        if index is not None:
            return await self._cloud.query(self.name, attribute, value, index)
        return [row for row in await self.all() if row.get(attribute) == value]

    async def all(self) -> list[Row]:
        """Every row; for the cleanup jobs, which look at everything."""
        paginator = self._client.get_paginator("scan")

        def scan() -> list[Row]:
            pages = paginator.paginate(TableName=self.name, ConsistentRead=True)
            return [from_wire(item) for page in pages for item in page["Items"]]

        return await self._cloud.call(scan)

    async def put(self, row: Mapping[str, Value]) -> None:
        """Write the whole row."""
        await self._cloud.call(self._client.put_item, TableName=self.name, Item=to_wire(row))

    async def delete(self, row: Mapping[str, Value]) -> None:
        """Remove this row, if it is there."""
        key = await self._key(row)
        await self._cloud.call(self._client.delete_item, TableName=self.name, Key=key)

    async def update(
        self,
        row: Mapping[str, Value],
        values: Mapping[str, Value] | None = None,
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        only_if: Mapping[str, Value] | Mapping[str, Value | tuple[Value, ...]] | None = None,
    ) -> bool:
        """Change attributes of the row with this row's key.

        With `only_if`, nothing happens and False is returned unless the row exists with these values (a tuple:
        one of these). Without it, a row that is absent comes into being, as DynamoDB has it.
        """
        changes = _Expression()
        sets = [f"{changes.name(k)} = {changes.value(v)}" for k, v in (values or {}).items() if v is not None]
        removes = [changes.name(name) for name in remove]
        adds = [f"{changes.name(name)} {changes.value(value)}" for name, value in (add or {}).items()]
        clauses = (("SET", sets), ("REMOVE", removes), ("ADD", adds))
        update = " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses if parts)
        conditions = [changes.condition(name, wanted) for name, wanted in (only_if or {}).items()]
        key = await self._key(row)

        def send() -> None:
            request: UpdateItemInputTypeDef = {
                "TableName": self.name,
                "Key": key,
                "UpdateExpression": update,
                "ExpressionAttributeNames": changes.names,
            }
            if changes.values:
                request["ExpressionAttributeValues"] = to_wire(changes.values)
            if conditions:
                request["ConditionExpression"] = " AND ".join(conditions)
            self._client.update_item(**request)

        try:
            await self._cloud.call(send)
        except CloudError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return False
        return True

    async def _key(self, row: Mapping[str, Value]) -> "dict[str, AttributeValueTypeDef]":
        return to_wire({name: row[name] for name in (await self.shape()).key})


class _Expression:
    """Placeholders of one DynamoDB expression."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Value] = {}

    def name(self, attribute: str) -> str:
        placeholder = f"#n{len(self.names)}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: Value) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def condition(self, attribute: str, wanted: Value | tuple[Value, ...]) -> str:
        name = self.name(attribute)
        if isinstance(wanted, tuple):
            return f"{name} IN ({', '.join(self.value(value) for value in wanted)})"
        return f"{name} = {self.value(wanted)}"


class Tables:
    """The four tables of contract §3."""

    def __init__(self, cloud: Cloud, settings: SandboxSettings) -> None:
        self.sessions = Table(cloud, settings.session_table)
        self.mappings = Table(cloud, settings.thread_mapping_table)
        self.containers = Table(cloud, settings.container_table)
        self.tracking = Table(cloud, settings.queue_tracking_table)
