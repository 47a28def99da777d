"""The front half of the sandbox: Hermes, load balancer, router and cleanup jobs, run together."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sandbox.alb import Alb
from sandbox.autoscaling import Autoscaler
from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud, Near
from sandbox.hermes.service import Hermes
from sandbox.jobs import Jobs
from sandbox.metrics import Metrics
from sandbox.router import Router
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth


@dataclass(frozen=True, slots=True)
class Front:
    """What runs, for those who want to look inside."""

    hermes: Hermes
    jobs: Jobs
    alb: Alb


@asynccontextmanager
async def front_half(
    settings: SandboxSettings,
    faults: Faults,
    truth: Truth,
    *,
    alb_listener: socket.socket,
    hermes_listener: socket.socket,
    running_count: Callable[[str], int],
    query: Near,
) -> AsyncIterator[Front]:
    """Hermes, load balancer, router and jobs, inside this block.

    `settings` must hold the real ports. AWS must answer before, and until after. Whoever owns the tasks calls
    `front.jobs.task_stopped(container, task_arn)` when one has stopped; `running_count` tells how many tasks
    of a service run, `query` what the tables hold.
    """
    async with AsyncExitStack() as stack:
        cloud = Cloud(settings, query)
        stack.push_async_callback(cloud.close)
        hermes = Hermes(settings, cloud, faults, truth)
        jobs = Jobs(
            settings,
            hermes.tables,
            hermes.queues,
            hermes.tasks,
            hermes.sessions,
            hermes.locks,
            faults,
            truth,
        )
        router = Router(settings, hermes.tables, faults, truth)
        stack.push_async_callback(router.close)
        alb = Alb(
            settings,
            hermes.tables,
            faults,
            router=router.answer,
            hermes_up=lambda: running_count(settings.hermes_service) > 0,
        )
        stack.push_async_callback(hermes.stop)
        hermes.start(hermes_listener)
        stack.push_async_callback(jobs.close)
        jobs.start()
        metrics = Metrics(settings, cloud, truth)
        stack.push_async_callback(metrics.close)
        metrics.start()
        if settings.launch == "service":
            autoscaler = Autoscaler(settings, cloud, faults, truth)
            stack.push_async_callback(autoscaler.close)
            autoscaler.start()
        stack.push_async_callback(alb.stop)
        await alb.start(alb_listener)
        yield Front(hermes, jobs, alb)
