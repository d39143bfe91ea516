"""Large bodies that are written past the page cache: whatever their length, and whatever goes wrong with a piece."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.errors import Unavailable
from gateway import fault_points
from gateway.journal import Journal, journals, read_body, read_new, verify_body
from gateway.journal.direct import FLIGHTS, PIECE_BYTES, PIECES, DirectFile, Pieces
from gateway.journal.writer import COLLECT_BYTES

PAGE = 4096
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


def parts(root: Path) -> list[Path]:
    return list(root.glob("*/*.part"))


def kept(root: Path) -> list[bytes]:
    (state,) = journals(root)
    found = read_new(root, state, {}).records
    for record in found:
        verify_body(root, record.location)
    return [read_body(root, record.location) for record in found]
