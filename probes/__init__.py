"""Everything we know about Webordinary: our hands on it, and the promises it makes.

The engine takes from here: the catalogue, the platform's settings, the platform itself, and what its dashboards
call our results.
"""

from probes.alb_routing import alb_routing
from probes.auto_sleep import auto_sleep
from probes.autoscaling import autoscaling
from probes.cold_start import cold_start
from probes.concurrent_sessions import concurrent_sessions
from probes.container_lifecycle import container_lifecycle
from probes.container_sharing import container_sharing
from probes.failure_recovery import failure_recovery
from probes.infrastructure import infrastructure
from probes.interrupts import interrupts
from probes.load import load
from probes.mail_to_preview import mail_to_preview
from probes.messages import messages
from probes.platform import WebordinaryPlatform
from probes.platform.settings import PlatformSettings
from probes.platform.settings import load as load_settings
from probes.queue_sets import queue_sets
from probes.results import result_names
from probes.resumption_logic import resumption_logic
from probes.session_persistence import session_persistence
from probes.session_resumption import session_resumption
from probes.session_routing import session_routing
from probes.start_benchmarks import start_benchmarks
from probes.sustained_load import sustained_load
from probes.thread_identity import thread_identity
from probes.wake_router import wake_router
from synthetics.contract.platform import Platform
from synthetics.contract.probe import Probe

CATALOGUE: tuple[Probe, ...] = (
    alb_routing,
    infrastructure,
    cold_start,
    session_resumption,
    resumption_logic,
    wake_router,
    session_routing,
    auto_sleep,
    session_persistence,
    concurrent_sessions,
    failure_recovery,
    start_benchmarks,
    container_sharing,
    interrupts,
    messages,
    queue_sets,
    container_lifecycle,
    thread_identity,
    mail_to_preview,
    load,
    sustained_load,
    autoscaling,
)

#: What the demo runs again and again: starts and wakes. All others together would make these few wait.
SHOWN: tuple[str, ...] = (cold_start.name, session_resumption.name, auto_sleep.name)

__all__ = ["CATALOGUE", "SHOWN", "PlatformSettings", "load_settings", "platform_of", "result_names"]


def platform_of(settings: PlatformSettings) -> Platform:
    """The platform that these settings describe."""
    return WebordinaryPlatform(settings)
