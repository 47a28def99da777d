"""What a deployment of Webordinary is called and how it behaves: every name, host and limit is a setting.

A setting has one name: in capitals in the environment (`ALB_ENDPOINT`), in small letters in the section
`[platform]` of the TOML file (`alb_endpoint`). The environment wins. Names and units are those of the
contract (§11 and its first table): what ends in `_s` is in seconds, the three `*_timeout` of the contract
are in milliseconds. Inside they are all `timedelta`.
"""

import difflib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from synthetics.errors import SettingsError


class RoutingDialect(StrEnum):
    """Who answers `/session/{id}`, and whether that id is a session's or a thread's."""

    PATH = "path"
    LAMBDA = "lambda"


class ActivateMode(StrEnum):
    """Whether activate answers at once or when the session is active."""

    ASYNC = "async"
    SYNC = "sync"


class SessionKey(StrEnum):
    """The sessions table's key; `auto` asks the table."""

    AUTO = "auto"
    SIMPLE = "simple"
    COMPOSITE = "composite"


class ContainerIdForm(StrEnum):
    """What a container's id is made of."""

    CLIENT_PROJECT_USER = "client-project-user"
    CLIENT_THREAD_USER = "client-thread-user"
    SESSION_ID = "session-id"


class TaskCountSource(StrEnum):
    """What "the number of edit tasks" means."""

    SERVICE = "service"
    CLUSTER = "cluster"
    BOTH = "both"


class WorkspaceLayout(StrEnum):
    """Where under the mount a workspace lies."""

    CLIENT_USER_PROJECT = "client/user/project"
    CLIENT_PROJECT_ID = "client/projectId"
    CLIENT_PROJECT = "client/project"


class FileCheck(StrEnum):
    """How a probe looks inside a workspace."""

    ECS_EXEC = "ecs-exec"
    HTTP_API = "http-api"
    GIT_REMOTE = "git-remote"
    EFS_MOUNT = "efs-mount"


class SessionFactory(StrEnum):
    """How a probe opens a multi-session chat."""

    HTTP = "http"
    DIRECT = "direct"
    EMAIL = "email"


class QueueCleanupOn(StrEnum):
    """When a queue set must be gone."""

    CONTAINER_TERMINATION = "container-termination"
    SESSION_CLOSE = "session-close"


class Environment(StrEnum):
    """Whether anyone else uses this deployment; only an isolated one may be broken on purpose."""

    SHARED = "shared"
    ISOLATED = "isolated"


def _duration(unit: timedelta) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, timedelta):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("a number above zero")
        try:
            length = float(value) * unit
        except (ValueError, OverflowError):
            raise ValueError("a number above zero") from None
        if length <= timedelta(0):
            raise ValueError("a number above zero")
        return length

    return BeforeValidator(read)


def _url(value: object) -> object:
    text = str(value).rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("an address such as https://host or http://127.0.0.1:8000")
    return text


def _codes(value: object) -> object:
    if isinstance(value, str):
        return [part for part in re.split(r"[,\s{}]+", value) if part]
    return [value] if isinstance(value, int) else value


def _names(value: object) -> object:
    return [part for part in re.split(r"[,\s]+", value) if part] if isinstance(value, str) else value


Seconds = Annotated[timedelta, _duration(timedelta(seconds=1))]
Milliseconds = Annotated[timedelta, _duration(timedelta(milliseconds=1))]
Minutes = Annotated[timedelta, _duration(timedelta(minutes=1))]
Hours = Annotated[timedelta, _duration(timedelta(hours=1))]
Url = Annotated[str, BeforeValidator(_url)]
Codes = Annotated[frozenset[int], BeforeValidator(_codes)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Name = Annotated[str, Field(min_length=1, max_length=255)]

_SEED_ALB = "https://webordinary-edit-alb-916355172.us-west-2.elb.amazonaws.com"


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class PlatformSettings(BaseModel):
    """Everything a deployment of the platform may call or do differently."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    # Dialects: the contract's first table.
    environment: Environment = Environment.SHARED
    routing_dialect: RoutingDialect = RoutingDialect.PATH
    activate_mode: ActivateMode = ActivateMode.ASYNC
    session_key: SessionKey = SessionKey.AUTO
    container_id_form: ContainerIdForm = ContainerIdForm.CLIENT_PROJECT_USER
    task_count_source: TaskCountSource = TaskCountSource.SERVICE
    workspace_layout: WorkspaceLayout = WorkspaceLayout.CLIENT_USER_PROJECT
    file_check: FileCheck = FileCheck.ECS_EXEC
    session_factory: SessionFactory = SessionFactory.HTTP
    queue_cleanup_on: QueueCleanupOn = QueueCleanupOn.CONTAINER_TERMINATION
    starting_page_status: Codes = frozenset({202, 503})
    ws_unsupported_status: Codes = frozenset({502})
    idle_timeout: Seconds = Field(_seconds(300), alias="idle_timeout_s")
    activity_write: Seconds = Field(_seconds(60), alias="activity_write_s")

    # AWS.
    aws_region: Name = "us-west-2"
    aws_profile: str | None = None
    aws_account_id: str = Field("942734823970", pattern=r"^\d{12}$")
    aws_endpoint_url: Url | None = None
    ecs_cluster_arn: Name = "webordinary-edit-cluster"
    hermes_service: Name = "webordinary-hermes-service"
    edit_service: Name = "webordinary-edit-service"
    task_definition_arn: Name = "webordinary-edit-task"
    edit_container_name: Name = "claude-code-astro"
    session_table: Name = "webordinary-edit-sessions"
    thread_mapping_table: Name = "webordinary-thread-mappings"
    container_table: Name = "webordinary-containers"
    queue_tracking_table: Name = "webordinary-queue-tracking"
    session_client_index: str | None = Field(
        None, description="The client index; read from the table if unset."
    )
    container_index: Name = "container-index"
    queue_prefix: str = Field("webordinary-", pattern=r"^[A-Za-z0-9_-]{0,20}$")
    email_queue_name: Name = "webordinary-email-queue"
    sqs_queue_url: Url | None = Field(None, description="The mail queue's address, if not found by its name.")
    test_queue_prefix: str = "webordinary-test-"
    efs_file_system_id: str | None = None
    alb_listener_arn: str | None = None
    vpc_id: str | None = None
    subnets: Names = ()
    security_groups: Names = ()

    # Ways in.
    alb_endpoint: Url = _SEED_ALB
    alb_url: Url | None = Field(None, description="Used where ALB_ENDPOINT is not set.")
    alb_dns_name: str | None = Field(None, description="Used where neither ALB_ENDPOINT nor ALB_URL is set.")
    hermes_endpoint: Url | None = Field(None, description="{ALB_ENDPOINT}/hermes if unset.")
    hermes_api_url: Url | None = Field(None, description="Used where HERMES_ENDPOINT is not set.")
    api_endpoint: Url | None = Field(None, description="{ALB_ENDPOINT}/api if unset.")
    router_endpoint: Url | None = Field(None, description="Where preview hosts are reached; the ALB if unset.")
    preview_host_template: str = Field("edit.{clientId}.webordinary.com", pattern=r"\{clientId\}")
    preview_domain: Name = "preview.webordinary.com"
    verify_tls: bool = Field(False, description="Whether to verify the certificate of the ALB's own name.")
    internal_api_key: SecretStr | None = None
    hermes_port: int = Field(3000, ge=1, le=65535)
    ses_from_email: Name = "noreply@webordinary.com"

    # Workspaces.
    workspace_root: Path | None = Field(None, description="Where the workspaces are mounted, for efs-mount.")
    git_remote: str | None = Field(None, description="The repository, for git-remote.")
    test_client_id: Name = "integration-test-client"
    test_repository: Name = "webordinary-integration-tests"
    test_workspace: Name = "/workspace/integration-test-client"

    # What this monitor calls its own.
    client_prefix: str = Field("syn-", pattern=r"^[a-z][a-z0-9-]{1,15}$")
    test_user_prefix: str = Field("TEST_", pattern=r"^[A-Za-z0-9_-]{1,15}$")

    # Limits of the platform.
    container_ready_timeout: Milliseconds = _seconds(60)
    session_expiry_timeout: Milliseconds = _seconds(70)
    scale_down_timeout: Milliseconds = _seconds(30)
    test_timeout: Milliseconds = _seconds(300)
    auto_shutdown: Minutes = Field(timedelta(minutes=5), alias="auto_shutdown_minutes")
    max_queue_age: Hours = Field(timedelta(hours=24), alias="max_queue_age_hours")
    stale_threshold: Hours = Field(timedelta(hours=24), alias="stale_threshold_hours")
    max_tasks: int = Field(3, ge=1, le=1000)

    # How long one request may take (contract §10).
    activate_timeout: Seconds = Field(_seconds(30), alias="activate_timeout_s")
    resume_timeout: Seconds = Field(_seconds(30), alias="resume_timeout_s")
    hermes_timeout: Seconds = Field(_seconds(10), alias="hermes_timeout_s")
    readiness_timeout: Seconds = Field(_seconds(5), alias="readiness_timeout_s")
    preview_timeout: Seconds = Field(_seconds(10), alias="preview_timeout_s")
    router_timeout: Seconds = Field(_seconds(20), alias="router_timeout_s")
    file_timeout: Seconds = Field(_seconds(10), alias="file_timeout_s")
    exec_timeout: Seconds = Field(_seconds(30), alias="exec_timeout_s")
    websocket_timeout: Seconds = Field(_seconds(10), alias="websocket_timeout_s")
    aws_timeout: Seconds = Field(_seconds(10), alias="aws_timeout_s")
    response_wait: Seconds = Field(_seconds(5), alias="response_wait_s")
    task_stop_wait: Seconds = Field(_seconds(30), alias="task_stop_wait_s")

    # What users were promised (contract §10); a scaled deployment scales them.
    target_cold_start: Seconds = Field(_seconds(60), alias="target_cold_start_s")
    target_cold_start_total: Seconds = Field(_seconds(90), alias="target_cold_start_total_s")
    target_warm_start: Seconds = Field(_seconds(5), alias="target_warm_start_s")
    target_health_check: Seconds = Field(_seconds(30), alias="target_health_check_s")
    target_file_check: Seconds = Field(_seconds(2), alias="target_file_check_s")
    target_restart: Seconds = Field(_seconds(120), alias="target_restart_s")
    target_wake: Seconds = Field(_seconds(60), alias="target_wake_s")
    target_resume_running: Seconds = Field(_seconds(2), alias="target_resume_running_s")
    target_resume_single: Seconds = Field(_seconds(0.5), alias="target_resume_single_s")
    target_wake_api: Seconds = Field(_seconds(5), alias="target_wake_api_s")
    target_wake_start: Seconds = Field(_seconds(45), alias="target_wake_start_s")
    target_wake_total: Seconds = Field(_seconds(50), alias="target_wake_total_s")
    target_concurrent_wakes: Seconds = Field(_seconds(35), alias="target_concurrent_wakes_s")
    target_response: Seconds = Field(_seconds(30), alias="target_response_s")
    target_interrupt: Seconds = Field(_seconds(5), alias="target_interrupt_s")
    target_queue_cleanup: Seconds = Field(_seconds(5), alias="target_queue_cleanup_s")
    target_queue_discovery: Seconds = Field(_seconds(2), alias="target_queue_discovery_s")
    target_mail_to_preview: Seconds = Field(_seconds(60), alias="target_mail_to_preview_s")
    target_routing_average: Seconds = Field(_seconds(2), alias="target_routing_average_s")
    target_routing_longest: Seconds = Field(_seconds(5), alias="target_routing_longest_s")
    target_concurrent_creation: Seconds = Field(_seconds(10), alias="target_concurrent_creation_s")
    target_concurrent_ready: Seconds = Field(_seconds(90), alias="target_concurrent_ready_s")

    @property
    def isolated(self) -> bool:
        return self.environment is Environment.ISOLATED

    @property
    def alb(self) -> str:
        """The one public entrance, without a slash at its end."""
        if "alb_endpoint" in self.model_fields_set:
            return self.alb_endpoint
        if self.alb_url is not None:
            return self.alb_url
        return f"https://{self.alb_dns_name}" if self.alb_dns_name else self.alb_endpoint

    @property
    def hermes(self) -> str:
        return self.hermes_endpoint or self.hermes_api_url or f"{self.alb}/hermes"

    @property
    def api(self) -> str:
        return self.api_endpoint or f"{self.alb}/api"

    @property
    def router(self) -> str:
        """Where requests for preview hosts are sent, with the preview's name as Host header."""
        return self.router_endpoint or self.alb

    def preview_host(self, client_id: str) -> str:
        return self.preview_host_template.replace("{clientId}", client_id)


def load(toml: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> PlatformSettings:
    """The settings of one deployment. Raises SettingsError with a sentence for every problem there is."""
    environ = os.environ if environ is None else environ
    written: dict[str, str] = {}
    values: dict[str, object] = {}
    known = {setting_name(field) for field in PlatformSettings.model_fields}
    problems = [_unknown(name, known) for name in toml if name not in known]
    for name in sorted(known):
        if environ.get(name.upper()):
            values[name], written[name] = environ[name.upper()], name.upper()
        elif name in toml:
            values[name], written[name] = toml[name], f"platform.{name}"
    try:
        settings = PlatformSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError([*problems, *(_problem(dict(e), written) for e in error.errors())]) from None
    problems += _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def setting_name(field: str) -> str:
    """What people call the setting that is `field` inside (`idle_timeout` → `idle_timeout_s`)."""
    return PlatformSettings.model_fields[field].alias or field


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "it is in none of the lists of the platform's settings"
    return f"platform.{name}: there is no such setting; {hint}"


def _problem(error: dict[str, Any], written: Mapping[str, str]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "platform"
    found = "a value that is not shown" if name == "internal_api_key" else repr(error.get("input"))
    allowed = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{written.get(name, name)}: found {found}, allowed is {allowed[:1].lower()}{allowed[1:]}"


def _contradictions(settings: PlatformSettings) -> list[str]:
    problems = []
    if settings.file_check is FileCheck.EFS_MOUNT and settings.workspace_root is None:
        problems.append("WORKSPACE_ROOT: not set, but FILE_CHECK=efs-mount needs the mounted directory")
    if settings.file_check is FileCheck.GIT_REMOTE and not settings.git_remote:
        problems.append("GIT_REMOTE: not set, but FILE_CHECK=git-remote needs the repository's address")
    return problems
