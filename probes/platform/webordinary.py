"""One run's hands on Webordinary, all in one place."""

from dataclasses import dataclass
from typing import TypeAlias

from probes.platform.alb import Alb
from probes.platform.aws import Aws, AwsClients
from probes.platform.dialects import ContainerIdForm
from probes.platform.guard import Belongings, Guard, sanitised
from probes.platform.hermes import Hermes
from probes.platform.http import Http
from probes.platform.items import Shapes
from probes.platform.logs import Logs
from probes.platform.mail import Mail
from probes.platform.metrics import Metrics
from probes.platform.queues import Queues
from probes.platform.removal import Known, Removal
from probes.platform.settings import PlatformSettings
from probes.platform.tables import Tables
from probes.platform.tasks import SCALE, Tasks
from probes.platform.waits import Waits
from probes.platform.workspace import Workspaces
from synthetics.contract.context import ProbeContext
from synthetics.contract.platform import RunScope


@dataclass(frozen=True, slots=True)
class Webordinary:
    """The clients of one run; `client_id` is the only customer that it may act for."""

    settings: PlatformSettings
    client_id: str
    guard: Guard
    hermes: Hermes
    alb: Alb
    tables: Tables
    queues: Queues
    tasks: Tasks
    workspaces: Workspaces
    mail: Mail
    logs: Logs
    metrics: Metrics
    removal: Removal
    waits: Waits

    @classmethod
    def of(
        cls, scope: RunScope, settings: PlatformSettings, *, http: Http, clients: AwsClients, shapes: Shapes
    ) -> "Webordinary":
        """The clients for this run."""
        client_id = settings.client_prefix + scope.tag
        guard = Guard(client_id, scope.tag, Belongings(scope.ledger), isolated=settings.isolated)
        aws = Aws(clients, trace=scope.trace, meter=scope.requests, clock=scope.clock)
        tables = Tables(aws=aws, settings=settings, guard=guard, shapes=shapes, clock=scope.clock)
        hermes = Hermes(
            http=http,
            settings=settings,
            guard=guard,
            clock=scope.clock,
            sessions_of_client=tables.sessions_of_client,
        )
        queues = Queues(aws=aws, settings=settings, guard=guard, clock=scope.clock)
        tasks = Tasks(aws=aws, settings=settings, guard=guard)
        workspaces = Workspaces(http=http, settings=settings, guard=guard)
        removal = Removal(
            hermes=hermes,
            tables=tables,
            queues=queues,
            tasks=tasks,
            workspaces=workspaces,
            guard=guard,
            settings=settings,
            clock=scope.clock,
        )
        alb = Alb(http=http, settings=settings, client_id=client_id)
        mail = Mail(aws=aws, settings=settings, guard=guard, clock=scope.clock)
        return cls(
            settings=settings,
            client_id=client_id,
            guard=guard,
            hermes=hermes,
            alb=alb,
            tables=tables,
            queues=queues,
            tasks=tasks,
            workspaces=workspaces,
            mail=mail,
            logs=Logs(aws=aws, settings=settings),
            metrics=Metrics(aws=aws, settings=settings, clock=scope.clock),
            removal=removal,
            waits=clients.waits,
        )

    def container_id(
        self, *, project: str, user: str, thread: str, client: str | None = None, verbatim: bool = False
    ) -> str:
        """The container's id as the platform composes it, by default for this run's client (contract §1.4).

        With `verbatim`, of the user as it is stored (contract Q8) and not as queue names spell it.
        """
        part = user if verbatim else sanitised(user)
        client = client or self.client_id
        match self.settings.container_id_form:
            case ContainerIdForm.CLIENT_PROJECT_USER:
                return f"{client}-{project}-{part}"
            case ContainerIdForm.CLIENT_THREAD_USER:
                return f"{client}-{thread}-{part}"
            case ContainerIdForm.SESSION_ID:
                return f"{client}-{project}-{thread}"

    async def note_container(self, container_id: str) -> None:
        """Write down that the platform made this container for us, so that its row is removed with the rest.

        A container that does not bear our tag may be shared with others: it is left alone.
        """
        belongings = self.guard.belongings
        own = self.guard.owns("container", container_id) or self.guard.owns("session", container_id)
        if own and ("container", container_id) not in belongings.entered():
            entry = await belongings.intend("container", container_id)
            await belongings.created(entry, "container", container_id)

    async def clean_up(self) -> None:
        """Remove everything this run made, and write down that it is gone. Raises PlatformError.

        What a letter may yet lead to stays written down, for the sweep to look after.
        """
        belongings = self.guard.belongings
        if not belongings.entered():
            return
        if (SCALE, self.settings.edit_service) in belongings.entered():
            await self.tasks.scale_edit(0)
        for client in sorted({self.client_id, *belongings.clients()}):
            await self.removal.client(client, self.known())
        may_come = {("session", self.mail.client_id)} if self.mail.awaited else set[tuple[str, str]]()
        for kind, name in sorted(belongings.entered() - may_come):
            await belongings.gone(kind, name)

    def known(self) -> Known:
        """The ids of everything that this run made or was given."""
        belongings = self.guard.belongings
        return Known(
            sessions=set(belongings.named("session")),
            threads=set(belongings.named("thread")),
            containers={name for kind, name in belongings.entered() if kind in CONTAINER_KINDS},
            nobodies=set(belongings.nobodies()),
        )


#: Ledger entries whose name is a container's id.
CONTAINER_KINDS = frozenset({"container", "queue_set", "tracking"})

Context: TypeAlias = ProbeContext[Webordinary]
