"""The ASTM listener: accepts analysers and serial-to-network boxes on a listening socket that somebody else made.

Connections may stay open and silent for ever, as analysers keep them; TCP keepalive finds those whose other end is
gone. Peers that are unknown may connect, so that their ENQ can be answered with NAK and told of, but only a few.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from adapters.dicom.notes import Doorbook
from adapters.dicom.ports import ConnectionRefused
from adapters.dicom.tls import TlsServer, find_cause
from adapters.lab.connection import AstmSettings, Connection, now_text
from adapters.lab.counters import Counters
from adapters.lab.duplicates import Lately
from adapters.lab.ports import Admission, Desk, Door, Keep, NotAdmitted, Notice

log = structlog.get_logger()

_PAUSE_S = 1.0  # before accepting again when the system has no more descriptors
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class AstmServer:
    """Serves ASTM on one listening socket, from `start` until `close`, on the running event loop."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        admission: Admission,
        keep: Keep,
        notice: Notice,
        desk: Desk,
        settings: AstmSettings | None = None,
        tls: TlsServer | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.admission, self.keep, self.desk = admission, keep, desk
        self.settings = settings or AstmSettings()
        self.counters = counters or Counters()
        self.lately = Lately(window_s=self.settings.duplicate_window_s)
        self.bytes_in_hand = 0  # of transfers that are under way, over all connections
        self.busy_until = float("-inf")  # nothing could be kept a moment ago
        self._notice, self._tls = notice, tls
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._by_peer: Counter[str] = Counter()
        self._strangers = 0
        self._doorbook = Doorbook()
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()  # a connection has gone

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._accepting = self._loop.create_task(self._accept())

    async def close(self, grace_s: float = 5.0) -> None:
        """Accept no more; what is being kept is waited for, then every connection is closed."""
        if self._accepting is not None:
            self._accepting.cancel()
        for handshake in tuple(self._handshakes):
            handshake.cancel()
        for connection in tuple(self._connections):
            connection.leave()
        deadline = self._loop.time() + grace_s
        while self._connections:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - self._loop.time())
            except TimeoutError:
                break
        for connection in tuple(self._connections):
            connection.drop()

    # what connections need

    def admit_peer(self, door: Door) -> None:
        """Raises NotAdmitted when nobody may speak from there."""
        self.admission.admit(door, None)

    def tell(self, kind: str, door: Door, cause: str, explanation: str, **more: Any) -> None:
        """A refusal, counted each time and told of once a minute."""
        self.counters.refusals[cause] += 1
        if not self._doorbook.is_news(kind, door.peer_address, cause, str(more.get("sender", ""))):
            return
        facts = {
            "wire": "astm",
            "peer_address": door.peer_address,
            "peer_port": door.peer_port,
            "tls": door.tls,
        }
        log.warning("astm_refused", kind=kind, cause=cause, peer_address=door.peer_address)
        self._notice(kind, {"at": now_text(), **facts, "cause": cause, "explanation": explanation, **more})

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._by_peer[connection.door.peer_address] += 1
        self._strangers += connection.stranger
        self.counters.connections_accepted += 1
        self.counters.connections_open = len(self._connections)

    def gone(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._changed.set()
        address = connection.door.peer_address
        self._by_peer[address] -= 1
        if not self._by_peer[address]:
            del self._by_peer[address]
        self._strangers -= connection.stranger
        self.counters.connections_open = len(self._connections)

    # accepting

    async def _accept(self) -> None:
        while True:
            try:
                connection, peer = await self._loop.sock_accept(self._listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                log.error("connection_not_accepted", error=str(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            task = self._loop.create_task(self._connect(connection, str(peer[0]), int(peer[1])))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _connect(self, peer: socket.socket, address: str, port: int) -> None:
        door = Door(peer_address=address, peer_port=port, tls=self._tls is not None)
        _set_keepalive(peer)
        try:
            self._check_limits(door)
            await self._loop.connect_accepted_socket(
                lambda: Connection(self, door),
                peer,
                ssl=self._tls.context() if self._tls else None,
                ssl_handshake_timeout=self.settings.handshake_s if self._tls else None,
            )
        except ConnectionRefused as refusal:
            self.turn_away(door, refusal)
            peer.close()
        except (OSError, ssl.SSLError) as error:  # a failed handshake is the peer's, or it is gone
            cause = find_cause(error)
            if cause is None:
                log.info("connection_failed", peer_address=address, error=str(error))
            else:
                self.turn_away(door, ConnectionRefused(cause, str(error)))
            peer.close()

    def identify(self, door: Door, connection: ssl.SSLObject) -> Door:
        """The door of a TLS connection, with the certificate that was proved. Raises ConnectionRefused."""
        assert self._tls is not None
        proved = self._tls.identify(connection).certificate
        certificate: Mapping[str, str] = {}
        if proved is not None:
            certificate = {
                "fingerprint": proved.fingerprint,
                "subject": proved.subject,
                "common_name": proved.common_name,
            }
        return Door(
            peer_address=door.peer_address, peer_port=door.peer_port, tls=True, certificate=certificate
        )

    def check_stranger(self, door: Door) -> bool:
        """Whether nobody is known at this door. Raises ConnectionRefused when there are too many such."""
        try:
            self.admit_peer(door)
        except NotAdmitted as refusal:
            if self._strangers >= self.settings.max_strangers:
                raise ConnectionRefused("strangers", "too many connections of unknown peers") from refusal
            return True
        return False

    def _check_limits(self, door: Door) -> None:
        if len(self._connections) >= self.settings.max_connections:
            raise ConnectionRefused("limit", "too many connections")
        if self._by_peer[door.peer_address] >= self.settings.max_connections_per_peer:
            raise ConnectionRefused("limit_of_peer", "too many connections of this address")

    def turn_away(self, door: Door, refusal: ConnectionRefused) -> None:
        """A connection is closed before anything was said on it."""
        self.counters.connections_refused[refusal.cause] += 1
        self.tell("lab.connection", door, refusal.cause, refusal.explanation)


def _set_keepalive(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # Linux has them all
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
