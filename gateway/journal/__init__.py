"""The intake journal: one append-only log for every wire; what is committed here is accepted.

Written on an asyncio loop by `Journal` (one per process), read anywhere by the plain functions of `reader`.
Format, cursors and what a crash leaves behind: docs/decisions/0001-journal-format.md.
"""

from gateway.journal.catalogue import (
    JournalState,
    SegmentState,
    find_segment,
    journals,
    mark_filed,
    remove_journal,
    remove_leftovers,
    remove_segment,
    unfiled_nodes,
    used_bytes,
)
from gateway.journal.format import UnknownFormat
from gateway.journal.reader import (
    Batch,
    BodyDamaged,
    Damaged,
    JournalRecord,
    Location,
    New,
    SegmentGone,
    open_body,
    read_body,
    read_each_new,
    read_new,
    verify_body,
)
from gateway.journal.room import JournalFull, Usage, measure_usage
from gateway.journal.writer import Entry, Journal, RecordId

__all__ = [
    "Batch",
    "BodyDamaged",
    "Damaged",
    "Entry",
    "Journal",
    "JournalFull",
    "JournalRecord",
    "JournalState",
    "Location",
    "New",
    "RecordId",
    "SegmentGone",
    "SegmentState",
    "UnknownFormat",
    "Usage",
    "find_segment",
    "journals",
    "mark_filed",
    "measure_usage",
    "open_body",
    "read_body",
    "read_each_new",
    "read_new",
    "remove_journal",
    "remove_leftovers",
    "remove_segment",
    "unfiled_nodes",
    "used_bytes",
    "verify_body",
]
