"""The receiving side of a LIS1-A link: bytes and time in, what happened out; no socket, no clock.

After `Enquired` and after `Arrived` nothing is read on until `accept` or `refuse` says what the answer is: an ACK
may have to wait for a disk. Restricted characters in a text (LIS1-A §8.6) are borne where the checksum is right;
in an open frame an ENQ or EOT is one only if nothing follows it for `stall_s`.
"""

import zlib
from dataclasses import dataclass, field
from enum import Enum, auto

from adapters.lab.framing import ACK, ENQ, EOT, NAK, STX, Frame, Trouble, find_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Times and limits of LIS1-A §8.5; what has no section is ours."""

    reply_s: float = 15.0  # the sender waits so long for an answer
    receive_s: float = 30.0  # the receiver waits so long for a frame or EOT
    after_nak_s: float = 10.0  # before another ENQ after NAK
    is_analyser: bool = False  # who wins when both bid; we are the host
    after_contention_s: float = 20.0  # before the host bids again
    analyser_again_s: float = 1.0  # before the analyser does
    tries: int = 6  # of one frame
    bids: int = 6  # for one message, before it is given up
    text_limit: int = 64_000
    stall_s: float = 3.0  # a frame that stops in the middle is refused: its sender still waits for an answer
    prompt_s: float = 5.0  # an EOT later than this after our ACK is of a sender that did not get it
    check_frame_numbers: bool = True


@dataclass(frozen=True, slots=True)
class Say:
    """These bytes are to be sent."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Enquired:
    """The other side wants to send: to be answered with `accept` or `refuse`."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A new frame, right: to be answered with `accept` or `refuse`."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Ended:
    """A transfer is over; `cause` is empty when its sender ended it in order."""

    cause: str = ""
    refusal: str = field(default="", compare=False)  # why its last frame was refused, for a technician


@dataclass(frozen=True, slots=True)
class Stray:
    """Frames came from somebody who had not asked to send."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was to be sent is, every frame acknowledged."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What was to be sent is given up."""

    cause: str


Event = Say | Enquired | Arrived | Ended | Stray | Delivered | Undelivered


class Phase(Enum):
    NEUTRAL = auto()
    ENQUIRED = auto()  # waits for our decision
    RECEIVING = auto()
    HELD = auto()  # a frame waits for our decision


class Receiver:
    """One side of one line. `deadline` is when `tick` wants to be called."""

    def __init__(self, settings: LinkSettings) -> None:
        self.phase = Phase.NEUTRAL
        self.refusals = 0  # frames answered with NAK for what they were
        self._settings = settings
        self._received = bytearray()
        self._looked_at = 0
        self._junk_end: int | None = None  # the last byte of what is no frame
        self._moved_at = self._acked_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self._expected = 1
        self._last: tuple[int, int] | None = None  # number and CRC of the last frame that was accepted
        self._held: Frame | None = None
        self._touched = False  # anything but ENQ came
        self._refused, self._why = False, ""  # and was not made good
        self._open = False  # the last frame ended with ETB
        self._drop()

    @property
    def pending(self) -> int:
        """Bytes that wait for a decision."""
        return len(self._received)

    @property
    def deadline(self) -> float | None:
        if self.phase is not Phase.RECEIVING:
            return None
        waiting = self._moved_at + self._settings.receive_s
        if self._received or self._junk_end is not None:
            return min(waiting, self._moved_at + self._settings.stall_s)
        return waiting

    def receive(self, data: bytes, now: float) -> list[Event]:
        self._received += data
        self._moved_at = now
        return self._advance(now)

    def accept(self, now: float) -> list[Event]:
        """ACK what was enquired or arrived. Not said to a sender that has given up meanwhile."""
        if self.phase is Phase.ENQUIRED:
            self._begin_keeping_bytes()
            said: list[Event] = [Say(bytes((ACK,)))]
        else:
            frame = self._held
            assert self.phase is Phase.HELD and frame is not None
            self._last = (frame.number, _crc(frame))
            self._expected = (frame.number + 1) % 8
            self._held, self._open, self._refused = None, frame.more, False
            del self._received[: self._blank()]
            said = [] if self._gave_up() else [Say(bytes((ACK,)))]
        self.phase = Phase.RECEIVING
        self._moved_at = self._acked_at = now
        return said + self._advance(now)

    def refuse(self, now: float) -> list[Event]:
        """NAK: not now (LIS1-A §8.2), or once more (§8.5). Not said to a sender that has given up meanwhile."""
        said: list[Event] = [Say(bytes((NAK,)))]
        if self.phase is Phase.ENQUIRED:
            self.phase = Phase.NEUTRAL
            self._drop()
            return said
        assert self.phase is Phase.HELD
        del self._received[: self._blank()]
        if self._gave_up():
            said = []
        self.phase, self._held, self._refused = Phase.RECEIVING, None, True
        self._moved_at = now
        return said + self._advance(now)

    def tick(self, now: float) -> list[Event]:
        """Time has passed."""
        if self.deadline is None or now < self.deadline:
            return []
        if now >= self._moved_at + self._settings.receive_s:
            return self._leave("timeout")
        last = self._received[-1] if self._received else self._junk_end
        self._drop()
        if last == EOT:
            return self._leave("broken_off")
        if last == ENQ:
            return self._restart()
        return [self._complain("a frame stopped before its end")]

    def enquire(self) -> list[Event]:
        """An ENQ was heard by whoever had the line."""
        self._begin()
        self.phase = Phase.ENQUIRED
        return [Enquired()]

    # what has come

    def _advance(self, now: float) -> list[Event]:
        events: list[Event] = []
        while self._received and self._step(events, now):
            pass
        return events

    def _step(self, events: list[Event], now: float) -> bool:
        """Take what stands first; False when more bytes or a decision are needed."""
        if self.phase is Phase.NEUTRAL:
            return self._wait_for_enquiry(events)
        if self.phase is not Phase.RECEIVING:
            return False
        del self._received[: self._blank()]
        if not self._received:
            return False
        first = self._received[0]
        if first == STX:
            self._junk_end = None
            return self._take_frame(events)
        if first == EOT and self._junk_end is None:
            del self._received[0]
            events += self._leave(self._cause_of_end(now))
            return True
        if first == ENQ and self._junk_end is None:
            del self._received[: _run(self._received, ENQ)]
            events += self._restart()
            return False
        self._pass_over_junk()
        return True

    def _wait_for_enquiry(self, events: list[Event]) -> bool:
        at = self._received.find(ENQ)
        before = self._received if at < 0 else self._received[:at]
        if STX in before:
            events.append(Stray())
        if at < 0:
            self._drop()
            return False
        del self._received[:at]
        del self._received[: _run(self._received, ENQ)]
        self.phase = Phase.ENQUIRED
        events.append(Enquired())
        return False

    def _take_frame(self, events: list[Event]) -> bool:
        found, taken = find_frame(self._received, self._settings.text_limit, self._looked_at)
        if found is Trouble.UNFINISHED:
            self._looked_at = taken
            return False
        self._looked_at = 0
        self._touched = True
        if isinstance(found, Frame) and len(found.text) <= self._settings.text_limit:
            del self._received[:taken]
            return self._weigh(found, events)
        if found is Trouble.TOO_LONG:
            self._junk_end = self._received[-1]
            self._received.clear()
            return False
        del self._received[:taken]
        too_long = isinstance(found, Frame)
        limit = self._settings.text_limit
        why = f"a frame is longer than {limit} characters" if too_long else "a checksum is wrong or missing"
        events.append(self._complain(why))
        return True

    def _weigh(self, frame: Frame, events: list[Event]) -> bool:
        if self._last == (frame.number, _crc(frame)):  # our ACK was lost: said again, not taken again
            events.append(Say(bytes((ACK,))))
            return True
        if self._settings.check_frame_numbers and frame.number != self._expected:
            events.append(self._complain(f"frame {frame.number} came where {self._expected} was due"))
            return True
        self.phase, self._held = Phase.HELD, frame
        events.append(Arrived(frame))
        return False

    def _pass_over_junk(self) -> None:
        """Up to what may be a frame; what it was is decided when it stops."""
        self._touched = True
        at = self._received.find(STX)
        end = at if at >= 0 else len(self._received)
        self._junk_end = self._received[end - 1]
        del self._received[:end]

    def _cause_of_end(self, now: float) -> str:
        if self._refused:
            return "given_up"
        if self._open:
            return "broken_off"
        return "" if now - self._acked_at <= self._settings.prompt_s else "late"

    def _restart(self) -> list[Event]:
        ended: list[Event] = [Ended("restarted")] if self._touched else []
        self.phase = Phase.ENQUIRED
        return [*ended, Enquired()]

    def _leave(self, cause: str) -> list[Event]:
        touched, why = self._touched or self._last is not None, self._why
        self.phase = Phase.NEUTRAL
        rest = bytes(self._received) if cause != "timeout" else b""
        self._begin()
        self._received += rest
        return [Ended(cause, why)] if touched else []

    def _complain(self, why: str) -> Say:
        self._refused, self._why = True, why
        self.refusals += 1
        return Say(bytes((NAK,)))

    def _gave_up(self) -> bool:
        return bool(self._received) and self._received[0] in (EOT, ENQ)

    def _begin_keeping_bytes(self) -> None:
        rest = bytes(self._received)
        self._begin()
        self._received += rest

    def _drop(self) -> None:
        self._received.clear()
        self._looked_at, self._junk_end = 0, None

    def _blank(self) -> int:
        """How many CR and LF stand first: the end of the last frame, or of one that somebody doubled."""
        return len(self._received) - len(self._received.lstrip(b"\r\n"))


def _crc(frame: Frame) -> int:
    return zlib.crc32(frame.text, frame.more)


def _run(received: bytearray, byte: int) -> int:
    """How often this byte stands at the start: one that a line doubled is one."""
    return len(received) - len(received.lstrip(bytes((byte,))))
