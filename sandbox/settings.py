"""How one sandbox is set up: where it lives, how fast its platform is, and which generation it plays."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

REGION = "us-west-2"
ACCOUNT = "123456789012"
ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox"
CONTAINER_NAME = "claude-code-astro"
METRICS_NAMESPACE = "Webordinary/EditSessions"
METRICS_ENVIRONMENT = "production"
SLOWEST, FASTEST = 4.0, 0.03
#: How long a thread computes before another has its turn; Python's own five make answers late.
TURN_SECONDS = 0.001
#: How often a container looks, within one idle limit, whether it has been idle for so long.
CHECKS_PER_LIMIT = 10


class SandboxSettings(BaseModel):
    """Everything that can be chosen about a sandbox; names are those of contract §11.

    A port of 0 means "any free one". What `sandbox.main` hands to the parts always has the real ports in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path
    host: str = "127.0.0.1"
    alb_port: int = Field(default=0, ge=0, le=65535)
    aws_port: int = Field(default=0, ge=0, le=65535)
    control_port: int = Field(default=0, ge=0, le=65535)
    hermes_port: int = Field(default=0, ge=0, le=65535)
    container_port: int = Field(default=8080, ge=1, le=65535)
    subnet: str = Field(default="", pattern=r"^(127\.\d{1,3}\.\d{1,3})?$", description="'' means any free one")

    speed: float = Field(default=1.0, ge=FASTEST, le=SLOWEST, description="real seconds per platform second")
    spread: float = Field(default=0.12, ge=0.0, le=1.0, description="sigma of the log-normal noise")
    seed: int = 0
    idle_seconds: float | None = Field(
        default=None, gt=0, description="real seconds; None: 60 platform seconds"
    )
    command_speed: float = Field(default=1.0, gt=0, le=SLOWEST, description="factor on contract §7.4")
    interrupts: bool = Field(
        default=True, description="False: a newer message waits for the running command (contract Q9)"
    )

    routing_dialect: Literal["path", "lambda", "both"] = "path"
    activate_mode: Literal["async", "sync"] = "async"
    session_key: Literal["simple", "composite"] = "composite"
    container_id_form: Literal["client-project-user", "client-thread-user", "session-id"] = (
        "client-project-user"
    )
    workspace_layout: Literal["client/user/project", "client/projectId", "client/project"] = (
        "client/user/project"
    )
    session_reads: Literal["by-id", "placeholder"] = Field(
        default="by-id",
        description="placeholder: status, keepalive, deactivate and resume find no session (contract Q2)",
    )
    woken_row_key: Literal["containerId", "sessionId"] = Field(
        default="containerId",
        description="sessionId: a wake writes the row of the container under the session's id, the container's "
        "own row goes on saying that it is stopped, and each further wake starts one more task (contract Q7)",
    )
    queue_cleanup_on: Literal["container-termination", "session-close"] = "container-termination"
    restarts_crashed: bool = Field(
        default=False, description="True: a container that crashed while it was used is started again, unasked"
    )
    launch: Literal["run-task", "service"] = Field(
        default="run-task",
        description="service: the edit service's size follows the active sessions, beside the tasks of RunTask",
    )
    hermes_health: Literal["short", "long"] = "short"
    starting_page_status: Literal[202, 503] = 202
    hermes_desired: int = Field(default=1, ge=0, le=2)

    session_table: str = "webordinary-edit-sessions"
    thread_mapping_table: str = "webordinary-thread-mappings"
    container_table: str = "webordinary-containers"
    queue_tracking_table: str = "webordinary-queue-tracking"
    email_queue_name: str = "webordinary-email-queue"
    email_dlq_name: str = "webordinary-email-dlq"
    queue_prefix: str = "webordinary"
    cluster_name: str = "webordinary-edit-cluster"
    edit_service: str = "webordinary-edit-service"
    hermes_service: str = "webordinary-hermes-service"
    edit_family: str = "webordinary-edit-task"
    hermes_family: str = "webordinary-hermes-task"
    preview_domain: str = "webordinary.com"

    def seconds(self, platform_seconds: float) -> float:
        """Real seconds that so many seconds of the platform take here."""
        return platform_seconds * self.speed

    @property
    def idle_after(self) -> float:
        """Real seconds without activity after which a container goes to sleep."""
        return self.seconds(60.0) if self.idle_seconds is None else self.idle_seconds

    @property
    def alb_url(self) -> str:
        return f"http://{self.host}:{self.alb_port}"

    @property
    def aws_url(self) -> str:
        """What boto3 is given as endpoint_url."""
        return f"http://{self.host}:{self.aws_port}"

    @property
    def control_url(self) -> str:
        return f"http://{self.host}:{self.control_port}"

    @property
    def cluster_arn(self) -> str:
        return f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{self.cluster_name}"

    @property
    def truth_path(self) -> Path:
        return self.directory / "truth.jsonl"

    @property
    def workspace_root(self) -> Path:
        """What an EFS mount at /workspace would show."""
        return self.directory / "workspace"

    @property
    def remotes_root(self) -> Path:
        """Where the git remotes live."""
        return self.directory / "git"

    @property
    def logs_root(self) -> Path:
        return self.directory / "logs"
