"""What may be forgotten at any time: moments, files up to a bound, blocks of packs; and hints between processes."""

import io
import os
import time
from pathlib import Path

import pytest

from gateway.file_cache import FileCache
from gateway.hints import Hint
from gateway.momentary import Momentary
from gateway.objects import open_object_store
from gateway.pack_cache import BLOCK_BYTES, PackCache
from gateway.processes import FORK
from gateway.web.server import Shares


def test_what_was_found_out_holds_for_its_moment_and_an_error_for_none() -> None:
    asked: list[str] = []
    moments: Momentary[str, str] = Momentary(for_s=0.2, limit=10)

    def find() -> str:
        asked.append("again")
        return "found"

    assert moments.peek("a") is None
    assert [moments.get("a", find) for _ in range(3)] == ["found"] * 3
    assert (moments.peek("a"), len(asked)) == ("found", 1)
    moments.forget("a")
    assert moments.get("a", find) == "found"
    time.sleep(0.25)
    assert (moments.peek("a"), moments.get("a", find), len(asked)) == (None, "found", 3)

    def fail() -> str:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            moments.get("b", fail)


def test_moments_take_no_more_room_than_they_may() -> None:
    moments: Momentary[int, bytes] = Momentary(for_s=60, limit=100, weigh=len)
    for number in range(20):
        moments.get(number, lambda: b"x" * 10)
    assert sum(moments.peek(number) is not None for number in range(20)) == 10
    assert moments.peek(19) is not None


def test_files_go_when_they_were_not_used_longest(tmp_path: Path) -> None:
    files = FileCache(tmp_path, limit_bytes=10_000)
    for number in range(10):
        files.write(f"{number:02}-name", b"x" * 1000)
        os.utime(files.path(f"{number:02}-name"), (number, number))
    assert files.read("00-name") == b"x" * 1000  # used now
    for number in range(10, 14):
        files.write(f"{number:02}-name", b"x" * 1000)

    kept = {path.name for path in tmp_path.glob("??/*")}
    assert "00-name" in kept
    assert "01-name" not in kept
    assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 10_000
    assert files.read("01-name") is None


def test_ranges_of_a_pack_are_right_whether_fetched_or_kept(tmp_path: Path) -> None:
    objects = open_object_store(tmp_path / "objects")
    body = os.urandom(BLOCK_BYTES * 2 + 1000)
    objects.put("packs/a.tar", io.BytesIO(body), len(body))
    packs = PackCache(objects, FileCache(tmp_path / "cache", limit_bytes=1 << 30))

    for offset, length in ((0, 10), (BLOCK_BYTES - 5, 10), (5, BLOCK_BYTES * 2), (len(body) - 7, 7)):
        for _ in range(2):
            assert packs.read("packs/a.tar", offset, length) == body[offset : offset + length]
    assert packs.read("packs/a.tar", len(body) - 5, 50) == body[-5:]

    objects.delete("packs/a.tar")
    assert packs.read("packs/a.tar", 100, 100) == body[100:200]  # kept


def test_a_hint_reaches_another_process_once() -> None:
    hint = Hint()
    assert not hint.wait(0)
    child = FORK.Process(target=hint.set)
    child.start()
    child.join()
    assert hint.wait(5)
    assert not hint.wait(0)


def test_who_has_the_fewest_connections_is_known_across_processes() -> None:
    shares = Shares(2)
    assert shares.has_least(0)
    shares.say(0, 1)
    assert (shares.has_least(0), shares.has_least(1)) == (False, True)


def test_a_file_that_was_not_written_to_its_end_is_none(tmp_path: Path) -> None:
    files = FileCache(tmp_path, limit_bytes=10_000)
    files.write("abc", b"whole")

    with pytest.raises(ValueError, match="the reader left"), files.growing("abc") as file:
        file.write(b"half")
        raise ValueError("the reader left")

    assert files.read("abc") == b"whole"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["abc"]
