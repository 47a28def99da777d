"""Our hands on Webordinary: one file for each way in, and the platform as the engine knows it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from probes.platform import preflight
from probes.platform.aws import Aws, AwsClients
from probes.platform.http import Http, Tls
from probes.platform.items import Shapes
from probes.platform.orphans import orphaned_queues
from probes.platform.removal import Known
from probes.platform.settings import PlatformSettings
from probes.platform.tasks import SCALE
from probes.platform.webordinary import CONTAINER_KINDS, Context, Webordinary
from synthetics.clock import SystemClock
from synthetics.contract.platform import Finding, RunScope
from synthetics.contract.tracing import Trace
from synthetics.errors import ProbeBroken, StillAwaited
from synthetics.model.resource import Orphan, Resource

__all__ = ["Context", "Webordinary", "WebordinaryPlatform"]

#: How long a mail that nothing was seen to come of may lie on its queue before it is read after all.
MAIL_MAY_COME = timedelta(minutes=30)
#: The contract's clean-up order (end of §13); what is not named here goes last.
_ORDER = ("session", "mapping", SCALE, "task", "queue_set", "tracking", "container", "workspace")


class WebordinaryPlatform:
    """Webordinary, as `synthetics.contract.platform.Platform` asks for it. Raises SettingsError."""

    def __init__(self, settings: PlatformSettings) -> None:
        self.settings = settings
        self._clients = AwsClients(settings)
        self._shapes = Shapes()
        self._tls = Tls.load()
        known = not settings.unset()
        entrances = (settings.alb, settings.hermes, settings.api, settings.router) if known else ()
        hosts = frozenset(urlsplit(entrance).hostname or "" for entrance in entrances)
        self._trusted = frozenset() if settings.verify_tls else hosts
        self._clock = SystemClock()

    @property
    def isolated(self) -> bool:
        return self.settings.isolated

    @asynccontextmanager
    async def open(self, scope: RunScope) -> AsyncIterator[Webordinary]:
        """The clients for one run; closed when the run, with its clean-up, is over."""
        await Http.warm()
        http = Http(trace=scope.trace, meter=scope.requests, tls=self._tls, trusted=self._trusted)
        web = Webordinary.of(scope, self.settings, http=http, clients=self._clients, shapes=self._shapes)
        try:
            yield web
        finally:
            await http.aclose()
            for what, quantity in web.tasks.used(self._clock.now()).items():
                scope.requests.use(what, quantity)

    async def remove(self, resource: Resource) -> None:
        """Remove what a run left behind, with all that its client has.

        Raises PlatformError if it stays, and StillAwaited while a mail of it may yet be read.
        """
        async with self.open(self._scope(resource.run_id, resource.probe, resource.tag, resource)) as web:
            if resource.kind == "task":
                await web.tasks.stop(resource.name)
            if resource.kind == SCALE:
                await web.tasks.scale_edit(0)
            await web.removal.client(resource.details.get("client", web.client_id), _hints(resource))
        until = resource.intended + MAIL_MAY_COME
        if "mail" in resource.details and self._clock.now() < until:
            raise StillAwaited(
                f"the mail {resource.details['mail']} may yet be read, though nothing (more) has come of it: "
                f"looked after until {until:%H:%M:%S} UTC"
            )

    def removal_order(self, kind: str) -> int:
        return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)

    async def orphans(self) -> Sequence[Orphan]:
        async with self.open(self._scope(uuid4(), "orphans", "orphans")) as web:
            found = await orphaned_queues(web, self._clock.now())
        return [Orphan("queue", name, age) for name, age in sorted(found.ages.items())]

    async def own_trouble(self) -> Sequence[str]:
        return await preflight.own_trouble(self._aws(), self.settings, self._clock)

    async def preflight(self) -> Sequence[Finding]:
        async with self.open(self._scope(uuid4(), "check", "check")) as web:
            return await preflight.preflight(web, self._aws(), self._clock)

    async def close(self) -> None:
        self._clients.close()

    def _aws(self) -> Aws:
        return Aws(self._clients, trace=Trace.begin(uuid4()), meter=Uncounted(), clock=self._clock)

    def _scope(self, run_id: UUID, probe: str, tag: str, resource: Resource | None = None) -> RunScope:
        return RunScope(
            run_id, probe, tag, Trace.begin(run_id), WrittenDown(resource), Uncounted(), self._clock
        )


def _hints(resource: Resource) -> Known:
    """The ids that an entry of the ledger tells."""
    known = Known()
    if resource.kind == "session" and resource.name != resource.details.get("client"):
        known.sessions.add(resource.name)
    if resource.kind == "mapping":
        known.threads.add(resource.name)
    if resource.kind in CONTAINER_KINDS:
        known.containers.add(resource.name)
    known.sessions |= {resource.details["session"]} if "session" in resource.details else set()
    known.threads |= {resource.details["thread"]} if "thread" in resource.details else set()
    known.nobodies |= {resource.details["nobody"]} if "nobody" in resource.details else set()
    return known


@dataclass(frozen=True, slots=True)
class WrittenDown:
    """The ledger of a run that is over: what was written down is held, and nothing new may be made."""

    resource: Resource | None

    async def intend(self, kind: str, name: str, **details: str) -> UUID:
        raise ProbeBroken("a run that is over makes nothing")

    async def created(self, entry: UUID, name: str, **details: str) -> None:
        raise ProbeBroken("a run that is over makes nothing")

    async def gone(self, kind: str, name: str) -> None:
        """The sweep writes it down itself."""

    def holds(self, kind: str, name: str) -> bool:
        return self.resource is not None and (self.resource.kind, self.resource.name) == (kind, name)


class Uncounted:
    """Requests that belong to no run."""

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        """Nothing to count for."""

    def use(self, what: str, quantity: float) -> None:
        """Nothing to count for."""
