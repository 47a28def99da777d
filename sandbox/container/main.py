"""A container: from its first instruction to its exit code."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox import serving as servers
from sandbox.container.activity import AWS_ERRORS, Activity, Sleeper
from sandbox.container.commands import Commands, Executor
from sandbox.container.git import Workspace
from sandbox.container.launch import Launch
from sandbox.container.losses import after_opening, before_opening
from sandbox.container.rows import Clients, ContainerRow, Queues
from sandbox.container.site import Site
from sandbox.faults import Faults
from sandbox.settings import TURN_SECONDS, SandboxSettings
from sandbox.truth import Truth
from sandbox.workspace import make_remote, remote_path, workspace_path

log = logging.getLogger("container")


def run(settings: SandboxSettings, launch: Launch, clients: Clients, *, serving: Callable[[], None]) -> int:
    """Live the container's life and return its exit code; `serving` is called when its port answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=True)
    sys.setswitchinterval(TURN_SECONDS)  # what asks AWS in threads must not make its first answers late
    loop = asyncio.new_event_loop()
    return loop.run_until_complete(Container(settings, launch, clients).live(serving))


class Container:
    """The parts of one container, and the order in which they come and go."""

    def __init__(self, settings: SandboxSettings, launch: Launch, clients: Clients) -> None:
        self._settings = settings
        self._launch = launch
        self._truth = Truth(settings.truth_path)
        self._activity = Activity()
        faults = Faults(settings.directory, seed=settings.seed)
        self._faults = faults
        protected = frozenset(launch.get("GIT_PROTECTED_BRANCHES", "main,master,production").split(","))
        shared = faults.strikes("users-share-workspace", client=launch.client) is not None
        user = "everyone" if shared else launch.user
        path = workspace_path(settings, launch.client, user, launch.project)
        self._workspace = Workspace(path, protected=protected)
        self._executor = Executor(settings, launch, self._workspace, faults)
        self._site = Site(settings, launch, self._workspace, self._executor, self._activity, faults)
        self._row = ContainerRow(clients.dynamodb, settings, launch) if launch.container_id else None
        self._sleeper = Sleeper(
            settings, launch, self._activity, self._row, self._workspace, faults, self._truth
        )
        self._queues = Queues(clients.sqs, launch) if launch.get("INPUT_QUEUE_URL") else None

    async def live(self, serving: Callable[[], None]) -> int:
        """Boot, work, and return 0 once asleep or told to stop."""
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        working = asyncio.create_task(self._work(serving))
        told = asyncio.create_task(stopped.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return 0
        log.info("told to stop")
        await self._sleeper.shut_down()
        return 0

    async def _work(self, serving: Callable[[], None]) -> None:
        """Boot, then work until asleep."""
        await self._open_workspace()
        server = servers.server(self._site.app(), websockets=True)
        await self._warm_up()
        await _until(self._launch.serve_at)
        listener = servers.bind(self._launch.address, self._settings.container_port)
        working = [asyncio.create_task(server.serve(sockets=[listener]))]
        await server.accepting.wait()
        self._tell("container.serving")
        serving()
        working += [asyncio.create_task(self._register()), asyncio.create_task(self._build())]
        if self._queues is not None:
            working.append(asyncio.create_task(self._commands(self._queues).serve()))
        await _through(asyncio.create_task(self._sleeper.until_asleep()), working)

    async def _warm_up(self) -> None:
        """Make the first calls to AWS while nobody waits: they take far longer than all later ones."""
        try:
            if self._row is not None:
                await asyncio.to_thread(self._row.mappings)
            if self._queues is not None:
                await asyncio.to_thread(self._queues.waiting)
        except AWS_ERRORS as error:
            log.warning("ERROR looking at rows and queues: %s", error)

    def _commands(self, queues: Queues) -> Commands:
        return Commands(
            self._settings,
            self._launch,
            queues,
            self._executor,
            self._workspace,
            self._activity,
            self._faults,
            self._truth,
        )

    async def _open_workspace(self) -> None:
        launch = self._launch
        default = remote_path(self._settings, launch.client, launch.user, launch.project)
        given = launch.get("REPO_URL")
        remote = Path(given.removeprefix("file://")) if given.startswith(("/", "file://")) else default
        if remote == default:
            await asyncio.to_thread(make_remote, self._settings, remote)
        path = self._workspace.path
        await asyncio.to_thread(before_opening, self._faults, self._settings, launch, path)
        existed = path.exists()
        await self._workspace.open(remote)
        await after_opening(self._faults, launch, self._workspace, existed=existed)

    async def _register(self) -> None:
        if self._row is None:
            return
        if self._faults.is_on("stuck-starting", client=self._launch.client):
            return  # then Hermes decides which of its starts gets stuck
        try:
            await asyncio.to_thread(self._row.register)
        except AWS_ERRORS as error:
            log.warning("ERROR registering: %s", error)  # contract AS-02: it works without its row
            return
        self._tell("container.registered")

    async def _build(self) -> None:
        await asyncio.sleep(self._launch.preview_after)
        self._site.built.set()
        self._tell("preview.serving")

    def _tell(self, event: str) -> None:
        launch = self._launch
        self._truth.write(
            event,
            task=launch.task_arn,
            client=launch.client,
            container=launch.container_id,
            session=launch.session,
        )


async def _through(leading: asyncio.Task[None], others: list[asyncio.Task[None]]) -> None:
    """Return when the leading task ends; raise as soon as any of them fails."""
    pending = {leading, *others}
    while not leading.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _until(instant: float) -> None:
    await asyncio.sleep(max(0.0, instant - time.time()))
