"""What a share of carts may also hold: names of every kind, what is no file, what is written slowly, what is too much."""

import contextlib
import ctypes
import dataclasses
import os
import socket
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from gateway.carts.apart import Readers
from gateway.carts.names import shown_name
from gateway.carts.places import is_being_written
from tests.gateway.carts.conftest import NOW, Drop, open_drop
from tests.gateway.carts.recordings import aecg, put

DAY = "done/2026-11-21"
MEBIBYTE = 1 << 20
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2  # capabilities(7)
CAPABILITY_VERSION = 0x20080522


def names_of(drop: Drop) -> list[str]:
    return [record.origin["filename"] for record in drop.records("ecg.file")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("王五.xml".encode("gb18030"), "王五.xml"),
        ("王五.xml".encode(), "王五.xml"),
        (b"C:\\ECG\\out\\a.xml", "a.xml"),
        (b"a\r\nSet-Cookie: x\x07\x1b[31m.xml", "aSet-Cookie: x[31m.xml"),
        ("a\u202elmx.exe.xml".encode(), "almx.exe.xml"),
        (b"\xff\xff.xml", "\ufffd\ufffd.xml"),
    ],
)
def test_names_are_shown_as_people_read_them_and_the_file_keeps_its_own(
    drop: Drop, name: bytes, shown: str
) -> None:
    folder = os.fsencode(drop.root / "cart-1")
    with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123 (octets)
        file.write(aecg())
    with open(os.path.join(folder, b"bad" + name), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"no ECG")
    drop.settle()
    drop.look(after_s=3)

    assert names_of(drop) == [shown]
    assert [os.fsencode(path.name) for path in (drop.root / "cart-1" / DAY).iterdir()] == [name]
    [note] = (drop.root / "cart-1/refused").glob("*.txt")
    assert "\n".join(note.read_text("utf-8-sig").splitlines()).count("\n") == 8
    told = drop.wait_for_records("file.refusal")[0].origin["comment"]
    assert told == shown_name(os.fsdecode(b"bad" + name))
    assert told.isprintable()


@pytest.mark.parametrize("letter", ["n", "心"])
def test_the_longest_name_that_there_is_is_moved_too(drop: Drop, letter: str) -> None:
    longest = letter * (251 // len(letter.encode())) + ".xml"
    for content in (aecg("E1"), aecg("E2"), b"no ECG", b"nor this"):
        put(drop.root / "cart-1", {longest: content})
        drop.settle()

    files = drop.files("cart-1")
    assert sorted(path.split("/")[0] for path in files) == ["done"] * 2 + ["refused"] * 4
    assert all(len(os.fsencode(Path(path).name)) <= 255 for path in files)
    assert len(drop.records("ecg.file")) == 2


def test_what_windows_and_office_leave_beside_a_file_is_left_alone(drop: Drop) -> None:
    put(
        drop.root / "cart-1",
        dict.fromkeys(["~$a.xml", "~a.xml", "a.xml.TMP", "._a.xml", "desktop.ini"], aecg()),
    )
    drop.settle()
    drop.look(after_s=drop.settings.drop_incomplete_s)

    assert names_of(drop) == []
    assert len(drop.files("cart-1")) == 5


def test_what_is_no_file_is_neither_waited_for_nor_touched(drop: Drop) -> None:
    folder = drop.root / "cart-1"
    os.mkfifo(folder / "pipe.xml")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(folder):
        listener.bind("socket.xml")
    put(folder, {"a.xml": aecg()})
    drop.settle()

    assert names_of(drop) == ["a.xml"]
    assert {"pipe.xml", "socket.xml"} <= {path.name for path in folder.iterdir()}


def test_a_cart_that_pauses_longer_than_a_file_must_lie_still_is_waited_for(drop: Drop) -> None:
    path = drop.root / "cart-1/a.xml"
    whole = aecg()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(whole), 1000):
            file.write(whole[start : start + 1000])
            drop.look(after_s=1)
            for _ in range(3):
                drop.look(after_s=6)
            assert drop.files("cart-1") == {"a.xml"} or start + 1000 >= len(whole)
    drop.settle()

    assert drop.body(drop.records("ecg.file")[0]) == whole
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}
    assert drop.records("file.refusal") == []


def test_what_can_be_read_is_taken_at_once_and_moved_when_it_is_let_go(drop: Drop) -> None:
    path = drop.root / "cart-1/a.xml"
    with path.open("wb", buffering=0) as file:
        file.write(aecg())
        drop.settle()
        assert len(drop.records("ecg.file")) == 1  # it may be chest pain
        drop.look(after_s=60)
        assert drop.files("cart-1") == {"a.xml"}
    drop.look(after_s=1)

    assert drop.files("cart-1") == {f"{DAY}/a.xml"}
    assert len(drop.records("ecg.file")) == 1


def test_a_file_that_is_never_let_go_is_refused_at_last(drop: Drop) -> None:
    path = drop.root / "cart-1/a.xml"
    with path.open("wb", buffering=0) as file:
        file.write(b"no ECG")
        assert is_being_written(path)
        drop.settle()
        assert drop.files("cart-1") == {"a.xml"}
        drop.look(after_s=drop.settings.drop_incomplete_s)

    assert drop.files("cart-1") == {"refused/a.xml", "refused/a.xml.txt"}


def test_a_file_that_is_replaced_while_it_is_read_is_another_one(drop: Drop) -> None:
    path = drop.root / "cart-1/a.xml"
    path.write_bytes(aecg("E1"))

    def replace_it() -> datetime:
        """Asked for in the midst of taking: after it was copied, before it is journalled."""
        if any(drop.taking.work_dir.glob("*")) and b'"E1"' in path.read_bytes():
            put(path.parent, {".new": aecg("E2")})
            (path.parent / ".new").replace(path)
        return NOW

    drop.taking = dataclasses.replace(drop.taking, now=replace_it)
    drop.restart()
    drop.settle()
    assert drop.files("cart-1") == {"a.xml"}
    drop.settle()

    assert [drop.body(record) for record in drop.records("ecg.file")] == [aecg("E1"), aecg("E2")]
    assert drop.files("cart-1") == {f"{DAY}/a.xml"}


def test_a_file_beyond_the_limit_is_refused_without_being_copied(drop: Drop) -> None:
    path = drop.root / "cart-1/day.ecg"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    put(drop.root / "cart-1", {"a.xml": aecg()})
    drop.settle()

    assert drop.files("cart-1") == {"refused/day.ecg", "refused/day.ecg.txt", f"{DAY}/a.xml"}
    assert "1048576 MB" in (drop.root / "cart-1/refused/day.ecg.txt").read_text("utf-8-sig")


def test_a_journal_at_its_limit_leaves_files_where_they_are_and_smaller_ones_pass(
    tmp_path: Path, readers: Readers
) -> None:
    large = aecg("LARGE") + b"<!--" + b" " * 3 * MEBIBYTE + b"-->"
    with open_drop(tmp_path / "data", readers, journal_bytes=2 * MEBIBYTE) as drop:
        put(drop.root / "cart-1", {"a-large.xml": large, "b.xml": aecg("SMALL")})
        drop.settle()
        assert names_of(drop) == ["b.xml"]
        assert drop.files("cart-1") == {"a-large.xml", f"{DAY}/b.xml"}
        assert drop.watch.tally.troubles == {"drop_waits": "1"}
        for _ in range(3):
            drop.look(after_s=10)
        assert drop.files("cart-1") == {"a-large.xml", f"{DAY}/b.xml"}

    with open_drop(tmp_path / "data", readers, journal_bytes=64 * MEBIBYTE) as drop:
        drop.settle()
        assert sorted(names_of(drop)) == ["a-large.xml", "b.xml"]
        assert drop.body(next(one for one in drop.records() if one.origin["filename"][0] == "a")) == large
        assert drop.files("cart-1") == {f"{DAY}/a-large.xml", f"{DAY}/b.xml"}
        assert drop.watch.tally.troubles == {}


def test_a_folder_that_may_not_be_looked_into_keeps_nothing_else_from_being_taken(drop: Drop) -> None:
    folder = drop.root / "cart-1"
    put(folder / "locked", {"b.xml": aecg("E2")})
    put(folder, {"a.xml": aecg("E1"), "secret.xml": aecg("E3")})
    (folder / "locked").chmod(0)
    (folder / "secret.xml").chmod(0)
    with without_overriding():
        drop.settle()
        assert names_of(drop) == ["a.xml"]
        assert drop.watch.tally.troubles == {"drop_stuck": "Permission denied"}
    (folder / "locked").chmod(0o700)
    (folder / "secret.xml").chmod(0o600)
    drop.settle()
    drop.look(after_s=40)
    drop.look(after_s=1)

    assert sorted(names_of(drop)) == ["a.xml", "b.xml", "secret.xml"]
    assert drop.watch.tally.troubles == {}


@contextlib.contextmanager
def without_overriding() -> Iterator[None]:
    """As a process that is bound by permissions, though root runs the tests: for this thread alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    before = ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    effective, *others = struct.unpack("=6I", before.raw)
    bound = struct.pack("=6I", effective & ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH), *others)
    assert libc.capset(header, bound) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0
