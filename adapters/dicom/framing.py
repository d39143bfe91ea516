"""PDUs and presentation data values out of a byte stream (PS3.8 9.3.1, 9.3.5 and Annex E).

The kernel writes into one buffer per connection. Control PDUs are handed on whole; fragments of data sets as runs
of views into the buffer, so a PDU may be longer than the buffer and a payload byte never becomes an object.

Runs gather in the buffer until it is full or the data set ends. The last ones stay there until the answer is given,
so what fits into the buffer is never copied on its way to the disk.
"""

import asyncio
import mmap
import socket
import struct
from abc import abstractmethod
from typing import cast

from adapters.dicom.pdu import HEADER, PDV_HEADER, AbortReason, PduType
from adapters.errors import Malformed

REQUEST_LIMIT = 1 << 18  # bytes of an A-ASSOCIATE-RQ: 128 contexts with every transfer syntax are 170 KB
_ROOM = 1 << 16  # bytes free in the buffer before it is worth a read
_CONTROL_LENGTH = 4  # of every control PDU but the A-ASSOCIATE ones
_TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux
_P_DATA = int(PduType.P_DATA)
_KINDS = frozenset(map(int, PduType))
_ONE_PDV = struct.Struct(">BxIIBB")  # the headers of a P-DATA-TF and of its first presentation data value
_IS_COMMAND, _IS_LAST = 0x01, 0x02  # message control header, PS3.8 Annex E
_WASTE = memoryview(bytearray(_ROOM))  # where bytes go that nobody will look at, of every connection


class Violation(Malformed):
    """The peer broke PS3.8; the provider aborts with this reason."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Framing(asyncio.BufferedProtocol):
    """The receiving half of a connection. What is heard goes to the methods that a subclass gives."""

    def __init__(self, *, buffer_bytes: int, maximum_length: int) -> None:
        # Unlike a bytearray, mapped memory is resident only where it was written to: a silent peer costs nothing.
        self._buffer = mmap.mmap(-1, max(buffer_bytes, REQUEST_LIMIT + 2 * _ROOM))
        self._view = memoryview(self._buffer)
        self._maximum_length = maximum_length
        self._read_at = self._written_to = 0
        self._pdu_left = self._pdv_left = self._skip_left = 0  # bytes still to come
        self._control = 0  # message control header of the fragment under way
        self._inside_of = 0  # the presentation context of the data set that is in its middle; 0 is none
        self._pieces: list[memoryview] = []  # runs of the data set in the buffer, not yet handed on
        self._transport: asyncio.Transport
        self._socket: socket.socket | None = None
        self.held = False  # nothing is acted upon, but an abort; what was handed on stays in the buffer
        self.deaf = False  # what still comes is read past
        self.heard_at = 0.0
        self.heard_bytes = 0
        self._loop = asyncio.get_running_loop()

    # what a subclass gives

    @abstractmethod
    def heard_control(self, kind: PduType, body: bytes | None) -> None:
        """A control PDU came, with its body if it is an A-ASSOCIATE-RQ that is awaited."""

    @abstractmethod
    def awaits_request(self) -> bool:
        """Whether an A-ASSOCIATE-RQ is worth reading."""

    @abstractmethod
    def heard_data(self) -> bool:
        """A P-DATA-TF begins; False reads past it."""

    @abstractmethod
    def begin_fragment(self, context_id: int, control: int) -> None:
        """A presentation data value begins."""

    @abstractmethod
    def take_command(self, piece: memoryview) -> None:
        """Bytes of a command fragment."""

    @abstractmethod
    def take_data(self, pieces: list[memoryview], *, lasting: bool) -> None:
        """Runs of a data set; good during this call or, the lasting ones, until the hold is released."""

    @abstractmethod
    def end_message_part(self) -> None:
        """The last fragment of a command, or of a data set, has ended."""

    @abstractmethod
    def violated(self, error: Malformed) -> None:
        """The peer broke the protocol; nothing further is read."""

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up for short answers."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._socket = transport.get_extra_info("socket")
        self.heard_at = self._loop.time()
        self._set_option(socket.TCP_NODELAY)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the kernel may write."""
        if self.deaf:
            return _WASTE
        if not self.held and not self._pieces and self._read_at == self._written_to:
            self._read_at = self._written_to = 0
        elif not self.held and len(self._buffer) - self._written_to < _ROOM:
            self._make_room()
        return self._view[self._written_to :]

    def buffer_updated(self, nbytes: int) -> None:
        """Act on what the kernel wrote."""
        self.heard_at = self._loop.time()
        self.heard_bytes += nbytes
        if self.deaf:
            return
        self._written_to += nbytes
        self.consume()
        if not self.held:
            # Not sticky. Without it a sender that leaves Nagle on waits 40 ms in the middle of each instance; at its
            # end our answer goes out at once, and acknowledges with it.
            if _TCP_QUICKACK is not None:
                self._set_option(_TCP_QUICKACK)
        elif len(self._buffer) - self._written_to < 2 * _ROOM:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The peer does not read our answers: hear nothing more until it does."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._transport.resume_reading()

    # the stream

    def release_hold(self) -> None:
        """Act on what came meanwhile, and go on."""
        self.held = False
        self.consume()
        if not self.held and not self._transport.is_closing():
            self._transport.resume_reading()

    def hears_tls(self) -> bool:
        """Whether what cannot be read begins like a TLS handshake (RFC 8446 5.1)."""
        return bytes(self._view[self._read_at : min(self._read_at + 2, self._written_to)]) == b"\x16\x03"

    def consume(self) -> None:
        """Take as much out of the buffer as there is."""
        try:
            while not self.deaf and self._advance():
                pass
        except Malformed as error:
            self.violated(error)

    def _advance(self) -> bool:
        """One step; False when there is nothing to do before more bytes come."""
        if self.held:
            return self._notice_abort()
        if self._pdv_left:
            return self._take_fragment()
        if self._pdu_left:
            return self._begin_pdv()
        if self._skip_left:
            return self._skip()
        return self._take_whole_pdus() or self._begin_pdu()

    def _begin_pdu(self) -> bool:
        if self._written_to - self._read_at < HEADER.size:
            return False
        kind, length = HEADER.unpack_from(self._buffer, self._read_at)
        if kind == _P_DATA:
            return self._begin_data(length)
        if kind not in _KINDS:
            raise Violation(AbortReason.UNRECOGNIZED_PDU, f"PDU type {kind:02X}H")
        if kind in (PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC):
            wanted = kind == PduType.ASSOCIATE_RQ and self.awaits_request()
            if not wanted:
                self.heard_control(PduType(kind), None)
                return False
            if length > REQUEST_LIMIT:
                raise Violation(AbortReason.INVALID_PARAMETER, f"A-ASSOCIATE-RQ of {length} bytes")
        elif length != _CONTROL_LENGTH:
            raise Violation(AbortReason.INVALID_PARAMETER, f"PDU type {kind:02X}H of {length} bytes")
        if self._written_to - self._read_at < HEADER.size + length:
            return False
        start = self._read_at + HEADER.size
        self._read_at = start + length
        body = bytes(self._view[start : start + length]) if kind == PduType.ASSOCIATE_RQ else None
        self.heard_control(PduType(kind), body)
        return True

    def _take_whole_pdus(self) -> bool:
        """The common case, quickly: PDUs that are here whole, of one fragment each. Whether there was one."""
        at, end = self._read_at, self._written_to
        while end - at >= _ONE_PDV.size:
            kind, length, pdv_length, context_id, control = _ONE_PDV.unpack_from(self._buffer, at)
            following = at + HEADER.size + length
            if kind != _P_DATA or pdv_length != length - 4 or following > end:
                break
            if length < PDV_HEADER.size or (self._maximum_length and length > self._maximum_length):
                break
            if control or context_id != self._inside_of:
                self._read_at = at
                return self._take_whole_pdu(context_id, control, following)
            self._pieces.append(self._view[at + _ONE_PDV.size : following])
            at = following
        taken = at > self._read_at
        self._read_at = at
        return taken

    def _take_whole_pdu(self, context_id: int, control: int, following: int) -> bool:
        """One that begins or ends a message, or a part of it."""
        if not self.heard_data():
            self._read_at = following
            return True
        self.begin_fragment(context_id, control)
        piece = self._view[self._read_at + _ONE_PDV.size : following]
        self._read_at = following
        self._inside_of = context_id if not control & (_IS_COMMAND | _IS_LAST) else 0
        if control & _IS_COMMAND:
            self.take_command(piece)
        else:
            self._pieces.append(piece)
        if control & _IS_LAST:
            self._hand_on(lasting=True)
            self.end_message_part()
        return True

    def _begin_data(self, length: int) -> bool:
        if not self.heard_data():
            self._read_at += HEADER.size
            self._skip_left = length
            return True
        if length < PDV_HEADER.size or (self._maximum_length and length > self._maximum_length):
            raise Violation(AbortReason.INVALID_PARAMETER, f"P-DATA-TF of {length} bytes")
        self._read_at += HEADER.size
        self._pdu_left = length
        return True

    def _begin_pdv(self) -> bool:
        if self._written_to - self._read_at < PDV_HEADER.size:
            return False
        length, context_id, control = PDV_HEADER.unpack_from(self._buffer, self._read_at)
        self._pdu_left -= length + 4
        if length < 2 or self._pdu_left < 0 or 0 < self._pdu_left < PDV_HEADER.size:
            raise Violation(AbortReason.INVALID_PARAMETER, "presentation data values do not fill their PDU")
        self._read_at += PDV_HEADER.size
        self._pdv_left, self._control = length - 2, control
        self.begin_fragment(context_id, control)
        # Once a fragment of a data set has been let through, more of the same may follow; its last one is looked at.
        self._inside_of = context_id if not control & (_IS_COMMAND | _IS_LAST) else 0
        if not self._pdv_left:
            self._end_pdv()
        return True

    def _take_fragment(self) -> bool:
        start = self._read_at
        size = min(self._pdv_left, self._written_to - start)
        if not size:
            return False
        piece = self._view[start : start + size]
        if self._control & _IS_COMMAND:
            self.take_command(piece)
        else:
            self._pieces.append(piece)
        self._read_at = start + size
        self._pdv_left -= size
        if not self._pdv_left:
            self._end_pdv()
        return True

    def _end_pdv(self) -> None:
        if self._control & _IS_LAST:
            self._hand_on(lasting=True)
            self.end_message_part()

    def _hand_on(self, *, lasting: bool) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self.take_data(pieces, lasting=lasting)

    def _make_room(self) -> None:
        """The buffer is full: hand on what it holds of a data set, and begin again with what is not yet understood."""
        self._hand_on(lasting=False)
        rest = bytes(self._view[self._read_at : self._written_to])
        self._view[: len(rest)] = rest
        self._read_at, self._written_to = 0, len(rest)

    def _skip(self) -> bool:
        size = min(self._skip_left, self._written_to - self._read_at)
        self._read_at += size
        self._skip_left -= size
        return size > 0

    def _notice_abort(self) -> bool:
        at_pdu = not (self._pdv_left or self._pdu_left or self._skip_left)
        if at_pdu and self._written_to - self._read_at >= HEADER.size + _CONTROL_LENGTH:
            kind, length = HEADER.unpack_from(self._buffer, self._read_at)
            if kind == PduType.ABORT and length == _CONTROL_LENGTH:
                self.heard_control(PduType.ABORT, None)
        return False

    def _set_option(self, option: int) -> None:
        if self._socket is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, 1)
            except OSError:  # the peer is gone already, or this is no TCP socket; connection_lost tells
                self._socket = None
