"""What the intake journal promises: committed means durable and readable, everything else leaves nothing."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import Unavailable
from gateway import fault_points
from gateway.journal import (
    Journal,
    JournalFull,
    JournalRecord,
    Location,
    SegmentGone,
    Usage,
    journals,
    mark_filed,
    measure_usage,
    open_body,
    read_body,
    read_new,
    remove_journal,
    remove_segment,
    verify_body,
)

GIB = 1 << 30
LARGE = 5 * 1024 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def faults() -> Iterator[None]:
    yield
    fault_points.arm("")


def begin(root: Path, **options: object) -> Journal:
    return Journal.create(root, node="node-1", limit_bytes=GIB, **options)  # type: ignore[arg-type]


async def keep(journal: Journal, body: bytes, kind: str = "dicom", **origin: object) -> int:
    entry = journal.open(kind, origin)
    entry.write(body)
    await entry.commit()
    assert entry.record_id is not None
    return entry.record_id.sequence


def only_segment(root: Path) -> bytes:
    (segment,) = root.glob("*/*.seg")
    return segment.read_bytes()


def records(root: Path) -> list[JournalRecord]:
    """Everything readable, read in small batches as a drain does."""
    found = []
    for state in journals(root):
        cursors: dict[int, int] = {}
        while True:
            batch = read_new(root, state, cursors, limit=3)
            assert batch.damaged == []
            if not batch.cursors:
                break
            found += batch.records
            cursors |= batch.cursors
    return found


def test_what_is_committed_is_read_while_the_writer_lives(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        entry = journal.open("hl7", {"peer": "10.0.0.7", "站": "卫生院"})
        entry.write(memoryview(bytearray(b"MSH|")))
        entry.write(b"^~\\&|")
        await entry.commit()

        (record,) = records(root)
        assert (record.kind, record.origin) == ("hl7", {"peer": "10.0.0.7", "站": "卫生院"})
        assert (record.journal, record.sequence) == (journal.id, 1)
        assert record.head == read_body(root, record.location) == b"MSH|^~\\&|"
        assert record.location.node == "node-1"
        verify_body(root, record.location)
        assert journals(root)[0].alive
        await journal.close()
        assert not journals(root)[0].alive
        assert records(root) == [record]

    asyncio.run(scene())


def test_a_view_may_be_reused_after_write(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        buffer = bytearray(b"first")
        entry = journal.open("x", {})
        entry.write(memoryview(buffer))
        buffer[:] = b"other"
        await entry.commit()
        await journal.close()

    asyncio.run(scene())
    assert records(root)[0].head == b"first"


def test_nothing_is_readable_before_the_commit_nor_after_an_abort(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        for size in (10, LARGE):
            entry = journal.open("x", {})
            entry.write(bytes(size))
            assert records(root) == []
            entry.abort()
            entry.abort()
            assert records(root) == []
        assert not [path for path in (root / journal.id).iterdir() if path.suffix in {".part", ".single"}]
        await journal.close()

    asyncio.run(scene())
    assert records(root) == []


def test_a_body_over_four_mib_gets_a_segment_of_its_own(root: Path) -> None:
    body = os.urandom(LARGE)

    async def scene() -> None:
        journal = begin(root)
        for start in range(0, LARGE, 100_000):
            if start == 0:
                entry = journal.open("dicom", {"n": 1})
            entry.write(memoryview(body)[start : start + 100_000])
        await keep(journal, b"small", n=2)
        await entry.commit()
        await keep(journal, b"small", n=3)
        assert [segment.single for segment in journals(root)[0].segments] == [True, False]
        await journal.close()

    asyncio.run(scene())
    found = records(root)
    assert [record.origin["n"] for record in found] == [2, 1, 3]  # by commit, not by opening
    assert [record.sequence for record in found] == [1, 2, 3]
    large = found[1]
    assert large.head == body[: 16 * 1024]
    assert read_body(root, large.location) == body
    assert read_body(root, large.location, offset=LARGE - 10) == body[-10:]
    assert read_body(root, large.location, offset=7, length=9) == body[7:16]
    with open_body(root, large.location) as stream:
        assert stream.read(5) == body[:5]
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == body[-5:]
        stream.seek(0)
        assert stream.read() == body
    verify_body(root, large.location)


def test_an_unfinished_large_body_does_not_hold_up_the_records_behind_it(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        slow = journal.open("dicom", {}, size_hint=LARGE)
        slow.write(b"beginning")
        await keep(journal, b"quick")
        assert [record.head for record in records(root)] == [b"quick"]
        slow.write(b" and end")
        await slow.commit()
        assert [record.head for record in records(root)] == [b"quick", b"beginning and end"]
        await journal.close()

    asyncio.run(scene())


def test_a_note_is_durable_within_its_delay_though_nobody_waits(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        journal.note("association_opened", {"calling": "CT"})
        assert records(root) == []
        await asyncio.sleep(0.3)
        (note,) = records(root)
        assert (note.kind, note.location.length) == ("association_opened", 0)
        journal.note("association_closed", {"calling": "CT"})
        await keep(journal, b"body")  # takes the note along
        assert [record.kind for record in records(root)][1:] == ["association_closed", "dicom"]
        await journal.close()

    asyncio.run(scene())


def test_those_who_come_while_a_sync_is_under_way_share_the_next(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        await asyncio.gather(*(keep(journal, bytes(1000)) for _ in range(200)))
        assert journal.records == 200
        assert journal.syncs <= 3
        await journal.close()

    asyncio.run(scene())
    assert len(records(root)) == 200


def test_a_sync_answers_for_all_that_was_appended_before_it_began(root: Path, faults: None) -> None:
    async def scene() -> None:
        journal = begin(root, kernel_syncs=False)
        fault_points.arm("journal.written=delay@1:0.3")  # the thread is there, the sync is not yet
        first = asyncio.create_task(keep(journal, b"first"))
        await asyncio.sleep(0.1)
        await asyncio.gather(first, keep(journal, b"second"))
        assert journal.syncs == 1
        await journal.close()

    asyncio.run(scene())
    assert len(records(root)) == 2


def test_what_comes_during_a_sync_is_written_beside_it_and_answered_by_the_next(
    root: Path, faults: None
) -> None:
    async def scene() -> None:
        journal = begin(root, kernel_syncs=False)
        fault_points.arm("journal.synced=delay@1:0.3")
        first = asyncio.create_task(keep(journal, b"first"))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(keep(journal, b"the second one"))
        await asyncio.sleep(0.1)
        assert b"the second one" in only_segment(root)
        assert records(root) == [] and not first.done() and not second.done()
        await first
        assert [read_body(root, record.location) for record in records(root)] == [b"first"]
        assert not second.done()
        await second
        assert journal.syncs == 2
        await journal.close()

    asyncio.run(scene())


def test_a_journal_that_has_reached_its_bound_says_so_until_segments_are_filed(root: Path) -> None:
    async def scene() -> None:
        journal = Journal.create(root, node="n", limit_bytes=LARGE + 4096)
        await keep(journal, bytes(LARGE))
        with pytest.raises(JournalFull):
            journal.open("dicom", {}, size_hint=LARGE)
        mark_filed(root, journal.id, 1)
        with pytest.raises(JournalFull):  # at most one sample late
            journal.open("dicom", {}, size_hint=LARGE)
        await asyncio.sleep(0.25)
        with pytest.raises(JournalFull):
            journal.open("dicom", {}, size_hint=LARGE)
        await asyncio.sleep(0.05)
        journal.open("dicom", {}, size_hint=LARGE).abort()
        assert measure_usage(root).filed_bytes > LARGE
        remove_segment(root, journal.id, 1)
        assert measure_usage(root).filed_bytes == 0
        await journal.close()

    asyncio.run(scene())


def test_a_bound_smaller_than_a_segment_still_lets_everything_through(root: Path) -> None:
    """The current segment must not keep the room that it takes when all of its records are filed."""

    def file_what_is_ended() -> None:
        for state in journals(root):
            for segment in state.segments:
                if segment.ended and not segment.filed:
                    mark_filed(root, state.id, segment.number)

    async def scene() -> None:
        journal = Journal.create(root, node="n", limit_bytes=2_000_000, segment_bytes=2_000_000)
        refused = 0
        for _ in range(20):
            while True:
                try:
                    await keep(journal, bytes(300_000))
                except JournalFull:
                    refused += 1
                    assert refused < 200
                    await asyncio.sleep(0.02)
                    file_what_is_ended()
                else:
                    break
        assert refused
        await journal.close()

    asyncio.run(scene())
    assert len(records(root)) == 20


def test_aborting_a_refused_record_gives_its_room_back_once(root: Path) -> None:
    async def scene() -> None:
        journal = Journal.create(root, node="n", limit_bytes=LARGE)
        for _ in range(3):
            entry = journal.open("dicom", {})
            entry.write(bytes(LARGE // 2))
            entry.abort()
            entry.abort()
        with pytest.raises(JournalFull):
            journal.open("dicom", {}, size_hint=LARGE + 1)
        journal.open("dicom", {}, size_hint=LARGE).abort()
        await journal.close()

    asyncio.run(scene())


def test_a_disk_that_is_nearly_full_is_no_room_either(root: Path) -> None:
    async def scene() -> None:
        def usage() -> Usage:
            return Usage(unfiled_bytes=0, filed_bytes=filed, free_bytes=free)

        free, filed = 100, 0
        journal = Journal.create(root, node="n", limit_bytes=GIB, floor_bytes=200, usage=usage)
        with pytest.raises(Unavailable):
            journal.open("dicom", {})
        journal.note("association_closed", {})
        await journal.close()
        free, filed = 100, 100  # the drain will evict these before it is too late
        other = Journal.create(root, node="n", limit_bytes=GIB, floor_bytes=200, usage=usage)
        other.open("dicom", {}).abort()
        await other.close()

    asyncio.run(scene())
    assert [record.kind for record in records(root)] == ["association_closed"]


@pytest.mark.parametrize("body", [b"small", bytes(LARGE)])
def test_a_segment_that_goes_after_it_was_listed_holds_nothing(root: Path, body: bytes) -> None:
    async def scene() -> int:
        journal = begin(root, segment_bytes=1)
        await keep(journal, body)
        second = await keep(journal, b"behind it")
        await journal.close()
        return second

    second = asyncio.run(scene())
    [state] = journals(root)
    gone = next(root.glob("*/*.single"), None) or min(root.glob("*/*.seg"))
    gone.unlink()

    batch = read_new(root, state, {})

    assert [record.sequence for record in batch.records] == [second]
    assert batch.damaged == []


def test_segments_go_one_by_one_and_the_journal_after_its_last(root: Path) -> None:
    async def scene() -> str:
        journal = begin(root)
        await keep(journal, b"one")
        with pytest.raises(ValueError, match="still being written"):
            remove_segment(root, journal.id, 1)
        await journal.close()
        return journal.id

    journal_id = asyncio.run(scene())
    (record,) = records(root)
    with pytest.raises(ValueError, match="segments"):
        remove_journal(root, journal_id)
    with open_body(root, record.location) as stream:
        remove_segment(root, journal_id, 1)
        remove_segment(root, journal_id, 1)
        assert stream.read() == b"one"  # whoever reads is not cut off
    with pytest.raises(SegmentGone):
        read_body(root, record.location)
    remove_journal(root, journal_id)
    remove_journal(root, journal_id)
    assert list(root.iterdir()) == []


def test_a_location_cannot_leave_the_journal_folder(root: Path) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        read_body(root, Location(node="n", journal="../" * 8 + "etc/pass", segment=1, offset=0, length=1))


def test_a_closed_journal_takes_nothing(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root)
        entry = journal.open("x", {})
        large = journal.open("x", {}, size_hint=LARGE)
        await journal.close()
        await journal.close()
        with pytest.raises(Unavailable):
            journal.open("x", {})
        with pytest.raises(Unavailable):
            await entry.commit()
        with pytest.raises(Unavailable):
            await large.commit()
        journal.note("x", {})
        assert journal.dropped_notes == 1

    asyncio.run(scene())
    assert records(root) == []
