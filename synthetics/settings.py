"""The engine's settings: read once, at the start, from a TOML file and the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[timedelta, Field(gt=timedelta(0))]


class Part(BaseModel):
    """A group of settings: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerSettings(Part):
    """How a worker runs probes."""

    name: str | None = Field(None, description="This worker's name; host name and process id if unset.")
    location: str = Field("default", pattern=r"^[a-z0-9-]{1,40}$", description="Where it watches from.")
    slots: int = Field(8, ge=1, le=200, description="Scenarios in flight at once.")
    lease: Seconds = Field(timedelta(seconds=30), description="A run unheard of for this long is closed.")
    drain: Seconds = Field(timedelta(seconds=60), description="How long runs may go on after SIGTERM.")
    lock_wait: Seconds = Field(timedelta(minutes=5), description="Longest wait for exclusivity.")
    sweep_every: Seconds = Field(timedelta(minutes=1), description="How often leftovers are looked for.")
    control_url: str | None = Field(None, description="A target of ours, asked before blaming the platform.")


class ApiSettings(Part):
    """Where the API, the metrics and the page are served."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(None, description="How people reach it, for links in notices.")


class ProbeOverride(Part):
    """What a deployment may change of one probe."""

    enabled: bool = True
    every: Seconds | None = None
    timeout: Seconds | None = None


class Settings(Part):
    """Everything the engine may be told."""

    database_url: SecretStr | None = Field(
        None, description="A PostgreSQL URL; if unset, an embedded server under the state directory."
    )
    state_dir: Path = Field(Path(".state"), description="Where the embedded server and the spool live.")
    log_format: str = Field("auto", pattern="^(auto|json|console)$", description="How logs are written.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="What is logged.")
    worker: WorkerSettings = WorkerSettings()
    api: ApiSettings = ApiSettings()
    probes: dict[str, ProbeOverride] = Field(default_factory=dict, description="Overrides, by probe name.")
    platform: dict[str, Any] = Field(default_factory=dict, description="Handed to the platform as it is.")
