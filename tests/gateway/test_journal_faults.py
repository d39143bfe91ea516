"""What the intake journal keeps when the process, the disk or the bytes fail."""

import asyncio
import contextlib
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google_crc32c import value

from adapters.errors import Unavailable
from gateway.journal import (
    Batch,
    BodyDamaged,
    Journal,
    JournalRecord,
    UnknownFormat,
    journals,
    open_body,
    read_body,
    read_new,
    verify_body,
)
from gateway.journal.writer import COLLECT_ALL_BYTES

GIB = 1 << 30
LARGE = 5 * 1024 * 1024


def begin(root: Path, **options: object) -> Journal:
    return Journal.create(root, node="n", limit_bytes=GIB, **options)  # type: ignore[arg-type]


async def keep(journal: Journal, body: bytes) -> None:
    entry = journal.open("dicom", {"peer": "CT"})
    entry.write(body)
    await entry.commit()


def read_all(root: Path) -> Batch:
    (state,) = journals(root)
    return read_new(root, state, {})


def bodies(root: Path) -> list[bytes]:
    return [read_body(root, record.location) for record in read_all(root).records]


def files(root: Path) -> set[str]:
    """Names of the segment files under the root."""
    return {path.name for path in root.glob("*/0*")}


def syncs_fail_from_now_on(name: str) -> None:
    """Put /dev/null, which takes every write and answers every sync with an error, where this file is open."""
    (handle,) = [
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink().name == name
    ]
    with Path("/dev/null").open("r+b") as null:
        os.dup2(null.fileno(), handle)


@contextlib.contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Files of this process may not grow beyond it: the write that crosses it is short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def crash_with_tail(tmp_path: Path) -> tuple[Path, Path, int]:
    """A journal as a crash leaves it: two acknowledged records, two more appended but not marked as synced."""
    live, dead = tmp_path / "live", tmp_path / "dead"

    async def scene() -> None:
        journal = begin(live)
        await keep(journal, b"first")
        await keep(journal, b"second")
        shutil.copytree(live, dead)
        await keep(journal, b"third")
        await keep(journal, b"fourth")
        await journal.close()

    asyncio.run(scene())
    (segment,) = dead.glob("*/*.seg")
    synced_to = segment.stat().st_size
    shutil.copy(live / segment.relative_to(dead), segment)
    return dead, segment, synced_to


def unsettled_copies(dead: Path, segment: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    while True:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(dead, copy)
        yield copy, copy / segment.relative_to(dead)


@pytest.mark.parametrize("mark", ["kept", "lost", "torn"])
def test_a_log_cut_at_any_byte_keeps_what_was_acknowledged_and_no_torn_record(
    tmp_path: Path, mark: str
) -> None:
    dead, segment, synced_to = crash_with_tail(tmp_path)
    size = segment.stat().st_size
    if mark == "lost":
        segment.with_suffix(".mark").unlink()
    elif mark == "torn":
        segment.with_suffix(".mark").write_bytes(b"\0" * 16)
    whole = [b"first", b"second", b"third", b"fourth"]
    seen = set()
    for cut, (copy, file) in zip(
        range(synced_to, size + 1), unsettled_copies(dead, segment, tmp_path), strict=False
    ):
        os.truncate(file, cut)
        found = bodies(copy)
        seen.add(len(found))
        assert found == whole[: len(found)] and len(found) >= 2
        assert read_all(copy).damaged == []
    assert seen == {2, 3, 4}


def test_a_log_torn_at_any_byte_behind_the_mark_accepts_no_torn_record(tmp_path: Path) -> None:
    dead, segment, synced_to = crash_with_tail(tmp_path)
    third_ends = synced_to + (segment.stat().st_size - synced_to - 1) // 2  # "fourth" is one byte longer
    for at, (copy, file) in zip(
        range(synced_to, third_ends), unsettled_copies(dead, segment, tmp_path), strict=False
    ):
        data = bytearray(file.read_bytes())
        data[at] ^= 0x20
        file.write_bytes(data)
        assert bodies(copy) == [b"first", b"second", b"fourth"]
        assert (
            len(read_all(copy).damaged) == 1
        )  # it stands before something whole, so it is not passed in silence


def test_rot_in_the_middle_is_reported_and_what_follows_is_still_read(tmp_path: Path) -> None:
    dead, segment, synced_to = crash_with_tail(tmp_path)
    journals(dead)  # settled: from here on everything is within the mark
    second = read_all(dead).records[1].location
    first_ends = read_all(dead).records[0].location.offset + len(b"first") + 8
    for at in range(first_ends, synced_to):
        data = bytearray(segment.read_bytes())
        data[at] ^= 0x01
        segment.write_bytes(data)
        batch = read_all(dead)
        assert [record.head for record in batch.records] == [b"first", b"third", b"fourth"]
        (damaged,) = batch.damaged
        assert damaged.location.offset == first_ends
        assert damaged.location.offset + damaged.location.length == synced_to
        assert read_body(dead, damaged.location) == data[first_ends:synced_to]
        data[at] ^= 0x01
        segment.write_bytes(data)
    assert read_body(dead, second) == b"second"


def test_rot_in_a_large_body_is_found_by_verify_body(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        await keep(journal, bytes(LARGE))
        await keep(journal, bytes(100_000))
        await journal.close()

    asyncio.run(scene())
    for record in read_all(tmp_path).records:
        path = next(tmp_path.glob(f"*/{record.location.segment:08d}.s*"))
        verify_body(tmp_path, record.location)
        with open_body(tmp_path, record.location) as stream:
            assert len(stream.read()) == record.location.length
        with path.open("r+b") as file:
            file.seek(record.location.offset + 80_000)
            file.write(b"\1")
        with pytest.raises(BodyDamaged):
            verify_body(tmp_path, record.location)
        with pytest.raises(BodyDamaged), open_body(tmp_path, record.location) as stream:
            stream.read()


def test_a_rotten_segment_header_is_reported_and_other_segments_are_read(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        await keep(journal, bytes(LARGE))
        await keep(journal, b"small")
        await journal.close()

    asyncio.run(scene())
    (large,) = tmp_path.glob("*/*.single")
    with large.open("r+b") as file:
        file.write(b"rot")
    batch = read_all(tmp_path)
    assert [record.head for record in batch.records] == [b"small"]
    assert batch.damaged[0].location.length == large.stat().st_size


def test_a_segment_sent_as_a_body_does_not_pass_for_records(tmp_path: Path) -> None:
    """A peer may send us a file that is itself a journal, and its own record's header may rot."""

    async def scene(root: Path, body: bytes) -> None:
        journal = begin(root)
        await keep(journal, body)
        await keep(journal, b"last")
        await journal.close()

    asyncio.run(scene(tmp_path / "inner", b"forged"))
    asyncio.run(scene(tmp_path / "outer", next(tmp_path.glob("inner/*/*.seg")).read_bytes()))
    segment = next((tmp_path / "outer").glob("*/*.seg"))
    first = read_all(tmp_path / "outer").records[0].location
    with segment.open("r+b") as file:
        file.seek(44)  # the first record's header
        file.write(b"rot!")
    batch = read_all(tmp_path / "outer")
    assert [record.head for record in batch.records] == [b"last"]
    assert batch.damaged[0].location.offset < first.offset


def test_a_disk_that_takes_no_more_refuses_one_record_and_the_next_goes_to_a_new_segment(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        with largest_file(1_000_000):
            await keep(journal, b"a" * 600_000)
            journal.note("association_closed", {})
            with pytest.raises(Unavailable, match="large"):
                await keep(journal, b"b" * 600_000)
            await keep(journal, b"c" * 600_000)
        assert journal.dropped_notes == 1
        assert [len(body) for body in bodies(tmp_path)] == [600_000, 600_000]
        await journal.close()

    asyncio.run(scene())
    for mark in tmp_path.glob("*/*.mark"):
        mark.unlink()  # even without its mark a retired segment holds nothing that was refused
    assert [body[:1] for body in bodies(tmp_path)] == [b"a", b"c"]
    assert read_all(tmp_path).damaged == []


def test_what_was_written_whole_before_a_write_failed_is_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        await keep(journal, b"a" * 1000)
        with largest_file(1_000_000):
            outcomes = await asyncio.gather(
                keep(journal, b"b" * 600_000),
                keep(journal, b"c" * 600_000),
                keep(journal, b"d" * 600_000),
                return_exceptions=True,
            )
        assert outcomes[0] is None
        assert {type(one) for one in outcomes[1:]} <= {Unavailable, type(None)}
        assert isinstance(outcomes[1], Unavailable)
        await keep(journal, b"e")
        kept = [b"b"] + [
            letter for letter, one in zip((b"c", b"d"), outcomes[1:], strict=True) if one is None
        ]
        assert [body[:1] for body in bodies(tmp_path)] == [b"a", *kept, b"e"]
        await journal.close()

    asyncio.run(scene())
    assert read_all(tmp_path).damaged == []


def test_a_large_body_that_does_not_fit_is_refused_at_its_commit_and_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        entry = journal.open("dicom", {})
        with largest_file(LARGE):
            for _ in range(8):
                entry.write(bytes(1_000_000))
            with pytest.raises(Unavailable, match="large"):
                await entry.commit()
        assert files(tmp_path) == set()
        await keep(journal, b"next")
        await journal.close()

    asyncio.run(scene())
    assert bodies(tmp_path) == [b"next"]


def test_a_failed_sync_is_told_to_everybody_who_waited_and_never_tried_again_on_that_file(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        await keep(journal, b"before")
        syncs_fail_from_now_on("00000001.seg")
        outcomes = await asyncio.gather(*(keep(journal, b"lost") for _ in range(5)), return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, Unavailable)]
        assert len(refused) >= 1  # the first group; whoever came later found a new segment
        await keep(journal, b"after")
        found = bodies(tmp_path)
        assert found == [b"before"] + [b"lost"] * (5 - len(refused)) + [b"after"]
        await journal.close()

    asyncio.run(scene())


def test_segments_roll_over_and_every_record_is_read_once(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path, segment_bytes=10_000)
        await asyncio.gather(*(keep(journal, bytes([n]) * 3000) for n in range(20)))
        await keep(journal, b"x" * 50_000)  # larger than a segment: alone in one
        await journal.close()

    asyncio.run(scene())
    (state,) = journals(tmp_path)
    assert all(segment.ended for segment in state.segments)
    assert max(segment.size_bytes for segment in state.segments[:-1]) <= 10_000
    cursors: dict[int, int] = {}
    sequences = []
    while (batch := read_new(tmp_path, state, cursors, limit=100, limit_bytes=7000)).cursors:
        sequences += [record.sequence for record in batch.records]
        cursors |= batch.cursors
    assert sequences == list(range(1, 22))
    assert all(cursors[segment.number] == segment.readable_to for segment in state.segments)


def test_a_journal_of_a_newer_gateway_is_refused_not_guessed_at(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = begin(tmp_path)
        await keep(journal, b"body")
        await journal.close()

    asyncio.run(scene())
    (segment,) = tmp_path.glob("*/*.seg")
    data = bytearray(segment.read_bytes())
    struct.pack_into("<H", data, 8, 2)
    struct.pack_into("<I", data, 40, value(bytes(data[:40])))
    segment.write_bytes(data)
    with pytest.raises(UnknownFormat, match="journal format 2"):
        read_all(tmp_path)


WRITER = """
import asyncio, os, sys
from pathlib import Path
from gateway.journal import Journal

async def send(journal, lane):
    for n in range(100_000):
        name = f"{os.getpid()}-{lane}-{n}"
        entry = journal.open("dicom", {"name": name})
        size = 5_000_000 if (n + lane * 13) % 50 == 49 else (n * 977 + lane) % 60_000
        entry.write(name.encode() + bytes(size))
        await entry.commit()
        os.write(1, f"{name}\\n".encode())

async def main():
    journal = Journal.create(Path(sys.argv[1]), node="n", limit_bytes=1 << 40)
    await asyncio.gather(*(send(journal, lane) for lane in range(4)))

asyncio.run(main())
"""


def test_a_writer_killed_at_any_moment_has_kept_all_it_acknowledged(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(random.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged |= {line for line in (first + rest).decode().split("\n")[:-1] if line}
    found: list[str] = []
    for state in journals(tmp_path):
        assert not state.alive
        batch = read_new(tmp_path, state, {}, limit=1_000_000, limit_bytes=GIB)
        assert batch.damaged == []
        for record in batch.records:
            verify_body(tmp_path, record.location)
            assert record.head.startswith(record.origin["name"].encode())
            found.append(record.origin["name"])
    assert len(found) == len(set(found))
    assert acknowledged <= set(found)
    assert len(acknowledged) > 5
    assert not any(name.endswith(".part") for name in files(tmp_path))


def test_a_reader_beside_a_live_writer_gets_each_record_once_and_in_the_order_of_its_sender(
    tmp_path: Path,
) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    drained = threading.Thread(target=writer.stdout.read)
    drained.start()
    cursors: dict[int, int] = {}
    found: list[JournalRecord] = []

    def read_once(limit: int) -> None:
        for state in journals(tmp_path):
            batch = read_new(tmp_path, state, cursors, limit=limit)
            assert batch.damaged == []
            found.extend(batch.records)
            cursors.update(batch.cursors)

    deadline = time.monotonic() + 60
    while len(found) < 300 and time.monotonic() < deadline:
        read_once(limit=7)
    alive = [state.alive for state in journals(tmp_path)]
    writer.kill()
    writer.wait()
    drained.join()
    for _ in range(3):
        read_once(limit=1_000_000)

    assert alive == [True]
    assert len(found) >= 300
    for lane in range(4):
        of_lane = [record.origin["name"].split("-") for record in found]
        numbers = [int(n) for _, its_lane, n in of_lane if int(its_lane) == lane]
        assert numbers == list(range(len(numbers)))


BIG = """
import asyncio, resource, sys
from pathlib import Path
from gateway.journal import Journal

async def main():
    journal = Journal.create(Path(sys.argv[1]), node="n", limit_bytes=1 << 40)
    entry = journal.open("dicom", {})
    view = memoryview(bytearray(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        entry.write(view)
        await asyncio.sleep(0)
    await entry.commit()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    await journal.close()

asyncio.run(main())
"""


def test_a_body_of_300_mb_takes_a_few_mb_of_memory(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", BIG, str(tmp_path)], capture_output=True, check=True)
    assert int(result.stdout) < 30
    (record,) = read_all(tmp_path).records
    assert record.location.length == 300 << 20
    verify_body(tmp_path, record.location)


def test_hundreds_of_senders_that_stall_do_not_fill_the_memory(tmp_path: Path) -> None:
    sent = [bytes([number]) * (3 << 20) for number in range(60)]

    async def stall_then_finish() -> int:
        journal = begin(tmp_path)
        entries = []
        for body in sent:
            entry = journal.open("dicom", {"peer": "CT"})
            entry.write(body)
            entries.append(entry)
        collected = sum(len(chunk) for entry in entries for chunk in entry._chunks)
        await asyncio.gather(*(entry.commit() for entry in entries))
        await journal.close()
        assert journal._collected == 0
        return collected

    assert asyncio.run(stall_then_finish()) <= COLLECT_ALL_BYTES
    assert sorted(bodies(tmp_path)) == sorted(sent)
