"""The stack for ECS: it is valid, deploys, and comes to what the service and the platform need."""

from collections.abc import Iterator

import pytest
from cfnlint.api import lint_file

from probes.platform.settings import PlatformSettings
from synthetics import settings as engine
from tests.deploy.stacks import (
    ACCOUNT,
    DATABASE_SECRET,
    NAME,
    REGION,
    TEMPLATE,
    WORKSPACES,
    Deployed,
    client,
    deploying,
    resource_id,
    settings_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS.:UserWarning")

TOLD = {
    "InternalApiKeySecret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hermes-key-Ab12Cd",
    "NotifierUrlSecret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pager-Ab12Cd",
    "AlertmanagerUrl": "http://alertmanager.example.test:9093",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Deployed]:
    """On a platform with other people, with everything that can be given."""
    with deploying(**WORKSPACES, **TOLD, SettingsFile="/etc/synthetics/mine.toml") as deployed:
        yield deployed


def test_the_template_is_valid() -> None:
    assert [str(match) for match in lint_file(TEMPLATE)] == []


def test_several_workers_run_and_a_deployment_that_fails_is_taken_back(shared: Deployed) -> None:
    worker, api = shared.properties["WorkerService"], shared.properties["ApiService"]

    told = client("ecs").describe_services(services=[f"{NAME}-worker", f"{NAME}-api"])["services"]
    assert [one["desiredCount"] for one in told] == [2, 2]
    for service in (worker, api):
        rollout = service["DeploymentConfiguration"]
        assert rollout["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
        assert rollout["MinimumHealthyPercent"] == 100
        assert service["EnableExecuteCommand"] is False
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"] == [*shared.subnets]
    assert not [kind for kind in shared.types.values() if "AutoScaling" in kind]
    assert shared.container("worker")["command"] == ["serve", "--role", "worker"]
    assert shared.container("api")["command"] == ["serve", "--role", "api"]
    # Runs under way may go on for worker.drain, and clean up after that.
    drain = engine.WorkerSettings().drain.total_seconds()
    assert shared.container("worker")["stopTimeout"] == drain + 60 == 120


def test_the_api_is_reached_through_an_internal_load_balancer(shared: Deployed) -> None:
    elb = client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (group,) = elb.describe_target_groups()["TargetGroups"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]

    assert balancer["Scheme"] == "internal"
    assert (group["Port"], group["HealthCheckPath"], group["TargetType"]) == (8080, "/healthz", "ip")
    assert (listener["Port"], listener["DefaultActions"][0]["TargetGroupArn"]) == (80, group["TargetGroupArn"])
    (attached,) = shared.properties["ApiService"]["LoadBalancers"]
    assert attached == {
        "ContainerName": "api",
        "ContainerPort": 8080,
        "TargetGroupArn": group["TargetGroupArn"],
    }
    assert "LoadBalancers" not in shared.properties["WorkerService"]
    assert shared.environment("api")["SYNTHETICS_API__PUBLIC_URL"] == f"http://{balancer['DNSName']}"


def test_what_containers_find_in_their_environment_is_what_the_service_reads(shared: Deployed) -> None:
    worker = settings_of(shared.environment("worker"))
    settings_of(shared.environment("api"))

    assert worker.alb == "https://alb.example.test"
    assert not worker.isolated
    assert worker.ecs_cluster_arn == f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/webordinary-edit-cluster"
    assert worker.client_prefix == "syn-"
    assert shared.environment("worker")["SYNTHETICS_CONFIG"] == "/etc/synthetics/mine.toml"
    given = {"workspace_root", "file_check", "efs_file_system_id", "alb_endpoint", "ecs_cluster_arn"}
    default = PlatformSettings(aws_account_id=ACCOUNT).model_dump(exclude=given)
    assert worker.model_dump(exclude=given) == default, "a parameter's default is not the setting's"


def test_secrets_come_from_secrets_manager_and_nothing_else_may_be_read_there(shared: Deployed) -> None:
    wanted = {
        "SYNTHETICS_DATABASE_URL": DATABASE_SECRET,
        "SYNTHETICS_NOTIFIERS__ONCALL__APPRISE": TOLD["NotifierUrlSecret"],
    }
    assert shared.secrets("api") == wanted
    assert shared.secrets("worker") == {**wanted, "INTERNAL_API_KEY": TOLD["InternalApiKeySecret"]}
    (reading,) = (one for one in shared.statements("ExecutionRole") if one["Sid"] == "ReadSecrets")
    assert set(reading["Resource"]) == set(shared.secrets("worker").values())
    assert shared.statements("ApiRole") == []


def test_workspaces_of_other_people_are_mounted_read_only_and_only_by_workers(shared: Deployed) -> None:
    assert shared.mounts("worker") == {"state": False, "workspaces": True}
    assert shared.container("api")["mountPoints"] == []
    (state, workspaces) = shared.properties["WorkerTask"]["Volumes"]
    for volume in (state, workspaces):
        assert volume["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"
        assert volume["EFSVolumeConfiguration"]["AuthorizationConfig"]["IAM"] == "ENABLED"
    mounting = {one["Sid"]: one for one in shared.statements("WorkerRole") if one["Sid"].startswith("Mount")}
    assert mounting["MountWorkspaces"]["Action"] == ["elasticfilesystem:ClientMount"]
    assert WORKSPACES["WorkspaceAccessPoint"] in str(mounting["MountWorkspaces"]["Condition"])
    (point,) = client("efs").describe_access_points(FileSystemId=resource_id("State"))["AccessPoints"]
    assert point["PosixUser"]["Uid"] == 10001, "the image's user"


def test_logs_are_kept_for_a_while(shared: Deployed) -> None:
    (group,) = client("logs").describe_log_groups()["logGroups"]

    assert (group["logGroupName"], group["retentionInDays"]) == (f"/ecs/{NAME}", 30)
    for task in ("worker", "api"):
        assert shared.container(task)["logConfiguration"]["options"]["awslogs-group"] == f"/ecs/{NAME}"


def test_the_monitor_itself_is_watched(shared: Deployed) -> None:
    alarms = shared.of_type("AWS::CloudWatch::Alarm")

    assert {"NoWorkerAlarm", "NoApiAlarm", "WorkerMemoryAlarm", "WorkerCpuAlarm", "ApiErrorsAlarm"} <= set(
        alarms
    )
    for name in ("NoWorkerAlarm", "NoApiAlarm"):
        assert alarms[name]["TreatMissingData"] == "breaching", "nothing runs, nothing is published"
    assert "DatabaseStorageAlarm" not in alarms
