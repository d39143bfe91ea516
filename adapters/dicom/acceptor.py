"""The DICOM listener: accepts connections from a listening socket that somebody else made.

Several processes may accept from one inherited socket: each takes one connection per wake-up, so that four
associations do not all land on one of them. While this process has all the connections it may hold, it does not
accept, and the others do.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter

import structlog

from adapters.dicom.admission import LOCAL_LIMIT_EXCEEDED, PRESENTATION, TRANSIENT
from adapters.dicom.association import Association, Config
from adapters.dicom.counters import Counters
from adapters.dicom.ports import Admission, AssociationRefused, Intake

log = structlog.get_logger()

SPARE_CONNECTIONS = 64  # beyond the associations: peers that are still asking, or being told no
_PAUSE_S = 1.0  # before accepting again when the system has no more descriptors
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Serves DICOM on one listening socket, from `start` until `close`, on the running event loop."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        intake: Intake,
        admission: Admission,
        config: Config | None = None,
        tls: ssl.SSLContext | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self.config = config or Config()
        self._listener, self._tls = listener, tls
        self._intake, self._admission = intake, admission
        self._connections: set[Association] = set()
        self._established: set[Association] = set()
        self._per_peer: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._accepting = False
        self._closed = False
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._resume()

    async def close(self, grace_s: float = 5.0) -> None:
        """Accept no more; let what is under way finish, ask peers to release, abort those left after the grace."""
        self._closed = True
        self._pause()
        for association in tuple(self._connections):
            association.release()
        await self._wait_until_empty(grace_s)
        # What is being made durable is waited for: its sender may hear about it no more, but it is kept.
        for association in tuple(self._connections):
            association.abort()
        await self._wait_until_empty(grace_s)
        for handshake in tuple(self._handshakes):
            handshake.cancel()

    # the registry of associations

    def check_limits(self, peer_address: str) -> None:
        """Raise AssociationRefused when there are too many associations, in all or of this peer."""
        if len(self._established) >= self.config.max_associations:
            raise AssociationRefused(TRANSIENT, PRESENTATION, LOCAL_LIMIT_EXCEEDED, "too many associations")
        if self._per_peer[peer_address] >= self.config.max_associations_per_peer:
            raise AssociationRefused(
                TRANSIENT, PRESENTATION, LOCAL_LIMIT_EXCEEDED, "too many associations from this address"
            )

    def opened(self, association: Association) -> None:
        """An association was accepted."""
        self._established.add(association)
        self._per_peer[association.peer_address] += 1
        self.counters.associations_open = len(self._established)

    def ended(self, association: Association) -> None:
        """It is no longer established."""
        self._established.discard(association)
        self._per_peer[association.peer_address] -= 1
        if not self._per_peer[association.peer_address]:
            del self._per_peer[association.peer_address]
        self.counters.associations_open = len(self._established)

    def closed(self, association: Association) -> None:
        """Its connection is gone, and whatever it was answering is done."""
        self._connections.discard(association)
        self._changed.set()
        if not self._closed:
            self._resume()

    # accepting

    def _resume(self) -> None:
        if not self._accepting and not self._closed:
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._accept_one)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _accept_one(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the peer is gone again
        except OSError as error:
            if error.errno not in _OUT_OF_DESCRIPTORS:
                raise
            log.error("connection_not_accepted", error=str(error))
            self._pause()
            self._loop.call_later(_PAUSE_S, self._resume)
            return
        connection.setblocking(False)
        association = Association(
            config=self.config,
            registry=self,
            admission=self._admission,
            intake=self._intake,
            counters=self.counters,
        )
        self._connections.add(association)
        handshake = self._loop.create_task(self._connect(association, connection))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)
        if len(self._connections) >= self.config.max_associations + SPARE_CONNECTIONS:
            self._pause()

    async def _connect(self, association: Association, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: association,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self.config.artim_s if self._tls else None,
            )
        except (OSError, ssl.SSLError) as error:  # a failed handshake is the peer's, or it is gone
            log.info("connection_failed", error=str(error))
            connection.close()
            self.closed(association)

    async def _wait_until_empty(self, timeout_s: float) -> None:
        deadline = self._loop.time() + timeout_s
        while self._connections:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - self._loop.time())
            except TimeoutError:
                return
