"""Uvicorn on a listening socket that several processes share, each taking its part of the connections.

Viewers keep a few connections open for long: four that came at once may not all lie with one process. Each takes one
connection per wake-up; one that has more than another waits a moment first, so that the other is quicker.
"""

import asyncio
import ctypes
import errno
import socket
import sys
from typing import Any

import structlog
import uvicorn

from gateway.processes import FORK

log = structlog.get_logger()

GIVE_WAY_S = 0.003  # longer than a wake-up, shorter than anybody notices
PAUSE_S = 1.0  # before accepting again when the system has no more descriptors
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Shares:
    """How many connections each process has. Made before the fork."""

    def __init__(self, processes: int) -> None:
        self._counts: Any = FORK.RawArray(ctypes.c_int, processes)

    def say(self, place: int, count: int) -> None:
        self._counts[place] = count

    def has_least(self, place: int) -> bool:
        return bool(self._counts[place] <= min(self._counts))


class WebServer(uvicorn.Server):
    """Serves until SIGTERM; the socket stays the supervisor's."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, shares: Shares, place: int) -> None:
        super().__init__(config)
        self._listener, self._shares, self._place = listener, shares, place
        self._connecting: set[asyncio.Task[None]] = set()
        shares.say(place, 0)

    def end(self, *_: object) -> None:
        """As a signal's handler: end in order, or do not begin."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(1)
        self.servers = []  # none of uvicorn's own
        self._listen()
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        self._shares.say(self._place, len(self.server_state.connections))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        await super().shutdown([])

    def _listen(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._on_waiting)

    def _on_waiting(self) -> None:
        if self._shares.has_least(self._place):
            self._accept()
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        loop.call_later(GIVE_WAY_S, self._accept_what_is_left)

    def _accept_what_is_left(self) -> None:
        self._accept()
        self._listen()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the peer is gone again
        except OSError as error:
            if error.errno not in _OUT_OF_DESCRIPTORS:
                raise
            log.error("connection_not_accepted", error=str(error))
            loop.remove_reader(self._listener.fileno())
            loop.call_later(PAUSE_S, self._listen)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shares.say(self._place, len(self.server_state.connections) + len(self._connecting) + 1)
        task = loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        config = self.config
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: config.http_protocol_class(  # type: ignore[call-arg]
                    config=config, server_state=self.server_state, app_state=self.lifespan.state
                ),
                connection,
            )
        except OSError as error:  # the peer is gone again
            log.info("connection_failed", error=error.strerror)
            connection.close()
