"""One MLLP connection: frames in, answers out in their order.

Messages that a peer sends without waiting are answered in the order in which they came, and those that came together
wait for the same commit. Questions and large messages are answered alone. A peer that sends faster than it is
answered, or reads no answers, is not read from until it has.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import structlog

from adapters.hl7.answering import LARGE_BYTES, Answer, Answering
from adapters.hl7.mllp import Flaw, Frame, Framer, frame
from adapters.lab.ports import Door
from adapters.lab.prompt import acknowledge

log = structlog.get_logger()

_TOGETHER = 64  # messages that may wait for one commit
_NO_LINGERING = struct.pack("ii", 1, 0)
_TLS_HELLO = b"\x16\x03"
_MOST_JUNK = 1 << 16  # bytes without a message, until it is clear that this is no MLLP
_WAITING = 128  # messages of one connection before it is not read from


class House(Protocol):
    """Whose connections these are."""

    answering: Answering

    def opened(self, connection: "Connection") -> None:
        """A connection was made. Who may not speak is closed at once."""

    def closed(self, connection: "Connection") -> None:
        """It is gone, and whatever was being answered is done."""

    def holds(self, connection: "Connection", more: int) -> None:
        """The connection holds so many bytes more, or less."""

    def turned_away(self, connection: "Connection", *, tls: bool) -> None:
        """The peer does not speak MLLP: it speaks TLS on a plain port, or something else altogether."""

    def door_of(self, connection: "Connection") -> Door:
        """Where the peer knocked."""


class Connection(asyncio.Protocol):
    """A connection and what is under way on it."""

    __slots__ = (
        "_awaiting_since",
        "_closing",
        "_framer",
        "_frames",
        "_house",
        "_junk_bytes",
        "_loop",
        "_outgoing",
        "_reading",
        "_working",
        "_writable",
        "began_at",
        "door",
        "heard_at",
        "transport",
    )  # fmt: skip

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop, maximum_bytes: int) -> None:
        self._house, self._loop = house, loop
        self._framer = Framer(maximum_bytes)
        self._frames: deque[Frame] | None = None  # an idle connection has none of these
        self._outgoing: deque[bytes] | None = None
        self._awaiting_since = 0.0  # since when a message of ours waits to be acknowledged
        self._working: asyncio.Task[None] | None = None
        self._writable, self._reading, self._closing = True, True, False
        self._junk_bytes = 0  # since the last message
        self.heard_at = loop.time()
        self.began_at = 0.0  # when the message under way began
        self.transport: asyncio.Transport
        self.door: Door

    # what may happen from outside

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.door = self._house.door_of(self)
        self._house.opened(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._closing:
            return
        framer, held, inside = self._framer, self._framer.size, self._framer.is_inside
        self.heard_at = self._loop.time()
        found = framer.feed(data)
        if framer.is_inside and (found or not inside):
            self.began_at = self.heard_at
        self._note_junk()
        if found:
            self._junk_bytes = 0
        elif self._junk_bytes and (self._junk_bytes > _MOST_JUNK or data.startswith(_TLS_HELLO)):
            self._house.turned_away(self, tls=data.startswith(_TLS_HELLO))
            return
        self._house.holds(self, framer.size - held + sum(len(one.body) for one in found))
        self._enqueue(found)
        if framer.is_inside and not self._closing:
            acknowledge(self.transport)  # the rest of the message may wait behind it

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._closing = True
        held, given_up = self._framer.size, self._framer.give_up()
        self._house.holds(self, -held)
        if given_up is not None:
            self._house.answering.counters.flaws[Flaw.UNFINISHED] += 1
            log.info("message_unfinished", peer_address=self.door.peer_address, why="connection closed")
        if self._working is None:
            self._house.closed(self)

    def eof_received(self) -> bool:
        """The peer sends no more; what is under way is still answered."""
        self._enqueue(self._settled())
        if self._working is None:
            return False
        self._closing = True
        return not self.door.tls  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """The peer does not read what it is answered."""
        self._writable = False
        self._regulate()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable = True
        self._regulate()

    # what its house asks

    @property
    def held_bytes(self) -> int:
        """Of the message under way."""
        return self._framer.size

    @property
    def is_busy(self) -> bool:
        """Whether something is being answered."""
        return self._working is not None

    @property
    def is_receiving(self) -> bool:
        """Whether a message is under way."""
        return self._framer.is_inside

    @property
    def is_stuck(self) -> bool:
        """Whether the peer does not read its answers."""
        return not self._writable

    def make_room(self) -> None:
        """Hold no more of the message under way; its sender is told to try later when it ends."""
        held = self._framer.size
        self._framer.pass_over(Flaw.GIVEN_UP)
        self._house.holds(self, self._framer.size - held)

    def look(self, now: float, silence_s: float, whole_s: float) -> None:
        """A second has passed: see to a message that ended without its 0DH, or does not end."""
        if self._framer.may_be_complete and now - self.heard_at >= 1.0:
            self._enqueue(self._settled())
        elif self._framer.is_inside and (now - self.heard_at > silence_s or now - self.began_at > whole_s):
            self._house.holds(self, -self._framer.size)
            head = self._framer.give_up()
            if head is not None:
                self._house.holds(self, len(head.body))
                self._enqueue([head], answered=True)
        if self._awaiting_since and now - self._awaiting_since > silence_s:
            log.warning("message_not_acknowledged", peer_address=self.door.peer_address)
            self._awaiting_since, self._outgoing = 0.0, None

    def close(self) -> None:
        """Take no more; what is being answered is answered."""
        self._closing = True
        if self._working is None:
            self.transport.close()

    def abort(self) -> None:
        """Cut the connection; what the peer has not read is forgotten, so that it learns of it at once."""
        self._closing = True
        if not self.transport.is_closing():
            found = self.transport.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.transport.abort()

    # frames

    def _settled(self) -> list[Frame]:
        held = self._framer.size
        found = self._framer.settle()
        if found:
            self._house.holds(self, sum(len(one.body) for one in found) - held)
        return found

    def _note_junk(self) -> None:
        junk, self._framer.junk_bytes = self._framer.junk_bytes, 0
        self._house.answering.counters.junk_bytes += junk
        self._junk_bytes += junk

    def _enqueue(self, found: Sequence[Frame], *, answered: bool = False) -> None:
        for one in found:
            if one.flaw is not None:
                self._house.answering.counters.flaws[one.flaw] += 1
                if self._house.answering.notes.is_news(self.door.peer_address, one.flaw):
                    log.warning("frame_flawed", peer_address=self.door.peer_address, flaw=str(one.flaw))
                if one.flaw is Flaw.UNFINISHED and not answered:
                    # Its sender began anew, probably with the same message: two answers to one ID would mislead it.
                    self._house.holds(self, -len(one.body))
                    continue
            if self._frames is None:
                self._frames = deque()
            self._frames.append(one)
        if self._frames and self._working is None:
            self._working = self._loop.create_task(self._work())
        self._regulate()

    def _regulate(self) -> None:
        wanted = self._writable and (self._frames is None or len(self._frames) < _WAITING)
        if wanted != self._reading and not self._closing:
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # answers

    async def _work(self) -> None:
        try:
            while self._frames:
                await self._answer_some(self._frames)
                self._regulate()
        except Exception as error:  # every outcome of a message is an answer: this is a bug of ours
            log.error("connection_failed", peer_address=self.door.peer_address, error=type(error).__name__)
            self.transport.abort()
        finally:
            self._house.holds(self, -sum(len(one.body) for one in self._frames or ()))
            self._working, self._frames = None, None
            if self._closing:
                self.transport.close()
            if self.transport.is_closing():
                self._house.closed(self)

    async def _answer_some(self, frames: deque[Frame]) -> None:
        """Answer what may wait for one commit: the small ones in a row, or one that is not small."""
        batch = [frames.popleft()]
        while frames and len(batch) < _TOGETHER and not _is_alone(batch[-1]) and not _is_alone(frames[0]):
            batch.append(frames.popleft())
        house = self._house
        awaited = bool(self._awaiting_since)
        try:
            if len(batch) == 1:
                self._send(await house.answering.answer(self.door, batch[0], awaited=awaited))
                return
            # Tasks begin in the order in which they were made, and reach the journal before they first wait.
            tasks = [
                self._loop.create_task(house.answering.answer(self.door, one, awaited=awaited))
                for one in batch
            ]
            for task in tasks:
                self._send(await task)
        finally:
            house.holds(self, -sum(len(one.body) for one in batch))

    def _send(self, answer: Answer) -> None:
        if self.transport.is_closing():
            return
        if answer.now:
            self.transport.write(b"".join(map(frame, answer.now)))
        if answer.acknowledges:
            self._awaiting_since = 0.0
        if answer.then:
            if self._outgoing is None:
                self._outgoing = deque()
            self._outgoing.extend(answer.then)
        self._send_next()

    def _send_next(self) -> None:
        if self._awaiting_since or not self._outgoing or self.transport.is_closing():
            return
        self.transport.write(frame(self._outgoing.popleft()))
        self._awaiting_since = self._loop.time()
        if not self._outgoing:
            self._outgoing = None


def _is_alone(one: Frame) -> bool:
    return len(one.body) > LARGE_BYTES or b"QRY" in one.body[:256] or b"QBP" in one.body[:256]
