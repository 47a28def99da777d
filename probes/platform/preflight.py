"""What may be wrong before any probe runs, tried one by one and harmlessly; and what is wrong with us."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from probes.platform.aws import Aws, AwsClients, AwsError, clock_difference
from probes.platform.deployment import NO_ENTRANCE
from probes.platform.dialects import FileCheck
from probes.platform.settings import PlatformSettings
from probes.platform.values import ServiceView
from probes.platform.webordinary import Webordinary
from synthetics.clock import Clock
from synthetics.contract.platform import Finding
from synthetics.errors import PlatformError, ProbeBroken

_MOST_CLOCK_DIFFERENCE = timedelta(seconds=60)


async def own_trouble(aws: Aws, settings: PlatformSettings, clock: Clock) -> list[str]:
    """What is wrong on our side: no credentials, no way to AWS, a clock that is off; [] if nothing."""

    def ask(clients: AwsClients) -> dict[str, str]:
        if settings.aws_endpoint_url is None:
            return clients.sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
        return clients.sqs.list_queues(MaxResults=1)["ResponseMetadata"]["HTTPHeaders"]

    action = "sts:GetCallerIdentity" if settings.aws_endpoint_url is None else "sqs:ListQueues"
    try:
        headers = await aws.call(action, "*", ask)
    except ProbeBroken as error:
        return [str(error)]
    except AwsError as error:
        # AWS answering with an error is its own trouble, not ours.
        return [str(error)] if error.code in ("unreachable", "timeout") else []
    difference = clock_difference(headers, clock.now())
    if difference is not None and abs(difference) > _MOST_CLOCK_DIFFERENCE:
        return [f"our clock differs from AWS's by {difference.total_seconds():.0f} s"]
    return []


async def preflight(web: Webordinary, aws: Aws, clock: Clock) -> list[Finding]:
    """Every table, service, queue and address that probes need; a problem names the action and the resource."""
    settings = web.settings
    findings = [
        Finding("AWS credentials and clock", "; ".join(await own_trouble(aws, settings, clock)) or None)
    ]
    tables = (
        settings.session_table,
        settings.thread_mapping_table,
        settings.container_table,
        settings.queue_tracking_table,
    )
    findings += [await _tried(f"table {table}", partial(web.tables.described, table)) for table in tables]
    findings.append(await _service(settings.edit_service, web.tasks.edit_service))
    findings.append(await _service(settings.hermes_service, web.tasks.hermes_service))
    findings.append(await _tried(f"tasks of {settings.ecs_cluster_arn}", web.tasks.own))
    findings.append(
        await _tried(
            f"queues {settings.queue_prefix}*", lambda: web.queues.containers_with_queues(web.client_id)
        )
    )
    if settings.unset():
        findings.append(Finding("load balancer and Hermes", "ALB_ENDPOINT is not set", NO_ENTRANCE))
    else:
        findings.append(await _entrance(web))
        findings.append(await _hermes(web))
    findings.append(_workspaces(web))
    return findings


async def _tried(subject: str, ask: Callable[[], Awaitable[object]], advice: str | None = None) -> Finding:
    try:
        await ask()
    except (PlatformError, ProbeBroken) as error:
        return Finding(subject, str(error), advice)
    return Finding(subject)


async def _service(name: str, ask: Callable[[], Awaitable[ServiceView]]) -> Finding:
    subject = f"service {name}"
    try:
        view = await ask()
    except (PlatformError, ProbeBroken) as error:
        return Finding(subject, str(error))
    return Finding(subject, None if view.status == "ACTIVE" else f"its status is {view.status!r}, not ACTIVE")


async def _entrance(web: Webordinary) -> Finding:
    reply = await web.alb.get("/health")
    problem = None if reply.status else reply.told()
    return Finding(f"load balancer {web.settings.alb}", problem, "is ALB_ENDPOINT right?" if problem else None)


async def _hermes(web: Webordinary) -> Finding:
    reply = await web.hermes.health()
    if reply.ok:
        return Finding(f"Hermes {web.settings.hermes}")
    return Finding(
        f"Hermes {web.settings.hermes}", f"health: wanted 200, got {reply.told()}", "is HERMES_ENDPOINT right?"
    )


def _workspaces(web: Webordinary) -> Finding:
    settings = web.settings
    subject = f"workspaces by {settings.file_check.value}"
    if web.workspaces.refusal:
        return Finding(subject, web.workspaces.refusal)
    root = settings.workspace_root
    if settings.file_check is FileCheck.EFS_MOUNT and (root is None or not root.is_dir()):
        return Finding(subject, f"WORKSPACE_ROOT {root} is not a directory", "is the file system mounted?")
    return Finding(subject)
