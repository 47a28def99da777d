"""A wire between two parts that can be made bad: slow, silent, or cut. Real sockets, in a thread of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_PIECE = 65_536


class Wire:
    """Listens on a free port of this machine and carries every byte to `target` and back, as it is told.

    `target` is an address or the path of a socket. Used as a context manager.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._carrying: set[asyncio.Task[None]] = set()
        self._sockets: set[socket.socket] = set()
        self._open = asyncio.Event()
        self._delay = 0.0
        self.port = 0

    def __enter__(self) -> "Wire":
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- making it bad -----------------------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Carry each piece so much later."""
        self._delay = seconds

    def drop(self) -> None:
        """Carry nothing more: both sides see a peer that says nothing."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def cut(self) -> None:
        """Reset every connection; new ones are as good as ever."""
        self._do(self._reset())

    def mend(self) -> None:
        """Carry everything at once again, what was held back included."""
        self._delay = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    # -- inside ------------------------------------------------------------------------------------------

    def _do(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(10)

    async def _listen(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Only `_end_all` cancels; a task of asyncio's server that ends as cancelled is logged as an error.
        with suppress(asyncio.CancelledError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            there = await self._connected()
        except OSError:
            writer.close()
            self._carrying.discard(task)
            return
        ends = [writer.get_extra_info("socket"), there[1].get_extra_info("socket")]
        self._sockets.update(ends)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._one_way(reader, there[1]))
                both.create_task(self._one_way(there[0], writer))
        except* OSError:
            pass  # one side is gone, and so is the other
        finally:
            self._sockets.difference_update(ends)
            self._carrying.discard(task)
            for end in (writer, there[1]):
                end.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection(*self._target)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._open.wait()
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _reset(self) -> None:
        for end in tuple(self._sockets):
            linger = struct.pack("ii", 1, 0)
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self._end_all()

    async def _end_all(self) -> None:
        tasks = tuple(self._carrying)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        await self._end_all()
        await self._server.wait_closed()


#: How a wire may be bad, and for how long it stays so: what is cut is well again at once.
WAYS: dict[str, Callable[[Wire], None]] = {
    "delayed": lambda wire: wire.delay(0.3),
    "dropped": Wire.drop,
    "cut": Wire.cut,
}
