"""A TCP proxy on the way to a server, which loses connections when a test wants it to."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")
_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Forwards what comes to `port` to the target port. May be used from any thread."""

    def __init__(self, target: int) -> None:
        self.host, self.target = "127.0.0.1", target
        """Where new connections go."""
        self.accepted = 0
        self.limits: Iterator[int] = iter(())
        """For each new connection, after how many bytes from the target it is cut; what follows is not."""
        self.port = 0
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cutting proxy", daemon=True)
        self._thread.start()
        self.resume()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def cut(self) -> None:
        """Reset all connections."""
        self._do(self._cut())

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._do(self._stop_listening())

    def resume(self) -> None:
        """Accept connections (again), at the same port."""
        self._do(self._listen())

    def stop(self) -> None:
        """Refuse and cut everything, for good."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    # --- in the proxy's own thread -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _stop(self) -> None:
        await self._stop_listening()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self) -> None:
        for link in list(self._links):
            for writer in link:
                _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        limit = next(self.limits, None)
        try:
            there, back = await asyncio.open_connection(self.host, self.target)
        except OSError:
            _reset(writer)
            return
        link = (writer, back)
        self._links.add(link)
        pumps = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer, limit))]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if any(pump.result() for pump in done):
                _reset(writer)
        finally:
            self._links.discard(link)
            for pump in pumps:
                pump.cancel()
            for end in link:  # what is on its way arrives, if nothing was cut
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None = None) -> bool:
    """Forward until one side has gone. Returns True if `limit` bytes have been forwarded before."""
    with suppress(OSError):
        while data := await reader.read(min(65536, limit or 65536)):
            writer.write(data)
            await writer.drain()
            limit = None if limit is None else limit - len(data)
            if limit == 0:
                return True
    return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection as a network does: with a reset, and without what was still to be sent."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError, ValueError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def cutting(target: int) -> Iterator[CuttingProxy]:
    """Run a proxy to the port while the block runs."""
    proxy = CuttingProxy(target)
    try:
        yield proxy
    finally:
        proxy.stop()
