"""The environment that points a monitor at a sandbox, in the names of contract §11."""

from sandbox.settings import ACCESS_KEY, ACCOUNT, CHECKS_PER_LIMIT, REGION, SECRET_KEY, SandboxSettings

TIGHTEST_SECONDS = 4.0  # no target is scaled below this: a machine's own overhead does not shrink
WHOLES = ("TARGET_WAKE_TOTAL_S", "TARGET_MAIL_TO_PREVIEW_S")  # many steps one after the other: it adds up there
TARGETS = {  # those that depend on how fast the platform is; the others stay as they are
    "TARGET_COLD_START_S": 60.0,
    "TARGET_COLD_START_TOTAL_S": 90.0,
    "TARGET_HEALTH_CHECK_S": 30.0,
    "TARGET_RESTART_S": 120.0,
    "TARGET_WAKE_S": 60.0,
    "TARGET_WAKE_API_S": 5.0,
    "TARGET_WAKE_START_S": 45.0,
    "TARGET_WAKE_TOTAL_S": 50.0,
    "TARGET_CONCURRENT_WAKES_S": 35.0,
    "TARGET_MAIL_TO_PREVIEW_S": 60.0,
    "TARGET_CONCURRENT_READY_S": 90.0,
    "TARGET_SCALING_S": 300.0,
    "TARGET_ROUTING_LONGEST_S": 5.0,
    "TARGET_AWS_S": 10.0,
}


def monitor_settings(settings: SandboxSettings) -> dict[str, str]:
    """The environment variables; everything that the platform does in seconds is scaled."""
    dialect = "lambda" if settings.routing_dialect == "lambda" else "path"
    idle = settings.idle_after
    return {
        "ALB_ENDPOINT": settings.alb_url,
        "HERMES_ENDPOINT": f"{settings.alb_url}/hermes",
        "API_ENDPOINT": f"{settings.alb_url}/api",
        "ROUTER_ENDPOINT": settings.alb_url,
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCOUNT_ID": ACCOUNT,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "ECS_CLUSTER_ARN": settings.cluster_arn,
        "SESSION_TABLE": settings.session_table,
        "THREAD_MAPPING_TABLE": settings.thread_mapping_table,
        "CONTAINER_TABLE": settings.container_table,
        "QUEUE_TRACKING_TABLE": settings.queue_tracking_table,
        "EMAIL_QUEUE_NAME": settings.email_queue_name,
        "ROUTING_DIALECT": dialect,
        "ACTIVATE_MODE": settings.activate_mode,
        "CONTAINER_ID_FORM": settings.container_id_form,
        "WORKSPACE_LAYOUT": settings.workspace_layout,
        "QUEUE_CLEANUP_ON": settings.queue_cleanup_on,
        "TASK_COUNT_SOURCE": "both",
        "FILE_CHECK": "efs-mount",
        "WORKSPACE_ROOT": str(settings.workspace_root),
        "AUTOSCALING": "on" if settings.launch == "service" else "off",
        "ENVIRONMENT": "isolated",
        "IDLE_TIMEOUT_S": f"{idle:g}",
        "IDLE_CHECK_S": f"{idle / CHECKS_PER_LIMIT:g}",
        "COMMAND_PAUSE_S": f"{settings.command_speed:g}",
        "BURST_GAP_S": f"{0.5 * settings.command_speed:g}",
        "INTERRUPT_AFTER_S": f"{2.0 * settings.command_speed:g}",
        "INDEX_LAG_S": f"{settings.seconds(10.0):g}",
        "RESTART_WAIT_S": f"{settings.seconds(10.0):g}",
        "RAPID_SPAN_S": f"{settings.seconds(60.0):g}",
        "LOAD_DURATION_S": f"{_scaled(settings, 60.0):g}",
        "LOAD_USERS": "1",  # every container is a process of this machine, which is not what is measured
        "ACTIVITY_WRITE_S": f"{settings.seconds(60.0):g}",
        "CONTAINER_READY_TIMEOUT": _millis(_scaled(settings, 60.0)),
        "SESSION_EXPIRY_TIMEOUT": _millis(idle + _scaled(settings, 10.0)),
        "SCALE_DOWN_TIMEOUT": _millis(_scaled(settings, 30.0)),
        "QUEUE_DELETION_LAG_S": f"{_scaled(settings, 60.0):g}",
        "MAX_QUEUE_AGE_HOURS": f"{settings.seconds(24.0):g}",
        "QUEUE_CLEANUP_EVERY_HOURS": f"{settings.seconds(6.0):g}",
        "SUBNETS": "subnet-sandbox",
        "SANDBOX_CONTROL_URL": settings.control_url,
    } | {name: f"{_target(settings, name, seconds):g}" for name, seconds in TARGETS.items()}


def _target(settings: SandboxSettings, name: str, seconds: float) -> float:
    """A target in real seconds. That of a whole chain has room for the overhead of this machine besides."""
    if name in WHOLES:
        return min(seconds, settings.seconds(seconds) + TIGHTEST_SECONDS)
    return _scaled(settings, seconds)


def _scaled(settings: SandboxSettings, seconds: float) -> float:
    """A target in real seconds: scaled, but never made stricter than this machine can keep."""
    return max(settings.seconds(seconds), min(seconds, TIGHTEST_SECONDS))


def _millis(seconds: float) -> str:
    return str(round(seconds * 1000))
