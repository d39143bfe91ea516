"""Messages that were kept lately, so that one whose last ACK got lost is acknowledged again and kept once.

A window in memory, bounded in time and number; it never refuses anything. The drain compares with all there is.
"""

from collections import OrderedDict
from collections.abc import Hashable

_SENDERS = 4096


class Lately:
    """Digests by sender, the oldest forgotten first."""

    def __init__(self, *, window_s: float, per_sender: int = 64) -> None:
        self._window_s, self._per_sender = window_s, per_sender
        self._known: OrderedDict[Hashable, OrderedDict[bytes, float]] = OrderedDict()

    def knows(self, sender: Hashable, digest: bytes, now: float) -> bool:
        digests = self._known.get(sender)
        at = digests.get(digest) if digests is not None else None
        return at is not None and now - at <= self._window_s

    def note(self, sender: Hashable, digest: bytes, now: float) -> None:
        """It is kept now."""
        digests = self._known.setdefault(sender, OrderedDict())
        self._known.move_to_end(sender)
        digests[digest] = now
        digests.move_to_end(digest)
        if len(digests) > self._per_sender:
            digests.popitem(last=False)
        if len(self._known) > _SENDERS:
            self._known.popitem(last=False)
