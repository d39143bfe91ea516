"""Large bodies that are written past the page cache: whatever their length, and whatever goes wrong with a piece."""

import asyncio
import os
import random
import resource
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from adapters.errors import Unavailable
from gateway import fault_points, ingest
from gateway.journal import Journal, Usage, journals, read_body, read_new, verify_body
from gateway.journal.direct import FLIGHTS, PIECE_BYTES, PIECES, DirectFile, Pieces
from gateway.journal.segment import PAGE_BYTES
from gateway.journal.writer import COLLECT_BYTES
from gateway.late_journal import LateJournal
from gateway.settings import Settings
from gateway.status import run_status
from gateway.status_file import write_whole

PAGE = PAGE_BYTES
BEGINNING, ENDING = b"beginning", b"ending"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(5) as pool:
        yield pool


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    fault_points.arm("")


def write(path: Path, body: bytes, chance: random.Random, pool: ThreadPoolExecutor, pieces: Pieces) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    file = DirectFile(path, handle, pieces, pool)
    file.append([bytes(len(BEGINNING))])
    at = 0
    while at < len(body):
        chunks = []
        for _ in range(chance.randint(1, 9)):
            chunks.append(memoryview(body)[at : at + chance.choice((1, 700, PAGE, 131_066, 900_000))])
            at += len(chunks[-1])
        file.append(chunks)
    assert file.end == len(BEGINNING) + len(body)
    file.finish(BEGINNING, ENDING)
    file.close()
    os.close(handle)


AROUND = [
    at + more for at in (PAGE, PIECE_BYTES, PIECE_BYTES + PAGE, 3 * PIECE_BYTES) for more in (-10, -9, -8, 0)
]


@pytest.mark.parametrize("size", [0, 1, *AROUND, 18_000_001])
def test_a_file_has_what_was_appended_whatever_its_length(
    tmp_path: Path, pool: ThreadPoolExecutor, size: int
) -> None:
    body, pieces = random.Random(size).randbytes(size), Pieces()
    write(tmp_path / "file", body, random.Random(size), pool, pieces)
    assert (tmp_path / "file").read_bytes() == BEGINNING + body + ENDING
    assert pieces.free == PIECES, "every piece was given back"


def test_where_the_disk_is_slower_than_the_network_nobody_waits_and_nothing_is_mixed_up(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """While the pieces it may have in flight are held up, the next ones go through the page cache."""
    fault_points.arm(f"single.flying=delay@1:3;single.flying=delay@{FLIGHTS}:3")
    body, pieces = random.Random(1).randbytes(12_345_678), Pieces()
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    file = DirectFile(tmp_path / "file", handle, pieces, pool)
    file.append([bytes(len(BEGINNING)), body])
    assert file.is_flying, "they are held up still, and all was taken"
    assert pieces.free == PIECES - 1 - FLIGHTS
    file.finish(BEGINNING, ENDING)
    file.close()
    os.close(handle)
    assert (tmp_path / "file").read_bytes() == BEGINNING + body + ENDING


def test_when_all_pieces_are_in_use_a_body_goes_through_the_page_cache(tmp_path: Path) -> None:
    bodies = [random.Random(n).randbytes(COLLECT_BYTES + 100_000 + n) for n in range(PIECES + 3)]

    async def scene() -> None:
        journal = Journal.create(tmp_path, node="n", limit_bytes=1 << 40, floor_bytes=0)
        entries = [journal.open("x", {}, size_hint=len(body)) for body in bodies]
        for entry, body in zip(entries, bodies, strict=True):
            entry.write(body)
        await asyncio.gather(*(entry.commit() for entry in entries))
        await journal.close()

    asyncio.run(scene())
    assert sorted(kept(tmp_path)) == sorted(bodies)


@pytest.mark.parametrize("piece", [1, 3])
def test_a_piece_that_the_disk_does_not_take_refuses_its_record_alone(tmp_path: Path, piece: int) -> None:
    body = random.Random(2).randbytes(COLLECT_BYTES + 500_000)

    async def scene() -> None:
        journal = Journal.create(tmp_path, node="n", limit_bytes=1 << 40, floor_bytes=0)
        fault_points.arm(f"single.flying=error@{piece}")
        entry = journal.open("x", {})
        entry.write(body)
        with pytest.raises(Unavailable):
            await entry.commit()
        assert parts(tmp_path) == []
        again = journal.open("x", {})
        again.write(body)
        await again.commit()
        await journal.close()

    asyncio.run(scene())
    assert kept(tmp_path) == [body]


def test_a_body_that_is_dropped_while_its_pieces_are_written_leaves_nothing_and_touches_no_other(
    tmp_path: Path,
) -> None:
    """A handle that were closed under a piece could belong to the next file by the time that it is written."""
    first, second = (random.Random(n).randbytes(COLLECT_BYTES + 1_000_000) for n in (3, 4))

    async def scene() -> None:
        journal = Journal.create(tmp_path, node="n", limit_bytes=1 << 40, floor_bytes=0)
        fault_points.arm("single.flying=delay@1:3;single.flying=delay@2:3")
        entry = journal.open("x", {})
        entry.write(first)
        began = time.monotonic()
        entry.abort()
        assert time.monotonic() - began < 2.5, "the loop does not wait for the disk"
        other = journal.open("x", {})
        other.write(second)
        await other.commit()
        await journal.close()

    asyncio.run(scene())
    assert kept(tmp_path) == [second]
    assert parts(tmp_path) == []


@pytest.mark.parametrize("room", [3 * PIECE_BYTES + 5 * PAGE, 3 * PIECE_BYTES + 700, PIECE_BYTES, 700])
def test_a_piece_of_which_the_disk_takes_only_a_part_refuses_its_record_and_keeps_nothing_of_it(
    tmp_path: Path, room: int
) -> None:
    """A file may only become so long: the kernel writes as much of a piece as fits, as on a disk that becomes full."""
    body = random.Random(5).randbytes(COLLECT_BYTES + 2_000_000)

    async def scene() -> None:
        journal = Journal.create(tmp_path, node="n", limit_bytes=1 << 40, floor_bytes=0)
        with files_no_longer_than(room):
            entry = journal.open("x", {})
            entry.write(body)
            with pytest.raises(Unavailable):
                await entry.commit()
        assert parts(tmp_path) == []
        again = journal.open("x", {})
        again.write(body)
        await again.commit()
        assert journal.writes_direct, "a full disk says nothing about what its file system can do"
        await journal.close()

    asyncio.run(scene())
    assert kept(tmp_path) == [body]


def test_a_piece_that_came_to_the_disk_in_two_parts_is_whole(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """The first part ends inside a page, so the rest cannot go the same way."""
    body, pieces = random.Random(6).randbytes(PIECE_BYTES), Pieces()
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    file = DirectFile(tmp_path / "file", handle, pieces, pool)
    piece = pieces.take()
    piece[:] = body
    with files_no_longer_than(5 * PAGE), pytest.raises(OSError):
        file._write(piece, 0)
    file._write(piece, 0)
    assert (tmp_path / "file").read_bytes() == body
    file.close()
    os.close(handle)


def test_where_a_file_system_has_no_such_way_it_is_the_page_cache_and_that_is_said(
    without_direct: Path,
) -> None:
    settings = Settings(data_dir=without_direct, database_url="postgresql+psycopg://gateway@127.0.0.1:1/none")
    bodies = [random.Random(n).randbytes(COLLECT_BYTES + 100_000 + n) for n in range(3)]
    a_large_disk = Usage(
        unfiled_bytes=0, filed_bytes=0, free_bytes=1 << 40
    )  # which this one says of itself as 0

    async def scene() -> None:
        journal = LateJournal(
            lambda: Journal.create(
                settings.journal_dir, node="n", limit_bytes=1 << 40, usage=lambda: a_large_disk
            )
        )
        for body in bodies:
            entry = journal.open("x", {})
            entry.write(body)
            await entry.commit()
        write_whole(ingest._status_path(settings), ingest._status(settings, [], [], journal))
        await journal.close()

    with structlog.testing.capture_logs() as said:
        asyncio.run(scene())
    assert [entry["event"] for entry in said].count("direct_writes_not_available") == 1
    assert sorted(kept(settings.journal_dir)) == sorted(bodies)
    console = Console(width=300, record=True)
    run_status(settings, console, watch=False)
    assert "large bodies go through the page cache" in console.export_text()


@pytest.fixture
def without_direct(tmp_path: Path) -> Iterator[Path]:
    """A file system whose open(2) refuses O_DIRECT."""
    folder = tmp_path / "ramfs"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "ramfs", "none", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def parts(root: Path) -> list[Path]:
    return list(root.glob("*/*.part"))


def kept(root: Path) -> list[bytes]:
    (state,) = journals(root)
    found = read_new(root, state, {}).records
    for record in found:
        verify_body(root, record.location)
    return [read_body(root, record.location) for record in found]
