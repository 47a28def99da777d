"""What the platform's dashboards and alarms call our results (contract §9.1)."""

from probes.platform.settings import PlatformSettings
from synthetics.metrics.results import ResultNames


def result_names(settings: PlatformSettings) -> ResultNames:
    """The names of contract §9.1, in the namespace of this deployment."""
    return ResultNames(
        namespace=settings.results_namespace,
        dimension="TestName",
        duration="TestDuration",
        success="TestSuccess",
        success_rate="TestSuccessRate",
        cost="TestCost",
        each={"cold_start": "ContainerStartupTime", "warm_start": "SessionCreationTime"},
        all={"cold_start": "ColdStartLatency", "warm_start": "SessionCreationLatency"},
    )
