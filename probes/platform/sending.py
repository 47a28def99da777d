"""How boto3's requests are sent: bounded as a whole, where its own limits count from one byte to the next.

A server that sends a byte now and then keeps boto3 waiting for ever, and one that sends a gigabyte makes it
keep a gigabyte. Here the answer's size has a limit, and whoever gives a request up cuts its connection, so that
the thread which waits for it is free again.
"""

import socket
from contextlib import suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

from botocore import exceptions as boto
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.client import BaseClient
from urllib3.exceptions import HTTPError, ReadTimeoutError

#: Bytes. The largest honest answers are ten messages of SQS or a page of DynamoDB, a few MiB.
LONGEST_ANSWER = 16 * 1024 * 1024


class TooLong(boto.HTTPClientError):
    """An answer that has more than LONGEST_ANSWER bytes."""

    fmt = "an answer of more than {limit} MiB"

    def __init__(self) -> None:
        super().__init__(limit=LONGEST_ANSWER // (1024 * 1024), error="")


class Exchange:
    """One request under way, as seen by those who may give it up."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: socket.socket | None = None
        self.begun = False
        self.given_up = False

    def uses(self, connection: socket.socket) -> None:
        """Take note of the connection that the answer is to come by."""
        with self._lock:
            if self._connection is None:
                # A handle of our own: TLS takes the socket over while it shakes hands.
                self._connection = socket.fromfd(connection.fileno(), connection.family, connection.type)
            if self.given_up:
                self._cut()

    def give_up(self) -> None:
        """Cut the connection: whoever waits for its answer is told that it was closed."""
        with self._lock:
            self.given_up = True
            self._cut()

    def end(self) -> None:
        """The request is over; its connection may serve the next one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _cut(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


#: The request that this thread is at.
EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def bound(client: BaseClient) -> None:
    """Let this client send its requests so. boto3 has no public place for that."""
    endpoint: Any = client
    session = endpoint._endpoint.http_session
    pools = {"http": _Pool, "https": _TlsPool}
    session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools
    endpoint._endpoint.http_session = _Session(session)


class _Session:
    """Sends as botocore does, and reads no more of the answer than it may have."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def send(self, request: Any) -> Any:
        request.stream_output = True  # it would read the whole answer otherwise, however long
        answer = self._inner.send(request)
        answer._content = _read(answer.raw, request.url)
        return answer

    def close(self) -> None:
        self._inner.close()


def _read(raw: Any, url: str) -> bytes:
    body = bytearray()
    try:
        for piece in raw.stream():
            body += piece
            if len(body) > LONGEST_ANSWER:
                raw.close()
                raise TooLong
    except ReadTimeoutError as error:
        raise boto.ReadTimeoutError(endpoint_url=url, error=error) from error
    except (HTTPError, OSError) as error:
        raise boto.HTTPClientError(error=error) from error
    return bytes(body)


class _Noted:
    """A connection that tells the request by which socket its answer is to come."""

    sock: Any

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc]
        _note(made)
        return made

    def getresponse(self) -> Any:
        _note(self.sock)
        return super().getresponse()  # type: ignore[misc]


def _note(connection: socket.socket | None) -> None:
    exchange = EXCHANGE.get()
    if exchange is not None and connection is not None:
        exchange.uses(connection)


class _Connection(_Noted, AWSHTTPConnection):  # type: ignore[misc]  # botocore's own bases disagree
    pass


class _TlsConnection(_Noted, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
