"""The DICOM listener: accepts connections from a listening socket that somebody else made.

Several processes may accept from one inherited socket: each takes one connection per wake-up, so that four
associations do not all land on one of them. When a process has all the connections it may hold, the one that has
been without an association for longest gives way: a peer that means it asks at once, one that only connects does not.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import structlog

from adapters.dicom.admission import LOCAL_LIMIT_EXCEEDED, PRESENTATION, TRANSIENT
from adapters.dicom.association import Association, Config
from adapters.dicom.counters import Counters
from adapters.dicom.notes import Doorbook, keep_note
from adapters.dicom.ports import Admission, AssociationRefused, ConnectionRefused, Intake, Tls
from adapters.dicom.tally import ProcessTally, Tally
from adapters.dicom.tls import TlsServer, find_cause

log = structlog.get_logger()

_PAUSE_S = 1.0  # before accepting again when the system has no more descriptors
_YIELD_S = 0.002  # in which a process that has fewer associations may accept what another one heard first
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
        tls: TlsServer | None = None,
        counters: Counters | None = None,
        tally: ProcessTally | None = None,
    ) -> None:
        """With a tally, its limits hold over all acceptors and processes that share it."""
        self.counters = counters or Counters()
        self.config = config or Config()
        self._listener, self._tls = listener, tls
        self._intake, self._admission = intake, admission
        self._connections: set[Association] = set()
        self._established: set[Association] = set()
        self._knocking: dict[Association, None] = {}  # connected without being established, the oldest first
        self._tally = tally or Tally().of(0)
        self.doorbook = Doorbook()
        self._handshakes: dict[Association, asyncio.Task[None]] = {}
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
        for handshake in tuple(self._handshakes.values()):
            handshake.cancel()

    # the registry of associations

    def check_limits(self, peer: str, device: Mapping[str, Any]) -> None:
        """Raise AssociationRefused when there are too many associations, in all or of this device or address."""
        if self._tally.total() >= self.config.max_associations:
            explanation, cause = "too many associations", "limit"
        elif self._tally.of(peer) >= self.config.max_associations_per_peer:
            explanation, cause = "too many associations of this device", "limit_of_device"
        else:
            return
        raise AssociationRefused(
            TRANSIENT, PRESENTATION, LOCAL_LIMIT_EXCEEDED, explanation, cause=cause, device=device
        )

    def identify(self, connection: ssl.SSLObject) -> Tls:
        """Who is at the other end of a TLS connection. Raises ConnectionRefused."""
        assert self._tls is not None  # only its connections are asked about
        return self._tls.identify(connection)

    def turned_away(self, address: str, refusal: ConnectionRefused) -> None:
        """A connection was closed before there was an association: kept as a note, at most one a minute of a kind."""
        certificate = refusal.certificate
        facts = {
            "peer_address": address,
            "cause": refusal.cause,
            "explanation": refusal.explanation,
            "certificate": certificate.subject if certificate else "",
        }
        self.counters.connections_refused[refusal.cause] += 1
        if self.doorbook.is_news(address, refusal.cause, facts["certificate"]):
            log.warning("connection_refused", **facts)
            keep_note(self._intake, "dicom.connection", facts)

    def opened(self, association: Association) -> None:
        """An association was accepted."""
        self._established.add(association)
        self._knocking.pop(association, None)
        self._tally.add(association.limited_as)
        self.counters.associations_open = len(self._established)

    def ended(self, association: Association) -> None:
        """It is no longer established."""
        self._established.discard(association)
        if association in self._connections:
            self._knocking[association] = None
        self._tally.add(association.limited_as, -1)
        self.counters.associations_open = len(self._established)

    def closed(self, association: Association) -> None:
        """Its connection is gone, and whatever it was answering is done."""
        self._connections.discard(association)
        self._knocking.pop(association, None)
        self._changed.set()
        if not self._closed:
            self._resume()

    # accepting

    def _resume(self) -> None:
        if not self._accepting and not self._closed:
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._hear_knock)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _hear_knock(self) -> None:
        fewest = self._tally.fewest_elsewhere()
        if fewest is None or len(self._connections) <= fewest:
            self._accept_one()
            return
        # The kernel may wake the same process each time, and a few long associations would all be its own.
        self._pause()
        self._loop.call_later(_YIELD_S, self._accept_after_all)

    def _accept_after_all(self) -> None:
        self._resume()
        if self._accepting:
            self._accept_one()

    def _accept_one(self) -> None:
        try:
            connection, peer = self._listener.accept()
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
        self._knocking[association] = None
        self._handshakes[association] = self._loop.create_task(
            self._connect(association, connection, str(peer[0]))
        )
        if len(self._connections) > self.config.max_associations + self.config.spare_connections:
            self._make_room()

    def _make_room(self) -> None:
        oldest = next(iter(self._knocking))  # fewer than the rest are established, so there is one
        del self._knocking[oldest]
        self.counters.connections_refused["gave_way"] += 1
        handshake = self._handshakes.get(oldest)
        if handshake is None:
            oldest.drop()
        else:
            handshake.cancel()

    async def _connect(self, association: Association, connection: socket.socket, address: str) -> None:
        context = self._tls.context() if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: association,
                connection,
                ssl=context,
                ssl_handshake_timeout=self.config.artim_s if context else None,
            )
        except (OSError, ssl.SSLError) as error:  # a failed handshake is the peer's, or it is gone
            cause = find_cause(error)
            if cause is None:
                log.info("connection_failed", peer_address=address, error=str(error))
            else:
                self.turned_away(address, ConnectionRefused(cause, str(error)))
            connection.close()
            self.closed(association)
        except asyncio.CancelledError:  # it gave way, or the listener closes
            connection.close()
            self.closed(association)
            raise
        finally:
            del self._handshakes[association]

    async def _wait_until_empty(self, timeout_s: float) -> None:
        deadline = self._loop.time() + timeout_s
        while self._connections:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - self._loop.time())
            except TimeoutError:
                return
