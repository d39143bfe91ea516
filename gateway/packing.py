"""What goes into a pack, and when it is closed.

A series goes together. Its pack is closed when it has its size, when nothing came for a moment, or when its first
record has waited long enough. What is small by then shares a pack with what else is small: a store takes one large
object as readily as one small one.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.journal import Location, RecordId

CLOCK_SKEW = timedelta(
    minutes=5
)  # between the clocks of listeners and drain, or before and after a correction
QUIET = timedelta(seconds=2)  # a sender's pause between two series is shorter
SMALL_BYTES = 4 << 20  # less than this waits for company

_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A record that is to be filed. `group`: the series, or the kind of what is in none."""

    id: uuid.UUID
    record_id: RecordId
    group: uuid.UUID | str
    kind: str
    name: str
    received_at: datetime
    location: Location

    @property
    def size_bytes(self) -> int:
        return self.location.length

    def member_name(self, number: int) -> str:
        """A name that a person understands: the place in the pack, and what it is."""
        if self.kind == "dicom.instance":
            return f"{number:05d}-{self.name}.dcm" if _PLAIN.fullmatch(self.name) else f"{number:05d}.dcm"
        return f"{number:05d}-{self.name}" if _PLAIN.fullmatch(self.name) else f"{number:05d}.bin"


def plan_packs(
    waiting: Iterable[Waiting], *, now: datetime, pack_bytes: int, file_after: timedelta
) -> list[list[Waiting]]:
    """The packs that are to be written now, of records in the order of their arrival."""
    groups: dict[uuid.UUID | str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        groups[one.group].append(one)
    packs, small = [], []
    for group in groups.values():
        for part in _split(group, pack_bytes):
            size = sum(one.size_bytes for one in part)
            # What was received later than now, a clock received that was set back since: it waits for no such time.
            ahead = any(one.received_at > now + CLOCK_SKEW for one in part)
            is_old = ahead or part[0].received_at <= now - file_after
            is_quiet = ahead or part[-1].received_at <= now - QUIET
            if size >= pack_bytes or (size >= SMALL_BYTES and (is_quiet or is_old)):
                packs.append(part)
            elif is_old:
                small += part
    return packs + [part for part in _split(small, pack_bytes) if part]


def _split(group: Sequence[Waiting], pack_bytes: int) -> list[list[Waiting]]:
    """Parts that each reach the size of a pack, and the rest; what is as large as a pack has one to itself."""
    parts: list[list[Waiting]] = []
    rest: list[Waiting] = []
    size = 0
    for one in group:
        if one.size_bytes >= pack_bytes:
            parts.append([one])
            continue
        rest.append(one)
        size += one.size_bytes
        if size >= pack_bytes:
            parts.append(rest)
            rest, size = [], 0
    return [*parts, rest] if rest else parts
