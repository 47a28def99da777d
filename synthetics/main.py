"""Everything put together: what each command of the service does, from its settings to its end."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import boto3
import structlog
from prometheus_client import CollectorRegistry

import probes
from api.main import create_app
from api.report import Report, report_page
from api.server import serving
from synthetics import settings as engine_settings
from synthetics.access import Access
from synthetics.alerting.acting import Acts
from synthetics.alerting.deliver import Delivery
from synthetics.alerting.docket import Docket
from synthetics.alerting.judge import Judge
from synthetics.alerting.notifiers import notifiers
from synthetics.alerting.routing import Routing
from synthetics.alerting.tending import Tender
from synthetics.alerting.trial import tried
from synthetics.clock import Clock, SystemClock
from synthetics.contract.platform import Finding, Platform
from synthetics.contract.probe import Probe
from synthetics.contract.progress import Progress
from synthetics.errors import PlatformError, ProbeBroken, SettingsError, StoreError, WrongRevision
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import Exporter, new_registry
from synthetics.metrics.publishing import ONE_ATTEMPT, CallPublisher, LogPublisher
from synthetics.metrics.states import StateGauges
from synthetics.model.run import Run
from synthetics.model.timing import ZERO
from synthetics.queries import Reads
from synthetics.queries.readiness import Readiness
from synthetics.queries.values import RunSummary
from synthetics.regression.comparing import Compared
from synthetics.running.stalls import LoopWatch, settle
from synthetics.running.sweep import Sweep, SweepReport
from synthetics.scheduling.catalogue import Scheduled, scheduled
from synthetics.scheduling.worker import Surroundings, Worker, working
from synthetics.settings import Publishing, Settings
from synthetics.store import catalogue, migrating, partitions
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database, in_words, parse_url
from synthetics.store.spool import Spool
from synthetics.version import __version__

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CATALOGUE, SHOWN = probes.CATALOGUE, probes.SHOWN
_READERS = 3
#: Names are looked up in these too: a resolver that hangs must not stop everything else that needs a thread.
_THREADS = 32
_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings that fit together: the engine's, the platform's, and every probe as it is wanted here."""

    settings: Settings
    platform_settings: probes.PlatformSettings
    plan: tuple[Scheduled, ...]

    def platform(self) -> Platform:
        return probes.platform_of(self.platform_settings)


def load(config: Path | None = None, *, asking: bool = True) -> Configuration:
    """All settings, read once. Raises SettingsError with every mistake there is.

    `asking`: whether the platform is going to be asked anything; then what that needs must be set.
    """
    reading = engine_settings.examine(config, os.environ, known_probes=_names())
    problems = list(reading.problems)
    platform_settings, plan, sleep_patience = None, None, ZERO
    try:
        platform_settings = probes.load_settings(reading.platform, file=reading.file)
        sleep_patience = platform_settings.sleep_patience
        problems += platform_settings.unset() if asking and not reading.unread else ()
    except SettingsError as error:
        problems += error.problems
    try:
        plan = scheduled(CATALOGUE, reading.probes, sleep_patience=sleep_patience)
    except SettingsError as error:
        problems += error.problems
    if problems or reading.settings is None or platform_settings is None or plan is None:
        raise SettingsError(problems)
    return Configuration(reading.settings, platform_settings, plan)


def load_own(config: Path | None = None) -> Settings:
    """The engine's settings alone, for what needs a database and no platform. Raises SettingsError.

    The platform's variables have no prefix: in a shell they may well be somebody else's.
    """
    return engine_settings.load(config, os.environ, known_probes=_names())


async def serve(configuration: Configuration, role: str) -> None:
    """Run the service until SIGTERM or Ctrl-C; a worker drains first. Role: `worker`, `api` or `all`."""
    settings, clock = configuration.settings, SystemClock()
    _have_threads()
    stop = asyncio.Event()
    _stop_on_signals(stop)
    metrics, registry = _metrics(configuration)
    spool = _spool(settings)
    async with AsyncExitStack() as stack:
        stalls = await stack.enter_async_context(LoopWatch(metrics.stall))
        database = await stack.enter_async_context(_database(settings))
        # Readers have connections of their own: a page view must never hold up a claim or a heartbeat.
        reading = Database(database.url.render_as_string(hide_password=False), pool_size=_READERS)
        stack.push_async_callback(reading.close)
        reads = Reads.of(reading, clock)
        app = create_app(
            reads=reads,
            readiness=Readiness(reading, clock=clock, waiting=spool.__len__).reasons,
            exporter=Exporter(
                registry,
                StateGauges(
                    reads.status.gauges,
                    clock=clock,
                    incidents=reads.incidents.gauges,
                    paces=reads.slowness.paces,
                    budgets=reads.budgets.gauges,
                ),
            ),
            access=Access(reading, clock),
            acts=Acts(reading, clock),
            clock=clock,
            role=role,
            public_reading=settings.api.public_reading,
        )
        address = await stack.enter_async_context(serving(app, host=settings.api.host, port=settings.api.port))
        log.info("api.started", address=address, role=role)
        if not await _prepared(database, configuration, clock, stop):
            return
        judge = await stack.enter_async_context(_alerting(settings, database, metrics, clock))
        if role == "api":
            await stop.wait()
            return
        platform = await stack.enter_async_context(_platform(configuration))
        settle()
        given = _surroundings(settings, database, platform, stalls, metrics, clock, spool, judge)
        publish = await stack.enter_async_context(_publishing(configuration))
        worker = await stack.enter_async_context(working(replace(given, publish=publish)))
        await worker.run_schedule(configuration.plan, stop)


async def run_probes(
    configuration: Configuration, names: Sequence[str], progress: Progress, *, times: int = 1
) -> list[Run]:
    """Run these probes now, one beside the other where they allow it, so many times; every run is recorded.

    Cancelling stops the runs; what they made is removed before this returns.
    """
    settings, clock = configuration.settings, SystemClock()
    _have_threads()
    metrics, _ = _metrics(configuration)
    wanted = [entry.probe for entry in configuration.plan if entry.name in names]
    async with (
        LoopWatch() as stalls,
        _database(settings) as database,
        _platform(configuration) as platform,
    ):
        await _migrated(database, configuration)
        settle()
        judge = Judge(Docket(Routing.of(settings)), version=__version__)
        given = _surroundings(settings, database, platform, stalls, metrics, clock, _spool(settings), judge)
        async with (
            _publishing(configuration) as publish,
            working(replace(given, publish=publish), progress=progress) as worker,
        ):
            stopped = asyncio.Event()
            running = asyncio.create_task(_rounds(worker, wanted, times, stopped), name="rounds")
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                stopped.set()
                worker.interrupt("stopped by hand")
                await asyncio.wait({running})
                raise


async def _rounds(worker: Worker, probes: Sequence[Probe], times: int, stopped: asyncio.Event) -> list[Run]:
    """One round after the other, the probes of a round side by side."""
    runs: list[Run] = []
    for _ in range(times):
        if not stopped.is_set():
            ended = await asyncio.gather(*(worker.run_now(probe) for probe in probes))
            runs += [run for run in ended if run is not None]
    return runs


def report(runs: Sequence[Run], probes: Sequence[Probe], compared: Sequence[Compared] = ()) -> str:
    """These runs of these probes as one page, and how their timings compare."""
    specs = [probe.spec for probe in probes]
    promises = {case.id: case.promise for spec in specs for case in spec.cases}
    phases = {timing.name: timing.phases for spec in specs for timing in spec.timings}
    return report_page(Report(runs, promises, phases, compared), SystemClock().now())


async def check(configuration: Configuration) -> list[Finding]:
    """Settings, database, rights and endpoints, each tried harmlessly; every finding at once."""
    findings = [Finding("settings")]
    try:
        async with _database(configuration.settings) as database:
            findings += await _database_findings(database)
    except StoreError as error:
        findings.append(Finding("database", str(error), "start it, or mend SYNTHETICS_DATABASE_URL"))
    async with _platform(configuration) as platform:
        findings += await platform.preflight()
    return findings


async def migrate(settings: Settings) -> str:
    """Bring the schema up to date, make the next months' partitions; a sentence about it."""
    async with _database(settings) as database:
        url = database.url.render_as_string(hide_password=False)
        before = await asyncio.to_thread(migrating.revision, url)
        after = await asyncio.to_thread(migrating.upgrade, url)
        made = await partitions.make_ahead(database, await database.now())
        moved = f"is at {after} already" if before == after else f"went from {before or 'empty'} to {after}"
        return f"The schema of {database.where} {moved}; {len(made)} partitions made."


async def sweep(configuration: Configuration, dry_run: bool) -> SweepReport:
    """Remove what ended runs left behind, or only find it."""
    async with _database(configuration.settings) as database, _platform(configuration) as platform:
        await _migrated(database, configuration)
        report = await Sweep(database, platform).once(dry_run=dry_run)
        try:
            return replace(report, orphans=tuple(await platform.orphans()))
        except (PlatformError, ProbeBroken) as error:
            return replace(report, unseen=str(error))


async def recent_runs(settings: Settings, probe: str | None, limit: int) -> list[RunSummary]:
    """The newest runs, newest first, those in flight included."""
    async with _database(settings) as database:
        url = database.url.render_as_string(hide_password=False)
        if settings.database_url is None and await asyncio.to_thread(migrating.revision, url) is None:
            return []  # ours, and not used yet; a configured one that is empty may be the wrong one
        await migrating.verify(database)
        return await Reads.of(database, SystemClock()).history.newest(probe, limit)


async def try_notifiers(settings: Settings, names: Sequence[str]) -> dict[str, str | None]:
    """Have these notifiers bring a test message; what went wrong with each, None where nothing did."""
    routing = Routing.of(settings)
    told = notifiers({name: settings.notifiers[name] for name in names})
    return {name: await tried(notifier, routing.links, SystemClock()) for name, notifier in told.items()}


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings. Raises WrongRevision where its schema is not the one of this code."""
    async with _database(settings) as database:
        await migrating.verify(database)
        yield database


def database_in_words(settings: Settings) -> str:
    """Which database these settings mean, for people: without user and password."""
    if settings.database_url is None:
        return f"the embedded database in {settings.state_dir}"
    return f"database {in_words(parse_url(settings.database_url.get_secret_value()))}"


# -- parts -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """The configured database, or the embedded one, started if need be."""
    async with AsyncExitStack() as stack:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        else:
            url = await stack.enter_async_context(EmbeddedPostgres(settings.state_dir))
        database = Database(url, pool_size=max(5, settings.worker.slots))
        stack.push_async_callback(database.close)
        yield database


@asynccontextmanager
async def _alerting(
    settings: Settings, database: Database, metrics: Metrics, clock: Clock
) -> AsyncIterator[Judge]:
    """Who judges by runs; inside the block it is also judged on schedule, and notices are delivered."""
    delivery = Delivery(
        database,
        notifiers(settings.notifiers),
        clock=clock,
        worker=_worker_name(settings),
        counting=metrics,
        give_up=settings.alerts.give_up,
    )
    judge = Judge(Docket(Routing.of(settings), delivery), version=__version__)
    async with Tender(database, judge, limits=settings.costs.limits), delivery:
        yield judge


@asynccontextmanager
async def _platform(configuration: Configuration) -> AsyncIterator[Platform]:
    platform = configuration.platform()
    try:
        yield platform
    finally:
        await platform.close()


async def _prepared(
    database: Database, configuration: Configuration, clock: Clock, stop: asyncio.Event
) -> bool:
    """Wait for the database and bring it up to date; False if told to stop before that."""
    preparing = asyncio.create_task(_awaited_and_migrated(database, configuration, clock))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not preparing.done():
        preparing.cancel()
        await asyncio.wait({preparing})
        return False
    preparing.result()
    return True


async def _awaited_and_migrated(database: Database, configuration: Configuration, clock: Clock) -> None:
    """Wait for the database for as long as it takes, also if it goes away meanwhile. Raises WrongRevision."""
    while True:
        await database.wait_until_up(clock, lambda why: log.warning("store.awaited", why=why))
        try:
            await _migrated(database, configuration, serving=True)
        except WrongRevision:
            raise
        except StoreError as error:
            log.warning("store.awaited", why=str(error))
            await clock.sleep(_AGAIN)
        else:
            return


async def _migrated(database: Database, configuration: Configuration, *, serving: bool = False) -> None:
    """Bring the database up to date, catalogue included. Raises StoreError at once if it does not answer.

    Only a service publishes its catalogue; a command by hand adds what is not known yet.
    """
    await database.ping()
    url = database.url.render_as_string(hide_password=False)
    await asyncio.to_thread(migrating.upgrade, url)
    await partitions.make_ahead(database, await database.now())
    published = [catalogue.Published(entry.probe, entry.enabled) for entry in configuration.plan]
    async with database.transaction() as connection:
        if serving:
            await catalogue.publish(connection, published, version=__version__)
        else:
            await catalogue.introduce(connection, published, version=__version__)


async def _database_findings(database: Database) -> list[Finding]:
    where = f"database {database.where}"
    try:
        await database.ping()
    except StoreError as error:
        return [Finding(where, str(error), "start it, or mend SYNTHETICS_DATABASE_URL")]
    url = database.url.render_as_string(hide_password=False)
    if await asyncio.to_thread(migrating.revision, url) is None:
        return [Finding(where), Finding("database schema (still empty; the first start makes it)")]
    try:
        await migrating.verify(database)
    except WrongRevision as error:
        return [Finding(where), Finding("database schema", str(error), "run `synthetics migrate`")]
    return [Finding(where), Finding("database schema")]


def _have_threads() -> None:
    """Threads enough for what this loop does not wait for itself; they are made as they are needed."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="any")
    asyncio.get_running_loop().set_default_executor(threads)


def _metrics(configuration: Configuration) -> tuple[Metrics, CollectorRegistry]:
    registry = new_registry()
    specs = [entry.probe.spec for entry in configuration.plan if entry.enabled]
    return Metrics(registry, probes=specs, notifiers=configuration.settings.notifiers), registry


def _names() -> list[str]:
    return [probe.name for probe in CATALOGUE]


def _surroundings(
    settings: Settings,
    database: Database,
    platform: Platform,
    stalls: LoopWatch,
    metrics: Metrics,
    clock: Clock,
    spool: Spool,
    judge: Judge,
) -> Surroundings:
    """What a worker of this deployment is given."""
    return Surroundings(
        database=database,
        platform=platform,
        settings=settings.worker,
        name=_worker_name(settings),
        stalls=stalls,
        told=metrics,
        clock=clock,
        spool=spool,
        retention=settings.retention,
        judge=judge,
        costs=settings.costs,
    )


@asynccontextmanager
async def _publishing(configuration: Configuration) -> AsyncIterator[Callable[[Run], None] | None]:
    """Takes finished runs to CloudWatch, as the settings say; None where they say nothing."""
    names = probes.result_names(configuration.platform_settings)
    match configuration.settings.cloudwatch.publish:
        case Publishing.OFF:
            yield None
        case Publishing.LOG:
            yield LogPublisher(names, lambda line: print(line, end="", flush=True)).run_finished
        case Publishing.CALL:
            region = configuration.platform_settings.aws_region
            client = boto3.client("cloudwatch", region_name=region, config=ONE_ATTEMPT)
            async with CallPublisher(names, client, SystemClock()) as publisher:
                yield publisher.run_finished


def _spool(settings: Settings) -> Spool:
    return Spool(settings.state_dir / "spool")


def _worker_name(settings: Settings) -> str:
    return settings.worker.name or f"{socket.gethostname()}-{os.getpid()}"


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal stops in good order; the handlers are gone then, so the second ends us at once."""
    loop = asyncio.get_running_loop()

    def stopped() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
