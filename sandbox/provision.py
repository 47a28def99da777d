"""What the platform's own deployment makes before anybody uses it: tables, mail queue, cluster, definitions."""

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from sandbox.settings import ACCESS_KEY, CONTAINER_NAME, REGION, SECRET_KEY, SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_sqs import SQSClient

Key = tuple[str, str]  # attribute name and DynamoDB type


def session() -> boto3.session.Session:
    """A boto3 session with the sandbox's credentials, whatever the environment says."""
    return boto3.session.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )


def client_config(*, read_timeout: float = 30.0) -> Config:
    """One attempt and no surprises: retries would hide what the sandbox does."""
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=5,
        read_timeout=read_timeout,
        parameter_validation=True,
        user_agent_extra="webordinary-sandbox",
    )


def provision(settings: SandboxSettings) -> None:
    """Make everything in AWS that the platform's stacks would have made; blocking, once per sandbox."""
    aws = session()
    dynamodb: DynamoDBClient = aws.client("dynamodb", endpoint_url=settings.aws_url, config=client_config())
    sqs: SQSClient = aws.client("sqs", endpoint_url=settings.aws_url, config=client_config())
    ecs: ECSClient = aws.client("ecs", endpoint_url=settings.aws_url, config=client_config())
    _tables(dynamodb, settings)
    dynamodb.update_continuous_backups(
        TableName=settings.queue_tracking_table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    _mail_queue(sqs, settings)
    _cluster(ecs, settings)


def _tables(dynamodb: "DynamoDBClient", settings: SandboxSettings) -> None:
    by_client_project: tuple[str, tuple[Key, ...]] = ("clientProject-index", (("clientProjectId", "S"),))
    by_user: tuple[str, tuple[Key, ...]] = ("userId-index", (("userId", "S"),))
    by_container: tuple[str, tuple[Key, ...]] = ("container-index", (("containerId", "S"),))
    newest: Key = ("lastActivity", "N")
    sort: tuple[Key, ...] = (("userId", "S"),) if settings.session_key == "composite" else ()
    _table(
        dynamodb,
        settings.session_table,
        (("sessionId", "S"), *sort),
        ("StatusIndex", (("status", "S"),)),
        ("ClientIndex", (("clientId", "S"),)),
        by_container,
        ("thread-index", (("chatThreadId", "S"),)),
    )
    _table(
        dynamodb,
        settings.thread_mapping_table,
        (("threadId", "S"),),
        (by_user[0], (*by_user[1], newest)),
        (by_client_project[0], (*by_client_project[1], newest)),
        by_container,
    )
    _table(
        dynamodb,
        settings.container_table,
        (("containerId", "S"),),
        by_user,
        by_client_project,
        ("status-index", (("status", "S"),)),
    )
    _table(
        dynamodb,
        settings.queue_tracking_table,
        (("containerId", "S"), ("createdAt", "N")),
        by_user,
        by_client_project,
    )


def _table(
    dynamodb: "DynamoDBClient", name: str, key: tuple[Key, ...], *indexes: tuple[str, tuple[Key, ...]]
) -> None:
    attributes = dict([*key, *(part for _, parts in indexes for part in parts)])
    described: dict[str, Any] = {
        "GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": _key_schema(parts), "Projection": {"ProjectionType": "ALL"}}
            for index, parts in indexes
        ]
    }
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_key_schema(key),
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": kind}  # type: ignore[typeddict-item]
            for attribute, kind in attributes.items()
        ],
        **described,
    )
    dynamodb.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )


def _key_schema(key: tuple[Key, ...]) -> Any:
    return [
        {"AttributeName": name, "KeyType": kind}
        for (name, _), kind in zip(key, ("HASH", "RANGE"), strict=False)
    ]


def _mail_queue(sqs: "SQSClient", settings: SandboxSettings) -> None:
    dead = sqs.create_queue(QueueName=settings.email_dlq_name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.create_queue(
        QueueName=settings.email_queue_name,
        Attributes={
            "ReceiveMessageWaitTimeSeconds": "20",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3}),
        },
    )


def _cluster(ecs: "ECSClient", settings: SandboxSettings) -> None:
    ecs.create_cluster(clusterName=settings.cluster_name)
    for family, name, cpu, memory in (
        (settings.edit_family, CONTAINER_NAME, "256", "512"),
        (settings.hermes_family, "hermes", "512", "1024"),
    ):
        ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu=cpu,
            memory=memory,
            containerDefinitions=[
                {
                    "name": name,
                    "image": f"{name}:test",
                    "essential": True,
                    "environment": [
                        {"name": "GIT_DEFAULT_BRANCH", "value": "main"},
                        {"name": "GIT_PROTECTED_BRANCHES", "value": "main,master,production"},
                        {"name": "GIT_REMOTE", "value": "origin"},
                    ],
                }
            ],
        )
