"""One analyser's line: what its link says happened, and what is done about it.

The ACK of the frame that ends a message is said once the message is kept. While that is being done nothing more is
taken from this line, and other lines go on. What comes without an L record and ends in order is a message too, kept
at EOT with `terminated` False; what is broken off is kept as `astm.incomplete`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import structlog

from adapters.dicom.ports import ConnectionRefused
from adapters.errors import Malformed, Unavailable
from adapters.lab.assembly import Assembly, Parcel, TooLong
from adapters.lab.astm_reading import read_control_id, read_sender
from adapters.lab.framing import Frame
from adapters.lab.link import (
    Arrived,
    Delivered,
    Ended,
    Enquired,
    Event,
    Link,
    LinkSettings,
    Say,
    Stray,
    Undelivered,
)
from adapters.lab.ports import Admitted, Door, NotAdmitted
from adapters.lab.prompt import acknowledge
from adapters.lab.questions import Questions
from adapters.lab.said import Sender

if TYPE_CHECKING:
    from adapters.lab.listener import AstmServer

log = structlog.get_logger()

_IN_VAIN = 8  # ENQs without a frame between them, before a line is answered at a pace
_PACE_S = 0.05
_ABORTED = ("T", "R", "E")  # L-3 of a message whose sender or receiver broke it off (LIS2-A2 §12.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class AstmSettings:
    """Limits of the listener, and of each of its lines."""

    link: LinkSettings = field(default_factory=LinkSettings)
    max_connections: int = 12_000
    max_connections_per_peer: int = 64  # a serial-to-network box has many lines at one address
    max_strangers: int = 64
    message_bytes: int = 32 << 20
    bytes_in_hand: int = 256 << 20  # of all transfers under way; then ENQ is answered with NAK
    pending_bytes: int = 256 << 10  # that a line may send while it should wait for an answer
    takes_unterminated: bool = True  # a message without L that ended in order is one; else incomplete
    keep_trying_s: float = 600.0  # with such a one, whose sender cannot be told that it is not kept
    handshake_s: float = 15.0
    duplicate_window_s: float = 600.0
    hold_s: float = 5.0  # before NAK when nothing can be kept: six tries then last half a minute, not no time
    query_bytes: int = 256 << 10  # of a message with a Q record, to be answered
    desk_s: float = 8.0  # the analyser holds a tube while it waits


class Connection(asyncio.Protocol):
    """One line, served on the event loop."""

    def __init__(self, server: "AstmServer", door: Door) -> None:
        self.door, self.stranger = door, False
        self._server, self._settings = server, server.settings
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._link = Link(self._settings.link)
        self._assembly = Assembly(self._settings.message_bytes)
        self._known: tuple[bytes, Admitted, Sender] | None = None  # of the last H record
        self._unkept: tuple[Frame, list[Parcel]] | None = (
            None  # completed by this frame, which is not acknowledged
        )
        self._refused: tuple[str, str] | None = None  # why this transfer is taken no further
        self._questions = Questions(server, self)
        self._in_hand = self._asked_in_vain = 0
        self._refusals = 0
        self._timer: asyncio.TimerHandle | None = None
        self._work: deque[Callable[[], Awaitable[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._paused = self._gone = self._leaving = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        proved = transport.get_extra_info("ssl_object")
        try:
            if proved is not None:
                self.door = self._server.identify(self.door, proved)
            self.stranger = self._server.check_stranger(self.door)
        except ConnectionRefused as refusal:
            self._server.turn_away(self.door, refusal)
            self._transport.abort()
            self._gone = True
            return
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._gone:
            return
        assert self._transport is not None
        self._carry_out(self._link.receive(data, self._loop.time()))
        acknowledge(self._transport)  # EOT has no answer, and the next ENQ waits behind it
        if self._link.pending > self._settings.pending_bytes and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        self._do(lambda: self._end("connection_lost"))

    # for questions, and for the server

    def send(self, frames: Sequence[bytes]) -> None:
        """As soon as the line is free: the analyser has said EOT."""
        if not self._gone:
            self._carry_out(self._link.send(frames, self._loop.time()))

    def leave(self) -> None:
        """Take nothing more; close when what is being kept is kept."""
        self._leaving = True
        if self._worker is None:
            self.drop()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # what the link says

    def _carry_out(self, events: list[Event]) -> None:
        for event in events:
            self._carry_out_one(event)
        self._note_refused_frames()
        self._set_timer()

    def _carry_out_one(self, event: Event) -> None:
        match event:
            case Say(data):
                if self._transport is not None and not self._transport.is_closing():
                    self._transport.write(data)
            case Enquired():
                self._do(self._decide_enquiry)
            case Arrived(frame):
                self._take_frame(frame)
            case Ended(cause, refusal):
                if refusal:
                    self._server.tell("astm.refusal", self.door, "frames", refusal, **self._who())
                self._do(lambda: self._end(cause))
            case Stray():
                explanation = "frames without ENQ: the analyser must ask before it sends (LIS1-A §8.2)"
                self._server.tell("astm.refusal", self.door, "no_enquiry", explanation)
            case Delivered():
                self._server.counters.answers["delivered"] += 1
            case Undelivered(cause):
                self._server.counters.answers[cause] += 1
                log.warning("astm_answer_not_delivered", cause=cause, peer_address=self.door.peer_address)

    def _set_timer(self) -> None:
        deadline = None if self._gone else self._link.deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return  # it looks again when it rings
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._carry_out(self._link.tick(self._loop.time()))

    def _answer(self, *, accept: bool) -> None:
        decide = self._link.accept if accept else self._link.refuse
        self._carry_out(decide(self._loop.time()))
        if self._paused and self._link.pending <= self._settings.pending_bytes:
            self._paused = False
            if self._transport is not None and not self._gone:
                self._transport.resume_reading()

    # asking to send

    async def _decide_enquiry(self) -> None:
        if self._asked_in_vain > _IN_VAIN:
            await asyncio.sleep(_PACE_S)
        self._asked_in_vain += 1
        self._answer(accept=self._may_begin())

    def _may_begin(self) -> bool:
        server = self._server
        if self._leaving or self._loop.time() < server.busy_until:
            server.counters.unavailable += 1
            return False
        if server.bytes_in_hand > self._settings.bytes_in_hand:
            server.counters.refusals["in_hand"] += 1
            return False
        try:
            server.admit_peer(self.door)
        except NotAdmitted as refusal:
            server.tell("astm.refusal", self.door, refusal.cause, refusal.explanation)
            return False
        return True

    # frames

    def _take_frame(self, frame: Frame) -> None:
        self._asked_in_vain = 0
        if self._refused is not None:
            self._refuse(*self._refused)
            return
        if self._unkept is not None and self._unkept[0] == frame:  # sent again after our NAK
            self._do(lambda: self._deliver(frame))
            return
        try:
            parcels = self._assembly.add(frame)
            self._admit(self._assembly.header)
        except NotAdmitted as refusal:
            self._refuse(refusal.cause, refusal.explanation)
        except Malformed as error:
            self._refuse("too_long" if isinstance(error, TooLong) else "malformed", str(error))
        else:
            self._take_in_hand(self._assembly.size_bytes + sum(one.size_bytes for one in parcels))
            if parcels:
                self._unkept = (frame, parcels)
                self._do(lambda: self._deliver(frame))
            else:
                self._server.counters.frames += 1
                self._answer(accept=True)

    def _refuse(self, cause: str, explanation: str) -> None:
        """NAK this frame, and whatever else comes in this transfer: its sender tries six times and gives up."""
        if self._refused is None:
            self._refused = (cause, explanation)
            self._server.tell("astm.refusal", self.door, cause, explanation, **self._who())
            self._assembly.leave()
        self._answer(accept=False)

    async def _deliver(self, frame: Frame) -> None:
        """Keep the messages that a frame completed, then ACK it."""
        assert self._unkept is not None
        parcels = self._unkept[1]
        try:
            while parcels:
                await self._keep_whole(parcels[0])
                del parcels[0]
        except NotAdmitted as refusal:
            self._unkept = None
            self._refuse(refusal.cause, refusal.explanation)
        except Unavailable as error:
            self._note_unavailable(error)
            await asyncio.sleep(self._settings.hold_s)
            self._answer(accept=False)
        else:
            self._unkept = None
            self._server.counters.frames += 1
            self._take_in_hand(self._assembly.size_bytes)
            self._answer(accept=True)

    # messages

    async def _keep_whole(self, parcel: Parcel) -> None:
        """Raises NotAdmitted, Unavailable."""
        if parcel.termination in _ABORTED:
            await self._keep_incomplete(parcel, f"aborted_{parcel.termination}")
            return
        admitted = self._admit(parcel.header) or self._server.admission.admit(self.door, None)
        sender: Hashable = admitted.origin.get("device_id") or self.door.peer_address
        digest, counters = parcel.digest.digest(), self._server.counters
        if self._server.lately.knows(sender, digest, self._loop.time()):
            counters.duplicates += 1
        else:
            origin = self._origin(parcel, admitted)
            await self._server.keep("astm.message", origin, tuple(parcel.body))
            counters.messages += 1
            counters.bytes += parcel.size_bytes
        self._server.lately.note(sender, digest, self._loop.time())
        if "Q" in parcel.letters:
            self._questions.ask(admitted, parcel)

    async def _keep_incomplete(self, parcel: Parcel, cause: str) -> None:
        """Raises NotAdmitted, Unavailable."""
        admitted = self._admit(parcel.header) or self._server.admission.admit(self.door, None)
        origin = {**self._origin(parcel, admitted), "cause": cause}
        await self._server.keep("astm.incomplete", origin, tuple(parcel.body))
        self._server.counters.incomplete[cause] += 1
        self._server.counters.bytes += parcel.size_bytes

    async def _end(self, cause: str) -> None:
        """A transfer is over: what it left without an L record is kept too, as what it is."""
        # Of what was never acknowledged only messages that the next H record ended: their own frames were.
        left = [one for one in (self._unkept[1] if self._unkept else ()) if one.termination is None]
        self._unkept, self._refused = None, None
        last = self._assembly.leave()
        self._known = None  # many send one and the same H record each time: who they are now is asked again
        try:
            for parcel in [*left, *([last] if last is not None else ())]:
                if parcel.carries_something:
                    await self._keep_left(parcel, cause)
        finally:
            self._take_in_hand(0)

    async def _keep_left(self, parcel: Parcel, cause: str) -> None:
        """Its frames were acknowledged, so nobody sends it again: tried until it is kept, or given up aloud."""
        give_up_at = self._loop.time() + self._settings.keep_trying_s
        while True:
            try:
                if cause == "" and self._settings.takes_unterminated:
                    await self._keep_whole(parcel)
                else:
                    await self._keep_incomplete(parcel, cause or "no_terminator")
                return
            except NotAdmitted as refusal:
                self._server.tell(
                    "astm.refusal", self.door, refusal.cause, refusal.explanation, **self._who()
                )
                return
            except Unavailable as error:
                self._note_unavailable(error)
                if self._loop.time() >= give_up_at:
                    log.error("astm_message_lost", peer_address=self.door.peer_address, cause=str(error))
                    raise
                await asyncio.sleep(self._settings.hold_s)

    def _admit(self, header: bytes) -> Admitted | None:
        """Who sends the message with this H record; None while there is none. Raises NotAdmitted."""
        if not header:
            return None
        if self._known is None or self._known[0] != header:
            sender = read_sender(header)
            self._known = (header, self._server.admission.admit(self.door, sender), sender)
        return self._known[1]

    def _origin(self, parcel: Parcel, admitted: Admitted) -> Mapping[str, Any]:
        return {
            **admitted.origin,
            "wire": "astm",
            "peer_address": self.door.peer_address,
            "peer_port": self.door.peer_port,
            "tls": self.door.tls,
            "message_type": parcel.letters,
            "control_id": read_control_id(parcel.header),
            "received_at": now_text(),
            "character_set": admitted.character_set or "",
            **({"dialect": dict(admitted.dialect)} if admitted.dialect else {}),
            "frames": parcel.frames,
            "terminated": parcel.termination is not None,
            **({"certificate": self.door.certificate["fingerprint"]} if self.door.certificate else {}),
        }

    def _who(self) -> dict[str, str]:
        header = self._assembly.header
        return {"sender": read_sender(header).application} if header else {}

    def _note_unavailable(self, error: Unavailable) -> None:
        self._server.counters.unavailable += 1
        self._server.busy_until = self._loop.time() + 2 * self._settings.hold_s
        log.error("astm_message_not_kept", peer_address=self.door.peer_address, cause=str(error))

    def _take_in_hand(self, size_bytes: int) -> None:
        self._server.bytes_in_hand += size_bytes - self._in_hand
        self._in_hand = size_bytes

    def _note_refused_frames(self) -> None:
        self._server.counters.frames_refused += self._link.refusals - self._refusals
        self._refusals = self._link.refusals

    # what has to wait, one after the other

    def _do(self, job: Callable[[], Awaitable[None]]) -> None:
        self._work.append(job)
        if self._worker is None:
            self._worker = self._loop.create_task(self._work_off())

    async def _work_off(self) -> None:
        while self._work:
            job = self._work.popleft()
            try:
                await job()
            except Exception:
                log.exception("astm_connection_failed", peer_address=self.door.peer_address)
                self.drop()
        self._worker = None
        if self._gone:
            self._take_in_hand(0)
            self._server.gone(self)
        elif self._leaving:
            self.drop()


def now_text() -> str:
    """The time as origins say it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
