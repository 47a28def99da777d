"""AWS through boto3: in threads, every request counted and traced, errors made ours.

A request is made once; only what AWS says it has not carried out for being asked too often is asked again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore import exceptions as boto
from botocore.client import BaseClient
from botocore.config import Config
from botocore.parsers import ResponseParserError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from probes.platform.sending import EXCHANGE, Exchange, TooLong, bound
from probes.platform.settings import PlatformSettings
from probes.platform.waits import Waits
from synthetics.clock import Clock
from synthetics.contract.platform import RequestMeter
from synthetics.contract.tracing import Trace
from synthetics.errors import PlatformError, ProbeBroken, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

T = TypeVar("T")
C = TypeVar("C", bound="BaseClient")

_THREADS = 16
_POLLING_THREADS = 32
#: SQS answers a long poll after at most this long.
LONGEST_POLL = timedelta(seconds=20)
#: Seconds: before a throttled call is made again it waits at random up to the first, then up to twice as long
#: each time, up to the longest.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.2, 5.0

#: A request that got no thread, or whose thread cannot be freed, is given up after so many times its limit.
_PATIENCE = 3

#: Errors that speak of our own credentials and rights, not of the platform.
_OUR_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
#: AWS was asked too often and did nothing of what was asked: contract §9.4 wants backoff.
_THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "KmsThrottled",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: AWS merely cannot now; whether it did what was asked is not always known.
_PASSING = _THROTTLED | {"timeout", "unreachable"}
#: An answer that says something else than it should: no JSON, no time where a time should be, lists of lists.
_UNREADABLE = (
    ResponseParserError,
    AttributeError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
)
_OUR_ERRORS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
    boto.ProfileNotFound,
    boto.NoRegionError,
    boto.ParamValidationError,
)


class AwsError(PlatformError):
    """AWS did not do what was asked; `code` is its own, or `unreachable`, `timeout`, `unreadable`."""

    def __init__(self, message: str, code: str, **evidence: object) -> None:
        super().__init__(message, code=code, **evidence)
        self.code = code
        status = evidence.get("status")
        self.transient = code in _PASSING or (isinstance(status, int) and status >= 500)


class _NoThread(Exception):
    """Every thread is at another request."""


class _GivenUp(Exception):
    """The request was cut off, because its time was over."""


@dataclass(slots=True)
class _Caller:
    """On whose behalf the thread asks, and since when."""

    trace: Trace
    meter: RequestMeter
    began: float = 0.0


_CALLER: ContextVar[_Caller | None] = ContextVar("caller", default=None)


class AwsClients:
    """The boto3 clients, made once per process, and the threads they are called in. Raises SettingsError."""

    def __init__(self, settings: PlatformSettings) -> None:
        try:
            self._session = boto3.Session(profile_name=settings.aws_profile, region_name=settings.aws_region)
        except boto.ProfileNotFound as error:
            raise SettingsError([f"AWS_PROFILE: {error}"]) from None
        self._making = Lock()
        self._logs: CloudWatchLogsClient | None = None
        self._cloudwatch: CloudWatchClient | None = None
        self._made: list[BaseClient] = []
        self._endpoint = endpoint = settings.aws_endpoint_url
        self.timeout = settings.aws_timeout
        self.waits = Waits()
        self._quick = quick = _config(settings.aws_timeout)
        patient = _config(settings.aws_timeout + LONGEST_POLL)
        self.dynamodb = self._known(self._session.client("dynamodb", endpoint_url=endpoint, config=quick))
        self.ecs = self._known(self._session.client("ecs", endpoint_url=endpoint, config=quick))
        self.sqs = self._known(self._session.client("sqs", endpoint_url=endpoint, config=quick))
        self.polling = self._known(self._session.client("sqs", endpoint_url=endpoint, config=patient))
        self.sts = self._known(self._session.client("sts", endpoint_url=endpoint, config=quick))
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws")
        self.polling_threads = ThreadPoolExecutor(_POLLING_THREADS, thread_name_prefix="aws-poll")

    @property
    def logs(self) -> "CloudWatchLogsClient":
        """Made when first needed: a client costs memory, and logs are read only where something failed."""
        with self._making:
            if self._logs is None:
                made = self._session.client("logs", endpoint_url=self._endpoint, config=self._quick)
                self._logs = self._known(made)
        return self._logs

    @property
    def cloudwatch(self) -> "CloudWatchClient":
        """Made when first needed, as few probes read metrics."""
        with self._making:
            if self._cloudwatch is None:
                made = self._session.client("cloudwatch", endpoint_url=self._endpoint, config=self._quick)
                self._cloudwatch = self._known(made)
        return self._cloudwatch

    def close(self) -> None:
        """Let the threads go; what still waits in them ends by its own time limit."""
        for pool in (self.threads, self.polling_threads):
            pool.shutdown(wait=False, cancel_futures=True)
        for client in self._made:
            client.close()

    def _known(self, client: C) -> C:
        client.meta.events.register("before-send.*.*", _before_send)
        client.meta.events.register("response-received.*.*", _response_received)
        bound(client)
        self._made.append(client)
        return client


class Aws:
    """The AWS requests of one run."""

    def __init__(self, clients: AwsClients, *, trace: Trace, meter: RequestMeter, clock: Clock) -> None:
        self._clients = clients
        self._trace = trace
        self._meter = meter
        self._clock = clock

    async def call(self, action: str, on: str, ask: Callable[[AwsClients], T], *, polls: bool = False) -> T:
        """What `ask` gets from AWS. `action` and `on` are the IAM action and the resource, for people.

        `ask` makes one request, and picks what it needs out of the answer itself: what is missing there is
        AWS's fault. A throttled request is made again until the time limit of one call has passed.

        Raises ProbeBroken where we lack credentials or a right, AwsError for everything else.
        """
        pool = self._clients.polling_threads if polls else self._clients.threads
        limit = self._clients.timeout + (LONGEST_POLL if polls else timedelta(0))
        tried = 0

        async def once() -> T:
            nonlocal tried
            tried += 1
            return await self._once(pool, ask, limit.total_seconds())

        try:
            return await self._patiently(limit)(once)
        except _NoThread as error:
            raise ProbeBroken(f"{action} on {on} could not be asked: {error}") from error
        except _GivenUp as error:
            raise AwsError(f"{action} on {on}: no whole answer within {error}", "timeout") from error
        except TooLong as error:
            raise AwsError(f"{action} on {on}: {error}", "unreadable") from error
        except boto.ClientError as error:
            raise _refused(error, action, on, tried) from error
        except _OUR_ERRORS as error:
            raise ProbeBroken(f"{action} on {on} could not be asked: {error}") from error
        except KeyError as error:
            raise AwsError(f"{action} on {on}: an answer without {error}", "unreadable") from error
        # botocore takes any JSON for an object, and what it finds in it for what it should be.
        except _UNREADABLE as error:
            raise AwsError(f"{action} on {on}: an answer that cannot be read", "unreadable") from error
        except (boto.ConnectTimeoutError, boto.ReadTimeoutError) as error:
            raise AwsError(f"{action} on {on}: no answer in time", "timeout") from error
        except (boto.HTTPClientError, boto.ConnectionError) as error:
            raise AwsError(f"{action} on {on}: AWS cannot be reached: {error}", "unreachable") from error
        except boto.BotoCoreError as error:
            raise ProbeBroken(f"{action} on {on} could not be asked: {error}") from error

    def _patiently(self, limit: timedelta) -> AsyncRetrying:
        """Makes a throttled call again, ever more seldom, as long as the pause ends within the limit."""
        end = self._clock.monotonic() + limit.total_seconds()

        def over(state: RetryCallState) -> bool:
            return self._clock.monotonic() + state.upcoming_sleep > end

        async def sleep(seconds: float) -> None:
            await self._clock.sleep(timedelta(seconds=seconds))

        return AsyncRetrying(
            retry=retry_if_exception(lambda error: _code(error) in _THROTTLED),
            wait=wait_random_exponential(multiplier=_FIRST_BACKOFF, max=_LONGEST_BACKOFF),
            stop=over,
            sleep=sleep,
            reraise=True,
        )

    async def _once(self, pool: ThreadPoolExecutor, ask: Callable[[AwsClients], T], limit: float) -> T:
        """One request, which has so many seconds from when a thread is at it.

        A thread that can be freed no more (nothing ends a hung look-up of a name) is left to itself.
        """
        exchange, loop = Exchange(), asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def begun() -> None:
            timers.append(loop.call_later(limit, exchange.give_up))

        asking = loop.run_in_executor(pool, self._in_thread, ask, exchange, loop, begun, time.monotonic())
        try:
            async with asyncio.timeout(_PATIENCE * limit):
                answer = await asking
        except TimeoutError:
            if not exchange.begun:
                raise _NoThread(f"no thread was free for {_PATIENCE * limit:g} s") from None
            raise _GivenUp(f"{limit:g} s") from None
        except asyncio.CancelledError:
            raise  # the thread goes on without us, and is given up when its time is over
        except Exception as error:
            if exchange.given_up:
                raise _GivenUp(f"{limit:g} s") from error
            raise
        finally:
            if asking.done() and not asking.cancelled():
                for timer in timers:
                    timer.cancel()
        return answer

    def _in_thread(
        self,
        ask: Callable[[AwsClients], T],
        exchange: Exchange,
        loop: asyncio.AbstractEventLoop,
        begun: Callable[[], None],
        asked: float,
    ) -> T:
        self._clients.waits.note(asked)
        marks = _CALLER.set(_Caller(self._trace, self._meter)), EXCHANGE.set(exchange)
        exchange.begun = True
        loop.call_soon_threadsafe(begun)
        try:
            return ask(self._clients)
        finally:
            exchange.end()
            _CALLER.reset(marks[0])
            EXCHANGE.reset(marks[1])


def a_text(value: object) -> str:
    """The value, where it is a text as AWS's own description has it. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"wanted a text, got {value!r}")
    return value


def clock_difference(headers: dict[str, str], now: datetime) -> timedelta | None:
    """How far AWS's clock (a Date header, whole seconds) is ahead of `now`; None if it did not say."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - now


def _config(timeout: timedelta) -> Config:
    return Config(
        connect_timeout=min(5.0, timeout.total_seconds()),
        read_timeout=timeout.total_seconds(),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=_THREADS + _POLLING_THREADS,
        tcp_keepalive=True,
    )


def _code(error: BaseException) -> str:
    """AWS's own code of its refusal; empty for any other error."""
    if not isinstance(error, boto.ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", "unknown")).removeprefix("AWS.SimpleQueueService.")


def _refused(error: boto.ClientError, action: str, on: str, tried: int) -> ProbeBroken | AwsError:
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "unknown")), str(told.get("Message", ""))
    if code in _OUR_CODES:
        return ProbeBroken(f"not allowed to do {action} on {on}: {code}: {message}")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if _code(error) in _THROTTLED:
        said = f"{action} on {on}: {code}: {message} (tried {tried} times)"
        return AwsError(said, _code(error), status=status, tried=tried)
    return AwsError(f"{action} on {on}: {code}: {message}", code, status=status)


def _before_send(request: Any, **_: object) -> None:
    caller = _CALLER.get()
    if caller is None:
        return
    caller.began = time.perf_counter()
    for name, value in caller.trace.headers().items():
        # None of these headers is part of the signature.
        if name in request.headers:
            del request.headers[name]
        request.headers[name] = value


def _response_received(
    parsed_response: dict[str, Any] | None = None,
    exception: Exception | None = None,
    event_name: str = "",
    **_: object,
) -> None:
    caller = _CALLER.get()
    if caller is None:
        return
    service, operation = event_name.split(".")[1:3]
    outcome = "ok"
    if exception is not None:
        outcome = type(exception).__name__
    elif parsed_response is not None and "Error" in parsed_response:
        outcome = str(parsed_response["Error"].get("Code") or "unknown")
    caller.meter.count(service, operation, outcome, timedelta(seconds=time.perf_counter() - caller.began))
