"""The platform's settings: what a deployment is called and does (Deployment), and how long things may take.

A setting has one name: in capitals in the environment (`ALB_ENDPOINT`), in small letters in the section
`[platform]` of the TOML file (`alb_endpoint`). The environment wins. Names and units are those of the
contract (§11 and its first table): what ends in `_s` is in seconds, the three `*_timeout` of the contract
are in milliseconds. Inside they are all `timedelta`.
"""

import difflib
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field, ValidationError

from probes.platform.deployment import Deployment
from probes.platform.dialects import ActivateMode, FileCheck, SessionFactory
from probes.platform.units import Hours, Milliseconds, Minutes, Seconds
from synthetics.errors import SettingsError
from synthetics.sources import allowed


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class PlatformSettings(Deployment):
    """Everything a deployment of the platform may call or do differently."""

    # Limits of the platform.
    container_ready_timeout: Milliseconds = Field(
        _seconds(60), description="Milliseconds: until a container must be ready."
    )
    session_expiry_timeout: Milliseconds = Field(
        _seconds(70), description="Milliseconds: until an idle session must be expired."
    )
    scale_down_timeout: Milliseconds = Field(
        _seconds(30), description="Milliseconds: until tasks must be gone after that."
    )
    test_timeout: Milliseconds = Field(
        _seconds(300), description="Milliseconds: the suites' limit for one test."
    )
    auto_shutdown: Minutes = Field(
        timedelta(minutes=5),
        alias="auto_shutdown_minutes",
        description="Minutes: the platform's own idle limit.",
    )
    max_queue_age: Hours = Field(
        timedelta(hours=24),
        alias="max_queue_age_hours",
        description="Hours: when an orphaned queue may be deleted.",
    )
    queue_cleanup_every: Hours = Field(
        timedelta(hours=6),
        alias="queue_cleanup_every_hours",
        description="Hours: how often the platform looks for orphaned queues.",
    )
    stale_threshold: Hours = Field(
        timedelta(hours=24),
        alias="stale_threshold_hours",
        description="Hours: when a container counts as stale.",
    )
    max_tasks: int = Field(3, ge=1, le=1000, description="The edit service's capacity.")

    # How long one request may take (contract §10).
    activate_timeout: Seconds = Field(
        _seconds(30),
        alias="activate_timeout_s",
        description="Longest wait for activate; then the session is looked up.",
    )
    resume_timeout: Seconds = Field(
        _seconds(30), alias="resume_timeout_s", description="Longest wait for resume-preview."
    )
    hermes_timeout: Seconds = Field(
        _seconds(10), alias="hermes_timeout_s", description="Longest wait for Hermes' other answers."
    )
    readiness_timeout: Seconds = Field(
        _seconds(5), alias="readiness_timeout_s", description="Longest wait for one readiness answer."
    )
    preview_timeout: Seconds = Field(
        _seconds(10), alias="preview_timeout_s", description="Longest wait for one answer of a preview."
    )
    router_timeout: Seconds = Field(
        _seconds(20), alias="router_timeout_s", description="Longest wait for one answer of the router."
    )
    file_timeout: Seconds = Field(
        _seconds(10), alias="file_timeout_s", description="Longest wait for one look at a file."
    )
    exec_timeout: Seconds = Field(
        _seconds(30), alias="exec_timeout_s", description="Longest wait for one command in a container."
    )
    websocket_timeout: Seconds = Field(
        _seconds(10), alias="websocket_timeout_s", description="Longest wait for a WebSocket to open."
    )
    aws_timeout: Seconds = Field(
        _seconds(10), alias="aws_timeout_s", description="Longest wait for one AWS call."
    )
    response_wait: Seconds = Field(
        _seconds(5), alias="response_wait_s", description="How long one poll for responses waits."
    )
    command_count: int = Field(
        5, ge=2, le=50, alias="command_count", description="MP-01: how many commands one after the other."
    )
    command_pause: Seconds = Field(
        _seconds(1),
        alias="command_pause_s",
        description="MP-01: pause between a response and the next command.",
    )
    burst_gap: Seconds = Field(
        _seconds(0.5), alias="burst_gap_s", description="INT-02: pause between commands in quick succession."
    )
    interrupt_after: Seconds = Field(
        _seconds(2), alias="interrupt_after_s", description="INT-01: how long a command runs undisturbed."
    )
    index_lag: Seconds = Field(
        _seconds(10),
        alias="index_lag_s",
        description="How late indexes, lists and counts may tell of a change.",
    )
    restart_wait: Seconds = Field(
        _seconds(10),
        alias="restart_wait_s",
        description="FR-01: how long a crashed container may take to be restarted before it is woken.",
    )
    stress_count: int = Field(
        20, ge=2, le=100, alias="stress_count", description="FR-02: how many sessions are asked for at once."
    )
    rapid_count: int = Field(
        10, ge=2, le=100, alias="rapid_count", description="FR-06: how many sessions in RAPID_SPAN_S."
    )
    rapid_span: Seconds = Field(
        _seconds(60), alias="rapid_span_s", description="FR-06: how long sessions are asked for at that rate."
    )
    benchmark_starts: int = Field(
        3, ge=2, le=20, alias="benchmark_starts", description="PB-01: how many cold starts are compared."
    )
    benchmark_creations: int = Field(
        10,
        ge=2,
        le=100,
        alias="benchmark_creations",
        description="PB-02: how many creations are compared.",
    )
    queue_deletion_lag: Seconds = Field(
        _seconds(60),
        alias="queue_deletion_lag_s",
        description="How long SQS may go on answering for a queue that was deleted.",
    )
    load_duration: Seconds = Field(
        _seconds(60),
        alias="load_duration_s",
        description="LD-04: how long two sessions a second are asked for.",
    )
    load_share: float = Field(
        1.0,
        gt=0,
        le=4,
        description="LD: how many sessions of the suites' figures are asked for; 1 for all of them.",
    )
    load_users: int | None = Field(
        None,
        ge=1,
        le=25,
        description="LD: how many users of each project; as many as the suites' (up to five) if unset.",
    )
    task_stop_wait: Seconds = Field(
        _seconds(120), alias="task_stop_wait_s", description="How long a stopped task may take to be gone."
    )

    # What users were promised (contract §10); a scaled deployment scales them.
    target_cold_start: Seconds = Field(
        _seconds(60),
        alias="target_cold_start_s",
        description="CS-01, CS-06, PB-01: from activate to ready, from no container.",
    )
    target_cold_start_total: Seconds = Field(
        _seconds(90),
        alias="target_cold_start_total_s",
        description="CS-01: from activate to the change in the workspace.",
    )
    target_warm_start: Seconds = Field(
        _seconds(5),
        alias="target_warm_start_s",
        description="CS-07, PB-02: activate's answer when warm.",
    )
    target_health_check: Seconds = Field(
        _seconds(30), alias="target_health_check_s", description="A started container is healthy."
    )
    target_file_check: Seconds = Field(
        _seconds(2), alias="target_file_check_s", description="SP-07: one look at a file."
    )
    target_restart: Seconds = Field(
        _seconds(120), alias="target_restart_s", description="FR-01: recovery of a crashed container."
    )
    target_wake: Seconds = Field(
        _seconds(60), alias="target_wake_s", description="SR-01, SR-04: from asking to awake."
    )
    target_resume_running: Seconds = Field(
        _seconds(2),
        alias="target_resume_running_s",
        description="SR-02: resume-preview of a running container.",
    )
    target_resume_single: Seconds = Field(
        _seconds(0.5), alias="target_resume_single_s", description="SA-10: one resume."
    )
    target_wake_api: Seconds = Field(
        _seconds(5), alias="target_wake_api_s", description="SR-09: the answer to a wake."
    )
    target_wake_start: Seconds = Field(
        _seconds(45), alias="target_wake_start_s", description="SR-09: from that answer to awake."
    )
    target_wake_total: Seconds = Field(
        _seconds(50), alias="target_wake_total_s", description="SR-09: the whole wake."
    )
    target_concurrent_wakes: Seconds = Field(
        _seconds(35), alias="target_concurrent_wakes_s", description="SR-08: three wakes at once."
    )
    target_response: Seconds = Field(
        _seconds(30), alias="target_response_s", description="A command's response."
    )
    target_interrupt: Seconds = Field(
        _seconds(5), alias="target_interrupt_s", description="INT-04: grace of an interrupted command."
    )
    target_queue_cleanup: Seconds = Field(
        _seconds(5), alias="target_queue_cleanup_s", description="QM-04, QM-06: queues gone."
    )
    target_queue_discovery: Seconds = Field(
        _seconds(2), alias="target_queue_discovery_s", description="QM-05: a queue discovered."
    )
    target_mail_to_preview: Seconds = Field(
        _seconds(60), alias="target_mail_to_preview_s", description="E2E-01: from mail to preview."
    )
    target_routing_average: Seconds = Field(
        _seconds(2), alias="target_routing_average_s", description="AR-10: routing, on average."
    )
    target_routing_longest: Seconds = Field(
        _seconds(5), alias="target_routing_longest_s", description="AR-10: routing, at most."
    )
    target_concurrent_creation: Seconds = Field(
        _seconds(10), alias="target_concurrent_creation_s", description="CC-06, FR-06: creation, on average."
    )
    target_concurrent_ready: Seconds = Field(
        _seconds(90), alias="target_concurrent_ready_s", description="CC-06: ready, at most."
    )

    target_load_average: Seconds = Field(
        _seconds(5), alias="target_load_average_s", description="LD: creation of a session, on average."
    )
    target_load_longest: Seconds = Field(
        _seconds(15), alias="target_load_longest_s", description="LD: creation of a session, at most."
    )
    target_scaling: Seconds = Field(
        _seconds(300),
        alias="target_scaling_s",
        description="E2E-02: from a change of the active sessions to as many tasks of the edit service.",
    )
    target_aws: Seconds = Field(
        _seconds(10), alias="target_aws_s", description="INF-16: one harmless AWS call."
    )

    @property
    def sleep_patience(self) -> timedelta:
        """How long going to sleep may take: until the idle limit is noticed, or the suite's wait if that is
        longer, then the scale-down (contract §5.6)."""
        noticed = self.idle_timeout + self.idle_check
        return max(noticed, self.session_expiry_timeout) + self.scale_down_timeout

    def patience(self, limit: timedelta) -> timedelta:
        """How long to wait for activate or resume: in sync mode they answer when the container is ready."""
        return limit if self.activate_mode is ActivateMode.ASYNC else limit + 2 * self.container_ready_timeout


def load(
    toml: Mapping[str, Any], environ: Mapping[str, str] | None = None, *, file: str = ""
) -> PlatformSettings:
    """The settings of one deployment. Raises SettingsError with a sentence for every problem there is.

    `file` is where `toml` was written, for those sentences.
    """
    there = f" in {file}" if file else ""
    environ = os.environ if environ is None else environ
    written: dict[str, str] = {}
    values: dict[str, object] = {}
    known = {setting_name(field) for field in PlatformSettings.model_fields}
    problems = [_unknown(name, known, there) for name in toml if name not in known]
    for name in sorted(known):
        if environ.get(name.upper()):
            values[name], written[name] = environ[name.upper()], name.upper()
        elif name in toml:
            values[name], written[name] = toml[name], f"platform.{name}{there}"
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


def _unknown(name: str, known: set[str], there: str) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "it is in none of the lists of the platform's settings"
    return f"platform.{name}{there}: there is no such setting; {hint}"


def _problem(error: dict[str, Any], written: Mapping[str, str]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "platform"
    found = "a value that is not shown" if name == "internal_api_key" else repr(error.get("input"))
    return f"{written.get(name, name)}: found {found}, allowed is {_allowed(name, error)}"


def _allowed(name: str, error: Mapping[str, Any]) -> str:
    """What may be there: in the words of the one who refused it, if they were written for people."""
    said = str(error["msg"]).removeprefix("Value error, ")
    info = next(
        (info for field, info in PlatformSettings.model_fields.items() if setting_name(field) == name), None
    )
    if info is None or error["type"] in ("value_error", "string_too_short", "string_too_long"):
        return said[:1].lower() + said[1:]
    return allowed(info)


def _contradictions(settings: PlatformSettings) -> list[str]:
    problems = []
    if settings.file_check is FileCheck.EFS_MOUNT and settings.workspace_root is None:
        problems.append("WORKSPACE_ROOT: not set, but FILE_CHECK=efs-mount needs the mounted directory")
    if settings.file_check is FileCheck.GIT_REMOTE and not settings.git_remote:
        problems.append("GIT_REMOTE: not set, but FILE_CHECK=git-remote needs the repository's address")
    if settings.session_factory is SessionFactory.DIRECT and not settings.isolated:
        problems.append(
            "SESSION_FACTORY: found 'direct', which writes rows and starts tasks; allowed only with "
            "ENVIRONMENT=isolated"
        )
    if settings.session_factory is SessionFactory.DIRECT and not settings.subnets:
        problems.append("SUBNETS: not set, but SESSION_FACTORY=direct starts tasks and must say where")
    return problems
