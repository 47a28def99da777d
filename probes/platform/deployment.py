"""What one deployment of Webordinary is called and how it behaves: dialects, names, and the ways in."""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from probes.platform.dialects import (
    ActivateMode,
    Autoscaling,
    ContainerIdForm,
    Environment,
    FileCheck,
    QueueCleanupOn,
    RoutingDialect,
    SessionFactory,
    SessionKey,
    TaskCountSource,
    WorkspaceLayout,
)
from probes.platform.units import Codes, Name, Names, Seconds, Url
from synthetics.errors import SettingsError

#: What to do about an entrance that nobody set.
NO_ENTRANCE = (
    "give the address of the platform's load balancer, or take the lines that `synthetics sandbox` prints "
    "for a platform on this machine"
)


class Deployment(BaseModel):
    """Everything that tells one deployment of the platform from another, but for how long things may take."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    # Dialects: the contract's first table.
    environment: Environment = Field(
        Environment.SHARED,
        description="Whether others use it; only an isolated one is scaled, stopped or written to.",
    )
    routing_dialect: RoutingDialect = Field(
        RoutingDialect.PATH,
        description="Who answers /session/{id}: the containers (path) or the router (lambda).",
    )
    activate_mode: ActivateMode = Field(
        ActivateMode.ASYNC, description="Whether activate answers at once or when the session is active."
    )
    session_key: SessionKey = Field(
        SessionKey.AUTO, description="The sessions table's key; auto asks the table."
    )
    container_id_form: ContainerIdForm = Field(
        ContainerIdForm.CLIENT_PROJECT_USER, description="What a container's id is made of."
    )
    task_count_source: TaskCountSource = Field(
        TaskCountSource.SERVICE, description="What the number of edit tasks means."
    )
    workspace_layout: WorkspaceLayout = Field(
        WorkspaceLayout.CLIENT_USER_PROJECT, description="Where a workspace lies under the mount."
    )
    file_check: FileCheck = Field(
        FileCheck.ECS_EXEC, description="How to look into a workspace; ecs-exec cannot be used by this monitor."
    )
    session_factory: SessionFactory = Field(
        SessionFactory.HTTP, description="How a multi-session chat is opened."
    )
    queue_cleanup_on: QueueCleanupOn = Field(
        QueueCleanupOn.CONTAINER_TERMINATION, description="When a queue set must be gone."
    )
    autoscaling: Autoscaling = Field(
        Autoscaling.AUTO,
        description="Whether the edit service's size follows the active sessions; auto: judged where it moves.",
    )
    starting_page_status: Codes = Field(frozenset({202, 503}), description="Statuses of the waking page.")
    ws_unsupported_status: Codes = Field(
        frozenset({502}), description="Statuses of an upgrade that the router refuses."
    )
    idle_timeout: Seconds = Field(
        timedelta(seconds=300), alias="idle_timeout_s", description="After how long an idle container sleeps."
    )
    idle_check: Seconds = Field(
        timedelta(seconds=60),
        alias="idle_check_s",
        description="How often a container looks whether it has been idle for so long.",
    )
    activity_write: Seconds = Field(
        timedelta(seconds=60),
        alias="activity_write_s",
        description="The least time between two writes of a container's activity.",
    )

    # AWS.
    aws_region: Name = Field("us-west-2", description="Where the platform is.")
    aws_profile: str | None = Field(
        None, description="A profile of the AWS configuration, if one is to be used."
    )
    aws_account_id: str = Field(
        "942734823970", pattern=r"^\d{12}$", description="The account, for names that carry it."
    )
    aws_endpoint_url: Url | None = Field(
        None, description="Where AWS is asked, for a stand-in; AWS itself if unset."
    )
    ecs_cluster_arn: Name = Field("webordinary-edit-cluster", description="The cluster, by ARN or name.")
    hermes_service: Name = Field("webordinary-hermes-service", description="Hermes' ECS service.")
    edit_service: Name = Field("webordinary-edit-service", description="The edit containers' ECS service.")
    task_definition_arn: Name = Field(
        "webordinary-edit-task", description="The edit task's definition or family."
    )
    edit_container_name: Name = Field(
        "claude-code-astro", description="The container's name in that definition."
    )
    edit_log_group: Name = Field("/ecs/webordinary/edit", description="The log group of the edit tasks.")
    edit_log_prefix: Name = Field("edit", description="What the names of their log streams begin with.")
    session_table: Name = Field("webordinary-edit-sessions", description="The table of sessions.")
    thread_mapping_table: Name = Field(
        "webordinary-thread-mappings", description="The table of thread mappings."
    )
    container_table: Name = Field("webordinary-containers", description="The table of containers.")
    queue_tracking_table: Name = Field("webordinary-queue-tracking", description="The table of queue sets.")
    session_client_index: str | None = Field(
        None, description="The client index; read from the table if unset."
    )
    container_index: Name = Field("container-index", description="The mappings table's index by container.")
    queue_prefix: str = Field(
        "webordinary-", pattern=r"^[A-Za-z0-9_-]{0,20}$", description="What every queue's name begins with."
    )
    email_queue_name: Name = Field("webordinary-email-queue", description="The queue of incoming mail.")
    sqs_queue_url: Url | None = Field(None, description="The mail queue's address, if not found by its name.")
    test_queue_prefix: str = Field(
        "webordinary-test-",
        description="The suites' prefix for housekeeping; this monitor goes by its own client id.",
    )
    metrics_namespace: Name = Field(
        "Webordinary/EditSessions", description="The namespace of the platform's own metrics."
    )
    results_namespace: Name = Field(
        "Webordinary/IntegrationTests", description="The namespace that our own results are published in."
    )
    metrics_environment: Name = Field("production", description="What its metrics' dimension Environment says.")
    efs_file_system_id: str | None = Field(None, description="The workspaces' file system.")
    alb_listener_arn: str | None = Field(None, description="The public listener.")
    vpc_id: str | None = Field(None, description="The platform's network.")
    subnets: Names = Field((), description="Where tasks are launched.")
    security_groups: Names = Field((), description="What launched tasks belong to.")

    # Ways in.
    alb_endpoint: Url | None = Field(None, description="The one public entrance; nothing is asked without it.")
    alb_url: Url | None = Field(None, description="Used where ALB_ENDPOINT is not set.")
    alb_dns_name: str | None = Field(None, description="Used where neither ALB_ENDPOINT nor ALB_URL is set.")
    hermes_endpoint: Url | None = Field(None, description="{ALB_ENDPOINT}/hermes if unset.")
    hermes_api_url: Url | None = Field(None, description="Used where HERMES_ENDPOINT is not set.")
    api_endpoint: Url | None = Field(None, description="{ALB_ENDPOINT}/api if unset.")
    router_endpoint: Url | None = Field(None, description="Where preview hosts are reached; the ALB if unset.")
    preview_host_template: str = Field(
        "edit.{clientId}.webordinary.com", pattern=r"\{clientId\}", description="The preview host of a client."
    )
    preview_domain: Name = Field("preview.webordinary.com", description="The domain in preview links.")
    verify_tls: bool = Field(False, description="Whether to verify the certificate of the ALB's own name.")
    internal_api_key: SecretStr | None = Field(None, description="Sent as bearer token with resume-preview.")
    hermes_port: int = Field(3000, ge=1, le=65535, description="Hermes' own port, behind the entrance.")
    ses_from_email: Name = Field("noreply@webordinary.com", description="Who replies come from.")
    mail_domain: Name = Field(
        "webordinary.com", description="The domain of the addresses that customers write to."
    )

    # Workspaces.
    workspace_root: Path | None = Field(None, description="Where the workspaces are mounted, for efs-mount.")
    git_remote: str | None = Field(None, description="The repository, for git-remote.")
    test_client_id: Name = Field(
        "integration-test-client", description="The suites' client; this monitor uses clients of its own."
    )
    test_repository: Name = Field("webordinary-integration-tests", description="The suites' repository.")
    test_workspace: Name = Field("/workspace/integration-test-client", description="The suites' workspace.")

    # What this monitor calls its own.
    client_prefix: str = Field(
        "syn-",
        pattern=r"^[a-z][a-z0-9-]{1,15}$",
        description="What every client id of this monitor begins with.",
    )
    test_user_prefix: str = Field(
        "TEST_", pattern=r"^[A-Za-z0-9_-]{1,15}$", description="The mark of test users."
    )

    @property
    def isolated(self) -> bool:
        return self.environment is Environment.ISOLATED

    @property
    def alb(self) -> str:
        """The one public entrance, without a slash at its end. Raises SettingsError if nobody set it."""
        named = f"https://{self.alb_dns_name}" if self.alb_dns_name else None
        entrance = self.alb_endpoint or self.alb_url or named
        if entrance is None:
            raise SettingsError(self.unset())
        return entrance

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

    def unset(self) -> tuple[str, ...]:
        """What must be set before anything can be asked of the platform and is not, one sentence each."""
        if self.alb_endpoint or self.alb_url or self.alb_dns_name:
            return ()
        return (f"ALB_ENDPOINT: not set; {NO_ENTRANCE}",)

    def preview_host(self, client_id: str) -> str:
        return self.preview_host_template.replace("{clientId}", client_id)
