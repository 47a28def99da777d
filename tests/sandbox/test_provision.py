"""What there is before anybody comes: the tables of contract §3 and the mail queue of §4.1."""

import json

import pytest

from tests.support.sandbox import RunningSandbox

TABLES = {
    "webordinary-edit-sessions": (
        {"sessionId": "HASH", "userId": "RANGE"},
        {"StatusIndex": "status", "container-index": "containerId", "thread-index": "chatThreadId"},
    ),
    "webordinary-thread-mappings": (
        {"threadId": "HASH"},
        {
            "userId-index": "userId",
            "clientProject-index": "clientProjectId",
            "container-index": "containerId",
        },
    ),
    "webordinary-containers": (
        {"containerId": "HASH"},
        {"userId-index": "userId", "clientProject-index": "clientProjectId", "status-index": "status"},
    ),
    "webordinary-queue-tracking": (
        {"containerId": "HASH", "createdAt": "RANGE"},
        {"userId-index": "userId", "clientProject-index": "clientProjectId"},
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_its_key_its_indexes_and_its_ttl(sandbox: RunningSandbox, name: str) -> None:
    key, indexes = TABLES[name]
    table = sandbox.dynamodb.describe_table(TableName=name)["Table"]
    assert {part["AttributeName"]: part["KeyType"] for part in table["KeySchema"]} == key
    found = {
        index["IndexName"]: index["KeySchema"][0]["AttributeName"] for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes.items() <= found.items()
    if name == "webordinary-edit-sessions":
        assert "clientId" in found.values()
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = sandbox.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    backups = sandbox.dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == ("ENABLED" if name == "webordinary-queue-tracking" else "DISABLED")


def test_the_mail_queue_has_a_queue_for_dead_letters(sandbox: RunningSandbox) -> None:
    url = sandbox.sqs.get_queue_url(QueueName="webordinary-email-queue")["QueueUrl"]
    told = sandbox.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    redrive = json.loads(told["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 3
    assert redrive["deadLetterTargetArn"].endswith(":webordinary-email-dlq")
