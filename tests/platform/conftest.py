"""Fixtures: the clients of one run, against moto in this process or against a sandbox."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from probes.platform import Webordinary
from probes.platform.aws import AwsClients
from probes.platform.http import Http, Tls
from probes.platform.items import Shapes
from probes.platform.settings import load
from synthetics.clock import Clock, SystemClock
from synthetics.contract.platform import RunScope
from synthetics.contract.tracing import Trace
from tests.support.engine import DictLedger, Uncounted
from tests.support.sandbox import RunningSandbox

#: Where nobody listens.
NOWHERE = "http://127.0.0.1:1"


class Run:
    """One opened run: its clients, its ledger and its meter."""

    def __init__(
        self, web: Webordinary, ledger: DictLedger, meter: Uncounted, run_id: UUID, trace: Trace
    ) -> None:
        self.web = web
        self.ledger = ledger
        self.meter = meter
        self.run_id = run_id
        self.trace = trace


class Shared:
    """What is dear to make and safe to share between tests."""

    tls: Tls | None = None
    clients: ClassVar[dict[str, AwsClients]] = {}


@asynccontextmanager
async def opened(
    environ: dict[str, str], *, tag: str | None = None, clock: Clock | None = None
) -> AsyncIterator[Run]:
    """A run against a platform with these settings and nothing else of the environment."""
    settings = load({}, environ)
    where = f"{settings.aws_endpoint_url} {settings.aws_timeout}"
    if where not in Shared.clients:
        Shared.clients[where] = AwsClients(settings)
    Shared.tls = Shared.tls or Tls.load()
    ledger, meter, run_id = DictLedger(), Uncounted(), uuid4()
    trace = Trace.begin(run_id)
    scope = RunScope(run_id, "test", tag or uuid4().hex[:8], trace, ledger, meter, clock or SystemClock())
    http = Http(trace=trace, meter=meter, tls=Shared.tls, trusted=frozenset())
    try:
        web = Webordinary.of(scope, settings, http=http, clients=Shared.clients[where], shapes=Shapes())
        yield Run(web, ledger, meter, run_id, trace)
    finally:
        await http.aclose()


@pytest.fixture(autouse=True, scope="session")
def nothing_is_left_open() -> Iterator[None]:
    """Close at the end what tests have shared."""
    yield
    for clients in Shared.clients.values():
        clients.close()
    Shared.clients.clear()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that only a stand-in accepts, and no way to others."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of an AWS in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto: str) -> Iterator[Callable[[str], Any]]:
    """Makes boto3 clients of that AWS, with which a test sets things up behind our clients' backs."""
    made: list[Any] = []

    def client(service: str) -> Any:
        anything: Any = boto3
        made.append(anything.client(service, endpoint_url=moto, region_name="us-west-2"))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def names(moto: str) -> dict[str, str]:
    """The settings of a deployment in that AWS: four tables, the sessions' with a composite key."""
    anything: Any = boto3
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    dynamodb = anything.client("dynamodb", endpoint_url=moto, region_name="us-west-2", **credentials)
    try:
        return deployment(dynamodb, moto, composite=True)
    finally:
        dynamodb.close()


def deployment(dynamodb: Any, moto: str, *, composite: bool, client_index: bool = True) -> dict[str, str]:
    """Make the tables of a deployment, and return the environment that names them."""
    mark = uuid4().hex[:8]
    environ = {
        "AWS_ENDPOINT_URL": moto,
        "ALB_ENDPOINT": NOWHERE,
        "ENVIRONMENT": "isolated",
        "SESSION_TABLE": f"sessions-{mark}",
        "THREAD_MAPPING_TABLE": f"mappings-{mark}",
        "CONTAINER_TABLE": f"containers-{mark}",
        "QUEUE_TRACKING_TABLE": f"tracking-{mark}",
        "ECS_CLUSTER_ARN": f"cluster-{mark}",
    }
    sort = ["userId"] if composite else []
    indexes = {"StatusIndex": "status", "container-index": "containerId"}
    if client_index:
        indexes["by-client"] = "clientId"
    _table(dynamodb, environ["SESSION_TABLE"], ["sessionId", *sort], indexes)
    _table(dynamodb, environ["THREAD_MAPPING_TABLE"], ["threadId"], {"container-index": "containerId"})
    _table(dynamodb, environ["CONTAINER_TABLE"], ["containerId"], {})
    _table(dynamodb, environ["QUEUE_TRACKING_TABLE"], ["containerId", "createdAt"], {}, numbers={"createdAt"})
    return environ


def _table(
    dynamodb: Any, name: str, key: list[str], indexes: dict[str, str], numbers: set[str] | None = None
) -> None:
    attributes = dict.fromkeys([*key, *indexes.values()])
    more = {
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, attribute in indexes.items()
        ]
    }
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": attribute, "KeyType": kind}
            for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "N" if attribute in (numbers or ()) else "S"}
            for attribute in attributes
        ],
        **(more if indexes else {}),
    )


@pytest.fixture
async def run(names: dict[str, str]) -> AsyncIterator[Run]:
    """The clients of a run against that deployment; no Hermes, no load balancer."""
    async with opened(names) as run:
        yield run


@pytest.fixture
async def sandboxed(sandbox: RunningSandbox) -> AsyncIterator[Run]:
    """The clients of a run against the shared sandbox."""
    async with opened(sandbox.environment) as run:
        yield run
