"""A LIS1-A link whole: who has the line, receiving (`receiver.py`) and sending, contention; pure, for either side.

Bytes and time go in, events come out. The analyser wins a contention (LIS1-A §8.2.7): bidding or sending, we give
way to its ENQ, answer it, and bid again after `after_contention_s`. It may not know that rule and simply wait for
an ACK, so it gets one at once; one that knows it asks again after a second and gets another.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.lab.framing import ACK, ENQ, EOT, NAK
from adapters.lab.receiver import (
    Arrived,
    Delivered,
    Ended,
    Enquired,
    Event,
    LinkSettings,
    Phase,
    Receiver,
    Say,
    Stray,
    Undelivered,
)

__all__ = [
    "Arrived", "Delivered", "Ended", "Enquired", "Event", "Link", "LinkSettings", "Say", "Stray", "Undelivered",
]  # fmt: skip


@dataclass(slots=True)
class _Outgoing:
    """A message on its way out; `sent` is the frame that waits for its answer, None while we bid."""

    frames: Sequence[bytes]
    bids: int = 0
    sent: int | None = None
    tries: int = 0


class Link:
    """One line. `deadline` is when `tick` wants to be called."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.settings = settings or LinkSettings()
        self._receiver = Receiver(self.settings)
        self._queue: deque[_Outgoing] = deque()
        self._current: _Outgoing | None = None  # has the line, or bids for it
        self._reply_by = 0.0
        self._not_before = float("-inf")

    @property
    def deadline(self) -> float | None:
        if self._current is not None:
            return self._reply_by
        if self._queue and self._receiver.phase is Phase.NEUTRAL:
            return self._not_before
        return self._receiver.deadline

    @property
    def pending(self) -> int:
        """Bytes that wait for a decision: whoever reads for us should stop when they are many."""
        return self._receiver.pending

    @property
    def waiting(self) -> int:
        """Messages that are still to be sent."""
        return len(self._queue) + (self._current is not None)

    @property
    def refusals(self) -> int:
        """Frames that were answered with NAK for what they were."""
        return self._receiver.refusals

    def receive(self, data: bytes, now: float) -> list[Event]:
        if self._current is None:
            events = self._receiver.receive(data, now)
        elif self._current.sent is None:
            events = self._hear_while_bidding(self._current, data, now)
        else:
            events = self._hear_while_sending(self._current, self._current.sent, data, now)
        return events + self._bid_if_free(now)

    def accept(self, now: float) -> list[Event]:
        """ACK what was enquired or arrived."""
        events = self._receiver.accept(now)
        return events + self._bid_if_free(now)

    def refuse(self, now: float) -> list[Event]:
        """NAK what was enquired or arrived."""
        events = self._receiver.refuse(now)
        return events + self._bid_if_free(now)

    def send(self, frames: Sequence[bytes], now: float) -> list[Event]:
        """Send a message as soon as the line is free; Delivered or Undelivered follows."""
        self._queue.append(_Outgoing(frames))
        return self._bid_if_free(now)

    def tick(self, now: float) -> list[Event]:
        """Time has passed."""
        if self._current is None:
            events = self._receiver.tick(now)
        elif now >= self._reply_by:
            events = [Say(bytes((EOT,))), *self._try_again_later("no_answer", now)]
        else:
            events = []
        return events + self._bid_if_free(now)

    def _bid_if_free(self, now: float) -> list[Event]:
        free = self._current is None and self._receiver.phase is Phase.NEUTRAL
        if not free or not self._queue or now < self._not_before:
            return []
        self._current = self._queue.popleft()
        self._current.bids += 1
        self._current.sent, self._current.tries = None, 0
        self._reply_by = now + self.settings.reply_s
        return [Say(bytes((ENQ,)))]

    def _hear_while_bidding(self, message: _Outgoing, data: bytes, now: float) -> list[Event]:
        for byte in data:
            if byte == ACK:
                return self._send_frame(message, 0, now)
            if byte == ENQ:
                return self._insist(now) if self.settings.is_analyser else self._give_way(now)
            if byte == NAK:
                return self._try_again_later("busy", now)
        return []  # the end of what it sent before it heard us

    def _hear_while_sending(self, message: _Outgoing, sent: int, data: bytes, now: float) -> list[Event]:
        """One answer to one frame: what stands behind it in the same breath answers nothing (a doubled ACK)."""
        answer = data[0]
        if answer == ENQ:
            return self._give_way(now)
        if answer in (ACK, EOT):  # EOT: taken, and may it have the line soon (LIS1-A §8.3.5)
            if sent + 1 < len(message.frames):
                return self._send_frame(message, sent + 1, now)
            self._current = None
            return [Say(bytes((EOT,))), Delivered()]
        message.tries += 1
        if message.tries < self.settings.tries:
            self._reply_by = now + self.settings.reply_s
            return [Say(message.frames[sent])]
        self._current = None
        self._not_before = now + self.settings.after_nak_s
        return [Say(bytes((EOT,))), Undelivered("refused")]

    def _send_frame(self, message: _Outgoing, index: int, now: float) -> list[Event]:
        message.sent, message.tries = index, 0
        self._reply_by = now + self.settings.reply_s
        return [Say(message.frames[index])]

    def _try_again_later(self, cause: str, now: float) -> list[Event]:
        message = self._current
        assert message is not None
        self._current = None
        self._not_before = now + self.settings.after_nak_s
        if message.bids >= self.settings.bids:
            return [Undelivered(cause)]
        self._queue.appendleft(message)
        return []

    def _give_way(self, now: float) -> list[Event]:
        self._put_back(now + self.settings.after_contention_s)
        return self._receiver.enquire()

    def _insist(self, now: float) -> list[Event]:
        self._put_back(now + self.settings.analyser_again_s)
        return []

    def _put_back(self, not_before: float) -> None:
        assert self._current is not None
        self._queue.appendleft(self._current)
        self._current, self._not_before = None, not_before
