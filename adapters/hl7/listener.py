"""The MLLP listener: accepts connections from a listening socket that somebody else made, plain or TLS.

One process holds thousands of idle connections. Memory for messages under way is bounded over all of them: when it
is spent, the connection that holds most is told to try later, so that small messages always find room.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import structlog

from adapters.dicom.notes import Doorbook
from adapters.dicom.ports import ConnectionRefused
from adapters.dicom.tls import TlsServer, find_cause
from adapters.hl7.answering import Answering
from adapters.hl7.connection import Connection
from adapters.hl7.counters import Counters
from adapters.hl7.known import Known
from adapters.hl7.mllp import MAXIMUM_BYTES, MEBIBYTE
from adapters.hl7.writing import COUNTY_TIME
from adapters.lab.ports import Admission, Desk, Door, Keep, NotAdmitted, Notice

log = structlog.get_logger()

_AT_ONCE = 64  # connections accepted in one turn of the loop
_PAUSE_S = 1.0  # before accepting again when the system has no more descriptors
_LOOK_S = 1.0
_HANDSHAKES_END_S = 0.5  # at closing
_SPARE = 256  # connections beyond the limit, that are being told so
# An analyser that was switched off says nothing: found out in four minutes.
_KEEP_ALIVE = (
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 120),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 30),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 4),
)
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How the listener behaves towards every peer."""

    maximum_bytes: int = MAXIMUM_BYTES  # of one message
    maximum_held_bytes: int = 256 * MEBIBYTE  # of all messages under way
    silence_s: float = 30.0  # within a message, and before a message of ours is acknowledged
    whole_message_s: float = 600.0  # 64 MiB over a line of one megabit
    idle_timeout_s: float | None = None  # analysers stay connected all night
    handshake_s: float = 30.0
    max_connections: int = 12_000
    max_connections_per_peer: int = 1024  # of one address: behind it a whole hospital may be
    unread_answers_s: float = 60.0  # until a peer that reads no answers is cut off


class MllpServer:
    """Serves HL7 over MLLP on one listening socket, from `start` until `close`, on the running event loop."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        admission: Admission,
        keep: Keep,
        notice: Notice,
        desk: Desk,
        config: Config | None = None,
        tls: TlsServer | None = None,
        counters: Counters | None = None,
        known: Known | None = None,
        zone: tzinfo = COUNTY_TIME,
    ) -> None:
        """`known` and `counters` may be shared by a plain and a TLS listener; times without zone are in `zone`."""
        self.counters = counters or Counters()
        self.config = config or Config()
        self.answering = Answering(
            admission=admission, keep=keep, notice=notice, desk=desk, counters=self.counters,
            known=known or Known(), zone=zone,
        )  # fmt: skip
        self._listener, self._tls = listener, tls
        self._connections: set[Connection] = set()
        self._receiving: set[Connection] = set()  # a message is under way
        self._of_peer: Counter[str] = Counter()
        self._doorbook = Doorbook()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._accepting = self._closed = False
        self._changed = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None
        self._idle_looked_at = self._loop.time()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._resume()
        self._looking = self._loop.call_later(_LOOK_S, self._look)

    async def close(self, grace_s: float = 5.0) -> None:
        """Accept no more; what is whole is answered, what is not is cut off after the grace."""
        self._closed = True
        self._pause()
        if (
            self._handshakes
        ):  # plain ones end at once; to take a socket from under its transport would lose the end of it
            await asyncio.wait(self._handshakes, timeout=_HANDSHAKES_END_S)
        for handshake in tuple(self._handshakes):
            handshake.cancel()
        for connection in tuple(self._connections):
            connection.close()
        await self._wait_until_empty(grace_s)
        for connection in tuple(self._connections):
            connection.abort()
        await self._wait_until_empty(grace_s)
        if self._looking is not None:
            self._looking.cancel()

    # the house of its connections

    def door_of(self, connection: Connection) -> Door:
        """Where the peer knocked, and what it proved."""
        peer = connection.transport.get_extra_info("peername") or ("", 0)
        secured = connection.transport.get_extra_info("ssl_object")
        certificate: dict[str, str] = {}
        if secured is not None and self._tls is not None:
            try:
                shown = self._tls.identify(secured).certificate
            except ConnectionRefused as refusal:
                self._turn_away(str(peer[0]), refusal.cause, str(refusal))
                connection.close()
                shown = None
            if shown is not None:
                certificate = {
                    "fingerprint": shown.fingerprint, "subject": shown.subject, "common_name": shown.common_name,
                }  # fmt: skip
        return Door(
            peer_address=str(peer[0]),
            peer_port=int(peer[1]),
            tls=secured is not None,
            certificate=certificate,
        )

    def opened(self, connection: Connection) -> None:
        """A connection was made."""
        self._connections.add(connection)
        address = connection.door.peer_address
        self._of_peer[address] += 1
        self.counters.connections_open = len(self._connections)
        try:
            if len(self._connections) > self.config.max_connections:
                raise NotAdmitted("limit", "too many connections")
            if self._of_peer[address] > self.config.max_connections_per_peer:
                raise NotAdmitted("limit_of_peer", "too many connections from this address")
            self.answering.admission.admit(connection.door, None)
        except NotAdmitted as refusal:
            self._turn_away(address, refusal.cause, refusal.explanation)
            connection.close()
        except Exception:
            log.exception("admission_failed", peer_address=address)
            connection.close()
        else:
            self.counters.connections_accepted += 1

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._receiving.discard(connection)
        address = connection.door.peer_address
        self._of_peer[address] -= 1
        if self._of_peer[address] <= 0:
            del self._of_peer[address]
        self.counters.connections_open = len(self._connections)
        self._changed.set()

    def turned_away(self, connection: Connection, *, tls: bool) -> None:
        """The peer does not speak MLLP."""
        words = "TLS was spoken on the plain port" if tls else "what came is no MLLP: no message began"
        self._turn_away(connection.door.peer_address, "tls_on_plain_port" if tls else "no_mllp", words)
        connection.close()

    def holds(self, connection: Connection, more: int) -> None:
        """Keep count of bytes under way; when there are too many, who holds most gives way."""
        self.counters.held_bytes += more
        if connection.is_receiving:
            self._receiving.add(connection)
        else:
            self._receiving.discard(connection)
        if more > 0 and self.counters.held_bytes > self.config.maximum_held_bytes:
            greatest = max(self._receiving, key=lambda one: one.held_bytes, default=None)
            if greatest is not None and greatest.held_bytes:
                log.warning(
                    "message_gave_way",
                    peer_address=greatest.door.peer_address,
                    size_bytes=greatest.held_bytes,
                )
                greatest.make_room()

    # watching

    def _look(self) -> None:
        now, config = self._loop.time(), self.config
        for connection in tuple(self._receiving):
            connection.look(now, config.silence_s, config.whole_message_s)
            if not connection.is_receiving:
                self._receiving.discard(connection)
        if now - self._idle_looked_at >= min(
            30.0, (config.idle_timeout_s or 60.0) / 4, config.unread_answers_s / 2
        ):
            self._idle_looked_at = now
            self._look_at_all(now)
        self._looking = self._loop.call_later(_LOOK_S, self._look)

    def _look_at_all(self, now: float) -> None:
        config = self.config
        for connection in tuple(self._connections):
            silent_s = now - connection.heard_at
            if connection.is_stuck and silent_s > config.unread_answers_s:
                log.warning(
                    "connection_cut", peer_address=connection.door.peer_address, why="answers not read"
                )
                connection.abort()
            elif connection.is_busy or connection.is_receiving:
                continue
            elif config.idle_timeout_s is not None and silent_s > config.idle_timeout_s:
                connection.close()
            else:
                connection.look(now, config.silence_s, config.whole_message_s)

    # accepting

    def _resume(self) -> None:
        if not self._accepting and not self._closed:
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._hear_knocks)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _hear_knocks(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                log.error("connection_not_accepted", error=str(error))
                self._pause()
                self._loop.call_later(_PAUSE_S, self._resume)
                return
            if len(self._connections) + len(self._handshakes) > self.config.max_connections + _SPARE:
                connection.close()  # so many knock at once that there is no time to tell each
                self.counters.connections_refused["limit"] += 1
                continue
            connection.setblocking(False)
            for option, value in _KEEP_ALIVE:
                connection.setsockopt(*option, value)
            handshake = self._loop.create_task(self._connect(connection, str(peer[0])))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _connect(self, connection: socket.socket, address: str) -> None:
        context = self._tls.context() if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: Connection(self, self._loop, self.config.maximum_bytes),
                connection,
                ssl=context,
                ssl_handshake_timeout=self.config.handshake_s if context else None,
            )
        except (OSError, ssl.SSLError) as error:  # a failed handshake is the peer's, or it is gone
            cause = find_cause(error)
            if cause is None:
                log.info("connection_failed", peer_address=address, error=str(error))
            else:
                self._turn_away(address, cause, str(error))
            connection.close()
        except asyncio.CancelledError:  # the listener closes
            connection.close()
            raise

    def _turn_away(self, address: str, cause: str, explanation: str) -> None:
        self.counters.connections_refused[cause] += 1
        if not self._doorbook.is_news(address, cause):
            return
        facts: dict[str, Any] = {
            "wire": "hl7", "peer_address": address, "cause": cause, "explanation": explanation,
            "tls": self._tls is not None,
        }  # fmt: skip
        log.warning("connection_refused", **facts)
        try:
            self.answering.notice(
                "lab.connection", {**facts, "at": datetime.now(UTC).isoformat(timespec="microseconds")}
            )
        except Exception:  # whatever is wrong with the notes, others knock too
            log.exception("note_lost", kind="lab.connection")

    async def _wait_until_empty(self, timeout_s: float) -> None:
        deadline = self._loop.time() + timeout_s
        while self._connections:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - self._loop.time()))
            except TimeoutError:
                return
