"""What the journals of a node hold beyond the cursors, in the order in which it was received.

Each listener has a journal of its own. Of two records that contradict each other the earlier one counts, whichever
journal it is in, so all of them are read up to one moment and merged. Within a journal its own order stands.

A record that was received after that moment waits for the next look: something earlier may have been added since to
a journal that was listed before. What is ahead by more than a look takes comes of a clock that was set back, and
waits for no such time.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

from gateway.journal import Damaged, JournalRecord, JournalState, New, read_each_new

HEAD_BYTES = 64 << 20  # of what came, held in memory at once
LONGEST_LOOK = timedelta(seconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)

Cursors = dict[tuple[str, int], int]  # (journal, segment): where what is not indexed begins


@dataclass(slots=True)
class Arrivals:
    """Records in the order of their arrival, damage met on the way, and the cursors that move with them.

    `until`: what was received before it is here or was indexed already; None where that is in doubt.
    """

    until: datetime | None
    records: list[JournalRecord] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    cursors: Cursors = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records) + len(self.damaged)

    def add(self, more: "Arrivals") -> None:
        """What came after."""
        self.records += more.records
        self.damaged += more.damaged
        self.cursors |= more.cursors
        self.until = more.until


def read_arrivals(
    root: Path,
    states: Sequence[JournalState],
    cursors: Mapping[tuple[str, int], int],
    *,
    received_to: datetime,
    limit: int,
) -> Arrivals:
    """So many at most, of journals that were listed after the moment `received_to`."""
    lanes = [_in_time(root, state, cursors, received_to) for state in states]
    arrivals, held = Arrivals(until=received_to), 0
    for at, journal_id, new in heapq.merge(*lanes, key=itemgetter(0)):
        arrivals.cursors[journal_id, new.segment] = new.next_offset
        if isinstance(new.found, Damaged):
            arrivals.damaged.append(new.found)
        else:
            arrivals.records.append(new.found)
            held += len(new.found.head)
        if len(arrivals) >= limit or held >= HEAD_BYTES:
            arrivals.until = at if _EARLIEST < at <= received_to else None
            break
    return arrivals


def _in_time(
    root: Path, state: JournalState, cursors: Mapping[tuple[str, int], int], received_to: datetime
) -> Iterator[tuple[datetime, str, New]]:
    """One journal in its own order, each with a time that never goes back."""
    own = {segment: offset for (journal_id, segment), offset in cursors.items() if journal_id == state.id}
    at = _EARLIEST
    for new in read_each_new(root, state, own):
        at = max(at, _received_at(new.found) or at)
        if received_to < at <= received_to + LONGEST_LOOK:
            return
        yield at, state.id, new


def _received_at(found: JournalRecord | Damaged) -> datetime | None:
    """When it came, as its listener says; of what does not say so nothing is known."""
    if isinstance(found, Damaged):
        return None
    try:
        at = datetime.fromisoformat(str(found.origin.get("received_at") or found.origin.get("at")))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
