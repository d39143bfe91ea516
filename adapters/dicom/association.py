"""One association, as its acceptor: the PS3.8 state machine over one connection.

While an operation is being answered nothing further is acted upon, except that the peer aborts or the connection
is cut. After we have aborted or rejected, what still comes is read past until the peer closes (Sta13), because
framing cannot be trusted any more.

Timers: ARTIM (PS3.8 9.1.5) runs before the request and after the end; the idle timeout runs in between.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import structlog

from adapters.dicom import pdu
from adapters.dicom.admission import ACSE, NO_REASON, TRANSIENT, check_request
from adapters.dicom.counters import Counters
from adapters.dicom.exchange import Exchange, Operation
from adapters.dicom.framing import Framing, Violation
from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.dicom.negotiation import ACCEPTED, negotiate
from adapters.dicom.notes import Doorbook, keep_note
from adapters.dicom.pdu import AbortReason, AssociateRequest, PduType
from adapters.dicom.ports import Admission, AssociationRefused, ConnectionRefused, Intake, Tls
from adapters.dicom.states import TABLE, Action, Event, State
from adapters.dicom.store import Context
from adapters.errors import Malformed

log = structlog.get_logger()

_EVENT_OF = {
    PduType.ASSOCIATE_RQ: Event.ASSOCIATE_RQ,
    PduType.ASSOCIATE_AC: Event.ASSOCIATE_AC,
    PduType.ASSOCIATE_RJ: Event.ASSOCIATE_RJ,
    PduType.P_DATA: Event.P_DATA,
    PduType.RELEASE_RQ: Event.RELEASE_RQ,
    PduType.RELEASE_RP: Event.RELEASE_RP,
    PduType.ABORT: Event.ABORT_RECEIVED,
}
_ESTABLISHED = State.ESTABLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How this acceptor behaves towards every peer."""

    # Advertised, and enforced. dcmtk sends at most this much too; 0 is no limit.
    maximum_length: int = 131_072
    artim_s: float = 30.0  # PS3.8 leaves it to us; what dcmtk and pynetdicom wait
    idle_timeout_s: float = 300.0  # ultrasound carts keep associations open between views
    minimum_progress_bytes: int = (
        4096  # of a message under way, in an idle timeout; a modem does it in a second
    )
    buffer_bytes: int = 1 << 20  # only pages that were written to are resident
    accept_unknown_storage: bool = False
    max_associations: int = 200
    max_associations_per_peer: int = 50  # of one device, or of one address when no device is known
    # Beyond the associations: peers that have not asked yet, or are being told no. A slow line needs seconds for that.
    spare_connections: int = 1024


class Registry(Protocol):
    """Who else is connected."""

    doorbook: Doorbook

    def identify(self, connection: ssl.SSLObject) -> Tls:
        """Who is at the other end of a TLS connection. Raises ConnectionRefused."""

    def turned_away(self, address: str, refusal: ConnectionRefused) -> None:
        """A connection was closed before there was an association."""

    def check_limits(self, peer: str, device: Mapping[str, Any]) -> None:
        """Raise AssociationRefused when there are too many associations, in all or of this device or address."""

    def opened(self, association: "Association") -> None:
        """An association was accepted."""

    def ended(self, association: "Association") -> None:
        """It is no longer established."""

    def closed(self, association: "Association") -> None:
        """Its connection is gone, and whatever it was answering is done."""


class Association(Framing):
    """A connection, the state it is in, and what is being received over it."""

    def __init__(
        self, *, config: Config, registry: Registry, admission: Admission, intake: Intake, counters: Counters
    ) -> None:
        super().__init__(buffer_bytes=config.buffer_bytes, maximum_length=config.maximum_length)
        self.peer_address = ""
        self.limited_as = ""  # the device, or the address, that this association counts for
        self._tls: Tls | None = None
        self._config, self._registry = config, registry
        self._admission, self._intake, self._counters = admission, intake, counters
        self._state = State.IDLE
        self._request: AssociateRequest | None = None
        self._origin: dict[str, Any] = {}
        self._exchange: Exchange | None = None  # from acceptance on
        self._answering: asyncio.Task[None] | None = None
        self._connected = False
        self._release_wanted = False
        self._ended_as: str | None = None
        self._reason = AbortReason.NOT_SPECIFIED
        self._artim: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._was_busy, self._heard_before = False, 0  # when progress was last looked at
        self._progress_due_at = 0.0

    # what may happen from outside

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        super().connection_made(transport)
        self._connected = True
        self.peer_address = str((transport.get_extra_info("peername") or ("",))[0])
        try:
            secured = transport.get_extra_info("ssl_object")
            self._tls = self._registry.identify(secured) if secured is not None else None
        except ConnectionRefused as refusal:
            self._turn_away(refusal)
        else:
            self._happen(Event.TRANSPORT_OPENED)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._connected = False
        self.deaf = True
        if self._state is not State.IDLE:
            self._happen(Event.TRANSPORT_CLOSED)
        if self._answering is None:
            self._registry.closed(self)

    def release(self) -> None:
        """Ask the peer to end the association, once nothing is under way."""
        self._release_wanted = True
        if self._state is State.ESTABLISHED and self._is_quiet():
            self._happen(Event.RELEASE)
        elif self._state in (State.AWAITING_REQUEST, State.AWAITING_CLOSE):
            self._happen(Event.ABORT)

    def drop(self) -> None:
        """Cut the connection: there is no association, or none any more."""
        self.deaf = True
        self._transport.abort()

    def abort(self) -> None:
        """End the association at once."""
        if self._state is not State.IDLE:
            self._happen(Event.ABORT)

    # what Framing hears

    def awaits_request(self) -> bool:
        """Whether an A-ASSOCIATE-RQ is worth reading."""
        return self._state is State.AWAITING_REQUEST

    def heard_control(self, kind: PduType, body: bytes | None) -> None:
        """A control PDU came."""
        if body is not None:
            self._request = pdu.read_associate_request(body)
        self._reason = AbortReason.UNEXPECTED_PDU
        self._happen(_EVENT_OF[kind])

    def heard_data(self) -> bool:
        """A P-DATA-TF begins."""
        if self._state is _ESTABLISHED:  # DT-2, which changes nothing: the one cell worth a short cut
            return True
        self._reason = AbortReason.UNEXPECTED_PDU
        self._happen(Event.P_DATA)
        return False

    def begin_fragment(self, context_id: int, control: int) -> None:
        """A presentation data value begins."""
        self._established().begin_fragment(context_id, control)

    def take_command(self, piece: memoryview) -> None:
        """Bytes of a command."""
        self._established().take_command(piece)

    def take_data(self, pieces: list[memoryview], *, lasting: bool) -> None:
        """Runs of a data set."""
        self._established().take_data(pieces, lasting=lasting)

    def end_message_part(self) -> None:
        """A command or a data set has ended, perhaps the message with it."""
        complete = self._established().end_message_part()
        if complete is not None:
            self.held = True
            self._answering = self._loop.create_task(self._answer(*complete))

    def violated(self, error: Malformed) -> None:
        """The peer broke the protocol."""
        log.warning("protocol_violated", peer_address=self.peer_address, what=str(error))
        if self._state is State.AWAITING_REQUEST and self.hears_tls():
            refusal = ConnectionRefused("tls_on_plain_port", "TLS was spoken on the plain port")
            self._registry.turned_away(self.peer_address, refusal)
        if isinstance(error, Violation) or self._exchange is None:
            self._reason = error.reason if isinstance(error, Violation) else AbortReason.INVALID_PARAMETER
            self._happen(Event.INVALID_PDU)
        else:
            self._happen(Event.ABORT)  # DIMSE is the service user's

    def _turn_away(self, refusal: ConnectionRefused) -> None:
        self._registry.turned_away(self.peer_address, refusal)
        self.deaf = True
        self._transport.close()

    async def _answer(self, context_id: int, operation: Operation) -> None:
        """Answer one message; its association may be gone by then."""
        try:
            command = await self._established().answer(operation)
        except Exception:  # every outcome of an operation is a status; this is a bug of ours or of the intake
            log.exception("answer_failed", association_id=self._origin["association_id"])
            command = None
        self._answering = None
        if self._ended_as is None:
            if command is None:
                self._happen(Event.ABORT)
            else:
                self._send_answer(context_id, command)
            return
        self._note_closed()
        if not self._connected:
            self._registry.closed(self)

    def _send_answer(self, context_id: int, command: bytes) -> None:
        limit = self._request.maximum_length if self._request else 0
        self._transport.write(pdu.write_command(context_id, command, limit))
        self.heard_at = self._loop.time()
        self.release_hold()
        if self._release_wanted and self._state is State.ESTABLISHED and self._is_quiet():
            self._happen(Event.RELEASE)

    def _is_quiet(self) -> bool:
        return self._answering is None and not self._established().is_busy

    def _established(self) -> Exchange:
        assert self._exchange is not None  # the state table lets no data through before acceptance
        return self._exchange

    # the state machine

    def _happen(self, event: Event) -> None:
        action, self._state = TABLE[self._state, event]
        _ACTIONS[action](self)

    def _start_artim(self) -> None:
        self._stop_artim()
        self._artim = self._loop.call_later(self._config.artim_s, self._happen, Event.ARTIM_EXPIRED)

    def _stop_artim(self) -> None:
        if self._artim is not None:
            self._artim.cancel()
            self._artim = None

    def _consider_request(self) -> None:
        self._stop_artim()
        try:
            self._origin = self._admit()
        except AssociationRefused as refusal:
            self._reject(refusal)
        except Exception:  # a peer must hear something, and may try again
            log.exception("admission_failed", peer_address=self.peer_address)
            self._reject(AssociationRefused(TRANSIENT, ACSE, NO_REASON, "admission failed"))
        else:
            self._happen(Event.ACCEPT)

    def _admit(self) -> dict[str, Any]:
        assert self._request is not None  # the request is what is being considered
        calling, called = check_request(self._request)
        device = self._admission.admit(
            calling_ae_title=calling,
            called_ae_title=called,
            peer_address=self.peer_address,
            tls=self._tls,
        )
        self.limited_as = str(device.get("device_id") or self.peer_address)
        self._registry.check_limits(self.limited_as, device)
        certificate = self._tls.certificate if self._tls else None
        return {
            **device,
            **({"tls": self._tls.version} if self._tls else {}),
            **({"certificate": certificate.fingerprint} if certificate else {}),
            "association_id": uuid4().hex,
            "calling_ae_title": calling,
            "called_ae_title": called,
            "peer_address": self.peer_address,
            "implementation_version_name": self._request.implementation_version_name,
        }

    def _reject(self, refusal: AssociationRefused) -> None:
        assert self._request is not None  # the request is what is being refused
        certificate = self._tls.certificate if self._tls else None
        facts: dict[str, Any] = {
            **{name: refusal.device.get(name) for name in ("device_id", "institution_id")},
            "calling_ae_title": self._request.calling_ae_title.decode("latin-1").strip(),
            "called_ae_title": self._request.called_ae_title.decode("latin-1").strip(),
            "peer_address": self.peer_address,
            "result": refusal.result,
            "source": refusal.source,
            "reason": refusal.reason,
            "explanation": refusal.explanation,
            "cause": refusal.cause,
            "certificate": certificate.subject if certificate else "",
        }
        self._counters.associations_rejected[f"{refusal.result}/{refusal.source}/{refusal.reason}"] += 1
        if self._registry.doorbook.is_news(
            self.peer_address, facts["calling_ae_title"], facts["called_ae_title"], refusal.explanation
        ):
            keep_note(self._intake, "dicom.rejection", facts)
            log.info("association_rejected", **facts)
        self._transport.write(pdu.write_associate_reject(refusal.result, refusal.source, refusal.reason))
        self.deaf = True
        self._happen(Event.REJECT)

    def _accept(self) -> None:
        assert self._request is not None  # the request is what is being accepted
        results, roles = negotiate(self._request, accept_unknown_storage=self._config.accept_unknown_storage)
        contexts = {
            proposed.context_id: Context(
                context_id=proposed.context_id,
                abstract_syntax=proposed.abstract_syntax,
                transfer_syntax=result.transfer_syntax,
            )
            for proposed, result in zip(self._request.contexts, results, strict=True)
            if result.result == ACCEPTED
        }
        self._exchange = Exchange(contexts, self._origin, self._intake, self._counters)
        self._counters.associations_accepted += 1
        self._registry.opened(self)
        self._note("opened")
        self._heard_before = self.heard_bytes
        self._progress_due_at = self._loop.time() + self._config.idle_timeout_s
        self._idle = self._loop.call_later(self._config.idle_timeout_s, self._check_idle)
        reply = pdu.write_associate_accept(
            self._request,
            results,
            roles,
            maximum_length=self._config.maximum_length,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        self._transport.write(reply)

    def _request_release(self) -> None:
        self._transport.write(pdu.write_release_request())

    def _respond_to_release(self) -> None:
        self._happen(Event.RELEASE_RESPONSE)

    def _reply_to_release(self) -> None:
        self._transport.write(pdu.write_release_reply())
        self._end("released")
        self.deaf = True
        self._start_artim()

    def _released(self) -> None:
        self._end("released")
        self._transport.close()

    def _peer_aborted(self) -> None:
        self._end("aborted")
        self._transport.close()

    def _lost(self) -> None:
        self._end("lost")

    def _abort_as_user(self) -> None:
        self._send_abort(None)

    def _abort_as_provider(self) -> None:
        self._send_abort(self._reason)

    def _send_abort(self, reason: AbortReason | None) -> None:
        self._transport.write(pdu.write_abort(reason))
        self._end("aborted")
        self.deaf = True
        self._start_artim()

    def _close(self) -> None:
        self._stop_artim()
        self._end("aborted")
        self._transport.abort()

    def _ignore(self) -> None:
        """AA-6, AR-8, DT-2 and AR-6: being in the new state is all there is to do."""

    # the end

    def _check_idle(self) -> None:
        """A silent peer is let go, and one that drips bytes of a message only to keep its place."""
        now, timeout_s = self._loop.time(), self._config.idle_timeout_s
        due_at = self.heard_at + timeout_s
        drips = now >= self._progress_due_at and self._look_at_progress(now)
        if self._answering is None and (now >= due_at or drips):
            self._end("timeout")
            self._happen(Event.ABORT)
            return
        self._idle = self._loop.call_at(min(max(due_at, now + 1), self._progress_due_at), self._check_idle)

    def _look_at_progress(self, now: float) -> bool:
        """Whether a message has been under way since the last look and has hardly grown."""
        was_busy, heard_before = self._was_busy, self._heard_before
        self._was_busy, self._heard_before = self._established().is_busy, self.heard_bytes
        self._progress_due_at = now + self._config.idle_timeout_s
        grown = self.heard_bytes - heard_before
        return was_busy and self._was_busy and grown < self._config.minimum_progress_bytes

    def _end(self, how: str) -> None:
        """The association is over: what was half received is forgotten, what is being kept is waited for."""
        self.deaf = True
        if self._exchange is None or self._ended_as is not None:
            return
        self._ended_as = how
        if self._idle is not None:
            self._idle.cancel()
        self._exchange.abort()
        self._counters.associations_ended[how] += 1
        self._registry.ended(self)
        if self._answering is None:
            self._note_closed()

    def _note_closed(self) -> None:
        exchange = self._established()
        self._note("closed", how=self._ended_as, stored=exchange.stored, refused=exchange.refused)

    def _note(self, event: str, **facts: Any) -> None:
        keep_note(self._intake, "dicom.association", {**self._origin, "event": event, **facts})
        log.info(
            f"association_{event}",
            association_id=self._origin["association_id"],
            calling_ae_title=self._origin["calling_ae_title"],
            peer_address=self.peer_address,
            **facts,
        )


_ACTIONS: dict[Action, Callable[[Association], None]] = {
    Action.START_ARTIM: Association._start_artim,
    Action.CONSIDER_REQUEST: Association._consider_request,
    Action.SEND_ACCEPT: Association._accept,
    Action.SEND_REJECT: Association._start_artim,
    Action.TAKE_DATA: Association._ignore,
    Action.TAKE_LATE_DATA: Association._ignore,
    Action.SEND_RELEASE_RQ: Association._request_release,
    Action.NOTE_RELEASE_RQ: Association._respond_to_release,
    Action.RELEASE_CONFIRMED: Association._released,
    Action.SEND_RELEASE_RP: Association._reply_to_release,
    Action.STOP_ARTIM: Association._stop_artim,
    Action.NOTE_COLLISION: Association._ignore,
    Action.NOTE_COLLISION_REPLY: Association._respond_to_release,
    Action.ABORT_AS_USER: Association._abort_as_user,
    Action.CLOSE: Association._close,
    Action.PEER_ABORTED: Association._peer_aborted,
    Action.CONNECTION_LOST: Association._lost,
    Action.FORGET: Association._stop_artim,
    Action.IGNORE: Association._ignore,
    Action.ABORT_AGAIN: Association._ignore,
    Action.ABORT_AS_PROVIDER: Association._abort_as_provider,
}
