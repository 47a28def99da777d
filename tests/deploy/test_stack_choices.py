"""What may be chosen about the stack for ECS: the platform's test stack, a database of its own, HTTPS."""

import tomllib
from collections.abc import Iterator

import pytest
from moto import mock_aws

import probes
from synthetics import settings as engine
from tests.deploy.stacks import (
    ECS,
    WORKSPACES,
    Deployed,
    client,
    deploying,
    parameter_file,
    resource_id,
    settings_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS.:UserWarning")


@pytest.fixture
def small() -> Iterator[Deployed]:
    """On the platform's test stack, with a database of its own."""
    with deploying(**parameter_file("test-stack.json"), **WORKSPACES, DatabaseUrlSecret="") as deployed:
        yield deployed


def test_with_a_certificate_it_speaks_https() -> None:
    with mock_aws():
        certificate = client("acm").request_certificate(DomainName="status.example.test")["CertificateArn"]
        with deploying(CertificateArn=certificate) as deployed:
            listener = deployed.properties["Listener"]
            (ingress,) = deployed.properties["LoadBalancerSecurityGroup"]["SecurityGroupIngress"]
            url = deployed.environment("api")["SYNTHETICS_API__PUBLIC_URL"]

    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["Certificates"] == [{"CertificateArn": certificate}]
    assert (ingress["FromPort"], ingress["ToPort"]) == (443, 443)
    assert url.startswith("https://")


def test_the_parameters_and_the_profile_of_the_test_stack_say_the_same(small: Deployed) -> None:
    environment = small.environment("worker")
    assert environment["SYNTHETICS_CONFIG"] == "/etc/synthetics/test-stack.toml"
    profile = tomllib.loads((ECS / "test-stack.toml").read_text())

    alone = probes.load_settings(profile["platform"], {})
    found = settings_of(environment, profile["platform"])

    assert found.isolated
    assert found.idle_timeout.total_seconds() == found.auto_shutdown.total_seconds() == 60
    assert found.metrics_environment == "test"
    assert found.test_user_prefix == "TEST_"
    for name in profile["platform"]:
        field = name.removesuffix("_s").removesuffix("_minutes")
        assert getattr(alone, field) == getattr(found, field), name
    names = (found.session_table, found.container_table, found.queue_prefix, found.edit_service)
    assert all(name.startswith("webordinary-test-") for name in names)
    task = small.properties["WorkerTask"]
    assert (int(task["Cpu"]), int(task["Memory"])) == (256, 512)
    assert small.container("worker")["image"].endswith("/synthetics:test")
    assert small.mounts("worker") == {
        "state": False,
        "workspaces": False,
    }
    engine.load(ECS / "test-stack.toml", {}, known_probes=[probe.name for probe in probes.CATALOGUE])


def test_without_a_database_it_makes_one_that_only_its_tasks_reach(small: Deployed) -> None:
    (database,) = client("rds").describe_db_instances()["DBInstances"]
    host = database["Endpoint"]["Address"]

    assert (database["Engine"], database["StorageEncrypted"], database["PubliclyAccessible"]) == (
        "postgres",
        True,
        False,
    )
    for task in ("worker", "api"):
        url = small.environment(task)["SYNTHETICS_DATABASE_URL"]
        assert url == f"postgresql://synthetics@{host}:5432/synthetics?sslmode=require"
        assert "PGPASSWORD" in small.secrets(task)
    (ingress,) = small.properties["OwnDatabaseSecurityGroup"]["SecurityGroupIngress"]
    assert ingress["SourceSecurityGroupId"] == resource_id("TaskSecurityGroup")
    assert "DatabaseStorageAlarm" in small.properties
