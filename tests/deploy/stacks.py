"""The CloudFormation stack, deployed on moto: what came of it, as AWS tells and as the template says."""

import json
from ast import literal_eval
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from moto.efs.models import AccessPoint

import probes
from probes.platform.settings import PlatformSettings, setting_name
from synthetics import settings as engine

ECS = Path(__file__).parents[2] / "deploy" / "ecs"
TEMPLATE = ECS / "stack.yaml"
REGION, ACCOUNT, NAME = "us-west-2", "123456789012", "synthetics"
#: What moto leaves out of a stack, and says so.
UNKNOWN_TO_MOTO = ("AWS::SecretsManager::Secret", "AWS::CloudWatch::Alarm")

DATABASE_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:synthetics-database-Ab12Cd"
#: What has no default, and a database that exists.
NEEDED = {"ImageTag": "1.2.3", "AlbEndpoint": "https://alb.example.test", "DatabaseUrlSecret": DATABASE_SECRET}
WORKSPACES = {"WorkspaceFileSystem": "fs-0123456789abcdef0", "WorkspaceAccessPoint": "fsap-0123456789abcdef0"}


@dataclass(frozen=True)
class Deployed:
    """A stack that was deployed.

    `properties` are those of every resource, references resolved; but for what moto does not know they are as
    the template has them.
    """

    properties: Mapping[str, Mapping[str, Any]]
    types: Mapping[str, str]
    vpc: str
    subnets: tuple[str, str]

    def of_type(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """The resources of one type, by their names in the template."""
        return {name: found for name, found in self.properties.items() if self.types[name] == kind}

    def container(self, task: str) -> dict[str, Any]:
        """The one container of a task definition, as ECS describes it."""
        described = client("ecs").describe_task_definition(taskDefinition=f"{NAME}-{task}")
        (container,) = described["taskDefinition"]["containerDefinitions"]
        return dict(container)

    def environment(self, task: str) -> dict[str, str]:
        """What the container finds in its environment, secrets aside."""
        return {pair["name"]: pair["value"] for pair in self.container(task)["environment"]}

    def mounts(self, task: str) -> dict[str, bool]:
        """What the container mounts, and whether it may only read there."""
        return {point["sourceVolume"]: point["readOnly"] for point in self.container(task)["mountPoints"]}

    def secrets(self, task: str) -> dict[str, str]:
        """The names of the variables that are secrets, and where each comes from."""
        return {pair["name"]: pair["valueFrom"] for pair in self.container(task)["secrets"]}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Every statement about what a role may do, as IAM tells them."""
        iam, name = client("iam"), resource_id(role)
        found: list[dict[str, Any]] = []
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            told = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            # What came with a stack, moto tells as Python would write it.
            document = literal_eval(told) if isinstance(told, str) else told
            found += document["Statement"]
        assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
        return found


def client(service: str) -> Any:
    """A client of the AWS that moto plays in this process."""
    anything: Any = boto3  # its type knows four hundred services by name
    return anything.client(service, region_name=REGION)


def resource_id(logical: str) -> str:
    """What AWS calls a resource of the stack."""
    told = client("cloudformation").list_stack_resources(StackName=NAME)["StackResourceSummaries"]
    (found,) = (one["PhysicalResourceId"] for one in told if one["LogicalResourceId"] == logical)
    return str(found)


def parameter_file(name: str) -> dict[str, str]:
    """A file of parameters, in the form that the AWS command line takes."""
    return {one["ParameterKey"]: one["ParameterValue"] for one in json.loads((ECS / name).read_text())}


def settings_of(environment: dict[str, str], profile: dict[str, Any] | None = None) -> PlatformSettings:
    """What the service makes of a container's environment. Raises SettingsError where it makes nothing."""
    ours = {name: value for name, value in environment.items() if name.startswith(engine.PREFIX)}
    ours.pop(engine.CONFIG_VARIABLE, None)
    reading = engine.examine(None, ours, known_probes=[probe.name for probe in probes.CATALOGUE])
    assert reading.problems == ()
    theirs = {name: value for name, value in environment.items() if name not in ours and name != "PGPASSWORD"}
    theirs.pop(engine.CONFIG_VARIABLE, None)
    known = {setting_name(field).upper() for field in PlatformSettings.model_fields}
    assert set(theirs) <= known, "a variable that nobody reads"
    return probes.load_settings(profile or {}, theirs)


@contextmanager
def deploying(**parameters: str) -> Iterator[Deployed]:
    """The stack with these parameters, in an AWS of its own that is gone afterwards."""
    with mock_aws(), patch.object(parsing, "clean_json", _cleaned):
        vpc, subnets = _network()
        client("ecs").create_cluster(clusterName="default")
        given = {"Vpc": vpc, "SubnetA": subnets[0], "SubnetB": subnets[1], **NEEDED, **parameters}
        client("cloudformation").create_stack(
            StackName=NAME,
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = cloudformation_backends[ACCOUNT][REGION].stacks.values()
        resources = stack.template_dict["Resources"]
        made = {
            name: found
            for name, found in resources.items()
            if "Condition" not in found or stack.resource_map.lazy_condition_map[found["Condition"]]
        }
        yield Deployed(
            {
                name: found["Properties"]
                if found["Type"] in UNKNOWN_TO_MOTO
                else _cleaned(found["Properties"], stack.resource_map)
                for name, found in made.items()
            },
            {name: found["Type"] for name, found in made.items()},
            vpc,
            subnets,
        )


_clean = parsing.clean_json


def _cleaned(given: Any, resources: Any) -> Any:
    """As moto cleans templates; but as with CloudFormation AWS::NoValue leaves no hole in a list, and a
    reference to an access point is its id."""
    cleaned = _clean(given, resources)
    if isinstance(cleaned, AccessPoint):
        return cleaned.access_point_id
    return [one for one in cleaned if one is not None] if isinstance(cleaned, list) else cleaned


def _network() -> tuple[str, tuple[str, str]]:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    first, second = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    )
    return vpc, (first["Subnet"]["SubnetId"], second["Subnet"]["SubnetId"])
