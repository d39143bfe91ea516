"""What of the journal goes into a backup: the segments with records that are not in the object store yet.

They are held by hard links before and after the moment of the snapshot: a segment that the drain files and evicts
meanwhile is still there for the rows that point to it.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import journal
from gateway.backups.archive import JOURNAL, Archive, Manifest
from gateway.filing import waiting_to_be_filed
from gateway.index import Record, SegmentCursor

_KEPT = (".seg", ".single", ".mark", ".json")
LOCK = "lock"  # the reader of a journal asks whether anybody holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is in no object store: which segments here hold it, and how much other nodes hold."""

    segments: frozenset[tuple[str, int]]
    records: int
    elsewhere: dict[str, int]


def hold(root: Path, held: Path) -> None:
    """Link every file of the journals as it is there now; what is linked already stays."""
    for path in root.glob("*/*"):
        if path.suffix in _KEPT and not path.parent.name.startswith("."):
            target = held / path.relative_to(root)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError, FileNotFoundError):  # linked before; evicted just now
                os.link(path, target)


def find_left(session: Session, held: Path) -> Left:
    """What the rows of a snapshot leave to the journals: unfiled records, and all that is behind no cursor."""
    here = {path.name for path in held.iterdir()} if held.is_dir() else set()
    rows = session.execute(
        select(Record.journal, Record.segment, Record.node, func.count())
        .where(waiting_to_be_filed())
        .group_by(Record.journal, Record.segment, Record.node)
    ).all()
    elsewhere: dict[str, int] = {}
    for journal_id, _, node, count in rows:
        if journal_id not in here:
            elsewhere[node] = elsewhere.get(node, 0) + count
    unfiled = {(journal_id, segment) for journal_id, segment, _, _ in rows if journal_id in here}
    return Left(
        segments=frozenset(unfiled | set(_unindexed(session, held, here))),
        records=sum(row[3] for row in rows if row[0] in here),
        elsewhere=elsewhere,
    )


def _unindexed(session: Session, held: Path, here: set[str]) -> Iterator[tuple[str, int]]:
    cursors = {
        (row.journal, row.segment): row.offset
        for row in session.scalars(select(SegmentCursor).where(SegmentCursor.journal.in_(here)))
    }
    for journal_id in sorted(here):
        for path in (held / journal_id).iterdir():
            number = int(path.stem) if path.stem.isdecimal() else None
            if number is None or path.suffix == ".mark":
                continue
            if journal.used_bytes(path, path.stat().st_size) > cursors.get((journal_id, number), 0):
                yield journal_id, number


def add_segments(archive: Archive, held: Path, left: Left) -> None:
    """The held files of what is left. A segment that is still written goes as far as its mark is now."""
    for journal_id in sorted({journal_id for journal_id, _ in left.segments}):
        folder = held / journal_id
        archive.add(f"{JOURNAL}{journal_id}/journal.json", folder / "journal.json")
        numbers = {number for one, number in left.segments if one == journal_id}
        for path in sorted(
            folder.iterdir(), key=lambda path: (path.suffix != ".mark", path.name)
        ):  # marks first
            if path.stem.isdecimal() and int(path.stem) in numbers:
                used = journal.used_bytes(path, path.stat().st_size)
                archive.add_first(f"{JOURNAL}{journal_id}/{path.name}", path, used)


def missing_of(session: Session, left: Left, archive: Archive) -> list[str]:
    """Unfiled records of this node whose segment is not in the backup: nothing, or the backup is no backup."""
    sizes = {part.name: part.size_bytes for part in archive.parts if part.name.startswith(JOURNAL)}
    rows = session.execute(
        select(Record.journal, Record.segment, func.max(Record.offset + Record.size_bytes))
        .where(waiting_to_be_filed(), Record.journal.in_({journal_id for journal_id, _ in left.segments}))
        .group_by(Record.journal, Record.segment)
    )
    return [
        f"segment {journal_id}/{number} is not whole in the backup"
        for journal_id, number, end in rows
        if max(sizes.get(f"{JOURNAL}{journal_id}/{number:08d}.{suffix}", 0) for suffix in ("seg", "single"))
        < end
    ]


def restore_segments(archive: Archive, manifest: Manifest, root: Path) -> set[tuple[str, int]]:
    """Put the segments back where none of their name is; answers which segments are there now."""
    for part in manifest.parts:
        if part.name.startswith(JOURNAL):
            path = root / part.name.removeprefix(JOURNAL)
            if not path.exists():  # what is there is the same segment, perhaps longer
                archive.fetch(part, path)
                (path.parent / LOCK).touch(mode=0o640)
    return {(state.id, segment.number) for state in journal.journals(root) for segment in state.segments}
