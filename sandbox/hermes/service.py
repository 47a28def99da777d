"""Hermes put together: its parts, its port, its mail."""

import asyncio
import socket

from sandbox import serving
from sandbox.faults import Faults
from sandbox.hermes.app import Routes
from sandbox.hermes.cloud import Cloud
from sandbox.hermes.containers import ContainerLocks, Containers
from sandbox.hermes.health import Health
from sandbox.hermes.opening import Opening
from sandbox.hermes.queues import Queues
from sandbox.hermes.resume import Resume
from sandbox.hermes.sessions import Sessions
from sandbox.hermes.tables import Tables
from sandbox.hermes.tasks import EcsTasks
from sandbox.mail import MailIntake
from sandbox.settings import SandboxSettings
from sandbox.truth import Truth


class Hermes:
    """The service behind /hermes; its parts are shared with the cleanup jobs."""

    def __init__(self, settings: SandboxSettings, cloud: Cloud, faults: Faults, truth: Truth) -> None:
        self.tables = Tables(cloud, settings)
        self.queues = Queues(cloud, self.tables, settings, faults)
        self.tasks = EcsTasks(cloud, settings, faults)
        self.locks = ContainerLocks()
        self.containers = Containers(settings, self.tables, self.queues, self.tasks, self.locks, faults, truth)
        self.sessions = Sessions(settings, cloud, self.tables, self.queues, self.containers, faults, truth)
        self.opening = Opening(
            settings, self.tables, self.queues, self.containers, self.sessions, faults, truth
        )
        self.resume = Resume(settings, self.tables, self.sessions, self.containers, faults, truth)
        self.mail = MailIntake(
            settings,
            cloud,
            self.tables,
            self.queues,
            self.sessions,
            self.opening,
            self.resume,
            faults,
            truth,
        )
        health = Health(settings, cloud, self.tables, faults)
        routes = Routes(self.sessions, self.opening, self.resume, health, self.mail, faults)
        self._server = serving.server(routes.app())
        self._serving: asyncio.Task[None] | None = None

    def start(self, listener: socket.socket) -> None:
        """Answer on a bound socket and read the mail queue until `stop`."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        self.mail.start()

    async def stop(self) -> None:
        """Finish what is being answered, and give up what goes on behind it."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        await self.mail.close()
        await self.resume.close()
        await self.sessions.behind.close()
        await self.containers.close()
