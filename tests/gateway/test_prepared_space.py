"""Space is prepared behind the records of a journal while nothing comes; nobody may see it but the disk."""

import asyncio
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google_crc32c import value

from gateway import fault_points
from gateway.journal import (
    Journal,
    Usage,
    journals,
    mark_filed,
    measure_usage,
    read_body,
    read_new,
    remove_segment,
)
from gateway.journal.segment import PendingRecord, SharedSegment

MIB = 1 << 20
SEGMENT_BYTES = 10 * MIB
QUIET_S = 10.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def faults() -> Iterator[None]:
    yield
    fault_points.arm("")


def begin(root: Path, free_bytes: int = 1 << 40) -> Journal:
    def usage() -> Usage:
        found = measure_usage(root)
        return Usage(unfiled_bytes=found.unfiled_bytes, filed_bytes=found.filed_bytes, free_bytes=free_bytes)

    return Journal.create(
        root, node="n", limit_bytes=1 << 30, segment_bytes=SEGMENT_BYTES, usage=usage, prepares_space=True
    )


async def keep(journal: Journal, body: bytes) -> None:
    entry = journal.open("x", {})
    entry.write(body)
    await entry.commit()


def segments(root: Path) -> list[Path]:
    return sorted(root.glob("*/*.seg"))


async def prepared(root: Path, segment: int = 0) -> None:
    deadline = time.monotonic() + QUIET_S
    while len(segments(root)) <= segment or segments(root)[segment].stat().st_size != SEGMENT_BYTES:
        assert time.monotonic() < deadline, "no space is prepared"
        await asyncio.sleep(0.02)


def bodies(root: Path) -> list[bytes]:
    [state] = journals(root)
    batch = read_new(root, state, {}, limit_bytes=1 << 30)
    assert batch.damaged == []
    return [read_body(root, record.location) for record in batch.records]


def test_what_is_written_into_prepared_space_is_read_as_ever(root: Path) -> None:
    written = [b"before", os.urandom(3 * MIB), b"", os.urandom(5000), os.urandom(MIB)]

    async def scene() -> None:
        journal = begin(root)
        await keep(journal, written[0])
        await prepared(root)
        assert measure_usage(root).unfiled_bytes < 1000
        [segment] = journals(root)[0].segments
        assert segment.size_bytes == segment.readable_to < 1000
        for body in written[1:]:
            await keep(journal, body)
        assert bodies(root) == written
        await journal.close()

    asyncio.run(scene())
    assert bodies(root) == written
    [segment] = journals(root)[0].segments
    assert segment.size_bytes == segment.readable_to == segments(root)[0].stat().st_size


def test_a_segment_that_is_half_full_is_ended_when_nothing_comes_and_the_next_is_prepared(root: Path) -> None:
    first = os.urandom(SEGMENT_BYTES // 2)

    async def scene() -> None:
        journal = begin(root)
        for part in (first[: 3 * MIB], first[3 * MIB :]):
            await keep(journal, part)
        await prepared(root, segment=1)
        ended, live = journals(root)[0].segments
        assert (ended.ended, live.ended, live.size_bytes) == (True, False, 0)
        mark_filed(root, journal.id, ended.number)
        remove_segment(root, journal.id, ended.number)
        await keep(journal, b"next")
        assert bodies(root) == [b"next"]
        await journal.close()

    asyncio.run(scene())


@pytest.mark.parametrize("lost", [0, 20])
def test_a_writer_that_was_killed_leaves_no_prepared_space_behind(
    root: Path, tmp_path: Path, lost: int
) -> None:
    """Also when the last bytes of its last record are still zeros."""
    copy = tmp_path / "copy"

    async def scene() -> None:
        journal = begin(root)
        await keep(journal, b"first")
        await prepared(root)
        await keep(journal, b"second" + bytes(10))
        shutil.copytree(root, copy)
        await journal.close()

    asyncio.run(scene())
    end = segments(root)[0].stat().st_size
    [segment] = segments(copy)
    with segment.open("r+b") as file:
        file.seek(end - lost)
        file.write(bytes(lost))
    segment.with_suffix(".mark").unlink()
    assert bodies(copy) == [b"first", b"second" + bytes(10)][: 1 if lost else 2]
    assert end - lost <= segment.stat().st_size < end + 2 * 4096


def test_no_record_meets_the_zeros_that_are_written_behind_it(tmp_path: Path, faults: None) -> None:
    """Records that end before, in and behind the space that another thread prepares meanwhile."""
    fault_points.arm("journal.preparing=delay:0.03")
    for seed in range(4):
        randomly = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        segment = SharedSegment(folder, "0" * 32, 1, limit_bytes=24 * MIB)
        preparing = threading.Thread(target=lambda segment=segment: list(segment.prepare()))
        written, sequence = [], 0
        preparing.start()
        while segment.has_room_for(2 * MIB):
            sequence += 1
            body = randomly.randbytes(randomly.choice([100, 5000, 4096 - 28, 300_000, MIB]))
            segment.append(
                [
                    PendingRecord(
                        sequence=sequence,
                        head=b'{"kind":"x","origin":{}}',
                        body=[body],
                        body_length=len(body),
                        body_crc=value(body),
                    )
                ]
            )
            written.append(body)
        preparing.join()
        segment.sync()
        segment.publish()
        segment.end()
        data = (folder / "00000001.seg").read_bytes()
        assert len(data) == segment.end_of_records
        at = 0
        for body in written:
            at = data.find(body, at)
            assert at > 0
            at += len(body)


def test_no_space_is_prepared_on_a_disk_that_has_not_plenty(root: Path) -> None:
    async def scene() -> None:
        journal = begin(root, free_bytes=1 << 30)
        await keep(journal, b"body")
        await asyncio.sleep(1.3)
        assert segments(root)[0].stat().st_size < 1000
        await journal.close()

    asyncio.run(scene())


def test_space_that_cannot_be_prepared_costs_nobody_a_record(root: Path, faults: None) -> None:
    fault_points.arm("journal.preparing=error")

    async def scene() -> None:
        journal = begin(root)
        await keep(journal, b"first")
        await asyncio.sleep(1.3)
        await keep(journal, b"second")
        assert segments(root)[0].stat().st_size < 1000
        await journal.close()

    asyncio.run(scene())
    assert bodies(root) == [b"first", b"second"]
