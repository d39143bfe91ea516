"""Which messages were taken lately: the same one again is answered again without a second effect.

Another message of the same type under a control ID that is known is an error; unless it was made more than a minute
apart: then its sender has begun to number anew, as analysers do that were switched off. A window, bounded in number
and time, of this process alone. What it no longer knows is found out where messages are filed: there nothing is
forgotten.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from adapters.hl7.errors import Condition, NotAccepted

KEPT_MESSAGES = 32_768  # some twenty megabytes
KEPT_S = 3600.0
RENUMBERED_S = 60.0  # between the creation of two messages of one number, of which the later is no repetition


Key = tuple[str, ...]  # who sent it, its type, its control ID


def digest_of(body: bytes) -> bytes:
    """What tells two messages apart."""
    return blake2b(body, digest_size=16).digest()


@dataclass(slots=True)
class _Entry:
    digest: bytes
    at: float
    sent_at: datetime | None
    keeping: asyncio.Future[None] | None


class Known:
    """Messages by who sent them and under which control ID."""

    def __init__(self, *, messages: int = KEPT_MESSAGES, seconds: float = KEPT_S) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._messages, self._seconds = messages, seconds

    def look(
        self, key: Key, digest: bytes, sent_at: datetime | None, now: float
    ) -> "asyncio.Future[None] | bool":
        """False for a new message; True for one that is kept already; a future while the first is being kept.

        Raises NotAccepted when another message was taken under this control ID.
        """
        entry = self._entries.get(key)
        if entry is None or now - entry.at > self._seconds:
            return False
        if entry.digest != digest:
            if entry.sent_at and sent_at and abs((sent_at - entry.sent_at).total_seconds()) > RENUMBERED_S:
                return False
            raise NotAccepted(
                Condition.DUPLICATE_KEY, "another message was accepted under this control ID", "MSH^1^10"
            )
        return entry.keeping if entry.keeping is not None else True

    def begin(self, key: Key, digest: bytes, sent_at: datetime | None, now: float) -> asyncio.Future[None]:
        """A message is about to be kept: whoever sends it meanwhile waits with it."""
        keeping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keeping.add_done_callback(_look_at)
        self._entries[key] = _Entry(digest, now, sent_at, keeping)
        self._entries.move_to_end(key)
        while len(self._entries) > self._messages:
            self._entries.popitem(last=False)
        return keeping

    def settle(self, key: Key, keeping: asyncio.Future[None], error: BaseException | None) -> None:
        """It is kept, or could not be: then it may come again."""
        entry = self._entries.get(key)
        if entry is not None and entry.keeping is keeping:
            entry.keeping = None
            if error is not None:
                del self._entries[key]
        if not keeping.done():
            if error is None:
                keeping.set_result(None)
            else:
                keeping.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())


def _look_at(keeping: asyncio.Future[None]) -> None:
    if not keeping.cancelled():
        keeping.exception()  # nobody else may have waited for it
