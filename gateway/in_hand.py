"""What the drain has in hand just now, so that a record which ends its process is found out.

An exception names its record; a crash (out of memory, a fault in a library) names nothing, and would be met again
after every restart. So after an end that was not in order the drain writes down each set before it tries it. Does it
die again, the next one tries the records of that set one by one, each written down; one with which it died too often
is set apart untried. Once the drain has caught up, nothing is written any more.

Deaths count while the supervisor lives that starts the drain again: when all was killed, or the power went, whatever
was in hand is looked at one by one and held to have done nothing.

A process' death loses no file that was written, so nothing is synced here.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gateway.journal import JournalRecord
from gateway.status_file import write_whole

log = structlog.get_logger()

FILE_NAME = "in-hand.json"
# Whoever kills drains by chance (an operator, the memory killer after somebody else) meets an innocent record, too, and
# after each restart the same one first: seen with three in the torture by kills.
DEATHS_BEFORE_QUARANTINE = 5

_Key = tuple[str, int]


class EndedTheDrain(Exception):
    """The process died with this record in hand, and nothing else, again and again."""


@dataclass(slots=True)
class InHand:
    """The note of one drain. `careful`: notes are written."""

    folder: Path
    careful: bool = False
    suspects: set[_Key] = field(default_factory=set)  # of a set with which a drain died
    deaths: Counter[_Key] = field(default_factory=Counter)  # with this one alone in hand

    @contextlib.contextmanager
    def take(self, records: Sequence[JournalRecord]) -> Iterator[None]:
        """Try these; the note of them stays when the process does not come back from it."""
        if not self.careful or not records:
            yield
            return
        self._write([_key(record) for record in records])
        try:
            yield
        except Exception:
            self._write([])  # whatever it was, the process lives
            raise
        self.suspects -= {_key(record) for record in records}
        self._write([])

    def apart(self, records: Sequence[JournalRecord]) -> tuple[list[JournalRecord], list[JournalRecord]]:
        """Of these, which may be tried together, and which one by one."""
        together = [record for record in records if _key(record) not in self.suspects]
        return together, [record for record in records if _key(record) in self.suspects]

    def is_condemned(self, record: JournalRecord) -> bool:
        """It has ended the process too often to be tried again."""
        return self.deaths[_key(record)] >= DEATHS_BEFORE_QUARANTINE

    def note_caught_up(self) -> None:
        """Everything is indexed or set apart: whatever ended the last drain is over."""
        if self.careful:
            self.careful = False
            self.suspects.clear()
            self.deaths.clear()
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.folder / FILE_NAME

    def _write(self, in_hand: Collection[_Key]) -> None:
        note = {
            "in_hand": sorted(in_hand),
            "supervisor": os.getppid(),
            "suspects": sorted(self.suspects),
            "deaths": [[*key, count] for key, count in sorted(self.deaths.items())],
        }
        try:
            write_whole(self._path, note)
        except OSError as error:  # a full disk: indexing is worth more than knowing what would end it
            log.warning("in_hand_not_noted", error=error.strerror)


def read_in_hand(folder: Path, *, careful: bool) -> InHand:
    """What the drain before this one left. `careful`: it did not end in order."""
    found = InHand(folder=folder, careful=careful)
    try:
        note = json.loads((folder / FILE_NAME).read_text())
    except FileNotFoundError:
        return found
    except ValueError:
        log.warning("in_hand_unreadable")
        return found
    found.careful = True
    found.suspects = {_as_key(one) for one in [*note["suspects"], *note["in_hand"]]}
    found.deaths = Counter({(journal, sequence): count for journal, sequence, count in note["deaths"]})
    if len(note["in_hand"]) == 1 and note.get("supervisor") == os.getppid():
        [one] = note["in_hand"]
        found.deaths[_as_key(one)] += 1
    if note["in_hand"]:
        log.error("drain_died", records_in_hand=len(note["in_hand"]))
    return found


def _key(record: JournalRecord) -> _Key:
    return record.journal, record.sequence


def _as_key(pair: Sequence[str | int]) -> _Key:
    return str(pair[0]), int(pair[1])
