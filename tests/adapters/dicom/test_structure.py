"""The walk over a data set: any cut of its bytes into pieces gives the same findings."""

import random
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from time import perf_counter

import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from adapters.dicom.status import CannotUnderstand
from adapters.dicom.structure import DEPTH_LIMIT, Walker, open_walker
from adapters.dicom.transfer_syntaxes import ENCODINGS
from tests.adapters.dicom import wire
from tests.adapters.dicom.wire import explicit

NAMES = (0x00080016, 0x00080018)
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HH", 0xFFFE, element) for element in (0xE000, 0xE00D, 0xE0DD))


def walk(data: bytes, syntax: str = wire.EXPLICIT, sizes=None, wanted=NAMES) -> Walker:
    walker = open_walker(ENCODINGS[syntax], wanted)
    position = 0
    while position < len(data):
        size = next(sizes) if sizes else len(data)
        walker.feed(data[position : position + size])
        position += size
    walker.finish()
    return walker


def undefined(vr: bytes) -> bytes:
    return struct.pack("<HH2sxxI", 0x0040, 0x0275, vr, UNDEFINED)


def sequence(*items: bytes, end: bytes = SEQUENCE_END + bytes(4)) -> bytes:
    whole = (ITEM + struct.pack("<I", UNDEFINED) + item + ITEM_END + bytes(4) for item in items)
    return undefined(b"SQ") + b"".join(whole) + end


NESTED = sequence(sequence(explicit(8, 0x18, "UI", b"9.9")) + explicit(8, 0x16, "UI", b"9.8"), b"")
UNKNOWN = (
    undefined(b"UN") + ITEM + struct.pack("<I", 10) + wire.element(8, 0x18, b"77") + SEQUENCE_END + bytes(4)
)
ENCAPSULATED = (
    struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OB", UNDEFINED)
    + (ITEM + bytes(4))
    + (ITEM + struct.pack("<I", 7) + b"frag\xfe\xff!")
    + (SEQUENCE_END + bytes(4))
)
WHOLE = (
    wire.ct_data_set(pixels=0)[:-12]
    + NESTED
    + UNKNOWN
    + explicit(0x51, 0x10, "ZZ", b"")[:6]
    + bytes(6)
    + ENCAPSULATED
)


def test_only_the_top_level_names_the_instance():
    values = {tag: value.rstrip(b"\0").decode() for tag, value in walk(WHOLE).values.items()}
    assert values == {0x00080016: wire.CT, 0x00080018: wire.INSTANCE}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 11, 12, 13, 64, 1000])
def test_pieces_of_any_size_give_the_same(size):
    assert walk(WHOLE, sizes=iter(lambda: size, 0)).values == walk(WHOLE).values


def test_every_truncation_that_does_not_end_an_element_is_found():
    whole_at = [cut for cut in range(len(WHOLE) + 1) if _walks(WHOLE[:cut])]

    # Where a top-level element ends a data set may end; nowhere else but in padding of zeros.
    assert len(whole_at) < 30
    assert len(WHOLE) in whole_at
    inside_nested = range(WHOLE.index(NESTED) + 13, WHOLE.index(NESTED) + len(NESTED))
    assert not set(whole_at) & set(inside_nested)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (undefined(b"UT"), "undefined length in (0040,0275)"),
        (undefined(b"SQ") + explicit(8, 0x18, "UI", b"1.2"), "no item where one must be"),
        (ENCAPSULATED[:12] + ITEM + struct.pack("<I", UNDEFINED), "no item where one must be"),
        (sequence(SEQUENCE_END + bytes(4)), "misplaced (FFFE,E0DD)"),
        (ITEM + struct.pack("<I", 4) + bytes(4), "misplaced (FFFE,E000)"),
        ((undefined(b"SQ") + ITEM + struct.pack("<I", UNDEFINED)) * (DEPTH_LIMIT + 1), "nested too deep"),
        (sequence(b"", end=b""), "inside a sequence"),
        (b"\x08\0\x16\0ui\x02\0xx", "no value representation"),
    ],
)
def test_what_is_wrong_is_named(data, words):
    with pytest.raises(CannotUnderstand, match=words.replace("(", r"\(").replace(")", r"\)")):
        walk(data)


@pytest.mark.parametrize("syntax", [wire.IMPLICIT, wire.EXPLICIT, wire.BIG_ENDIAN])
def test_every_encoding_is_walked(syntax):
    source = Dataset()
    source.update(dcmread(Path(pydicom.data.__file__).parent / "test_files" / "MR_small.dcm"))
    written = BytesIO()
    source.save_as(written, implicit_vr=syntax == wire.IMPLICIT, little_endian=syntax != wire.BIG_ENDIAN)

    values = walk(written.getvalue(), syntax, sizes=iter(lambda: 97, 0)).values

    assert values[0x00080018].rstrip(b"\0").decode() == source.SOPInstanceUID


def test_bomb_is_inflated_little_by_little():
    deflate = zlib.compressobj(9, wbits=-15)
    header = struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", 0xFFFFFFFE)
    bomb = (
        deflate.compress(header)
        + b"".join(deflate.compress(bytes(1 << 20)) for _ in range(200))
        + deflate.flush()
    )
    walker = open_walker(ENCODINGS[wire.DEFLATED], NAMES)
    tracemalloc.start()
    walker.feed(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000
    with pytest.raises(CannotUnderstand, match="cut short"):
        walker.finish()


def test_a_ct_costs_less_than_a_millisecond():
    rest = b"".join(explicit(0x20, 0x1000 + 2 * n, "LO", b"value of an element") for n in range(100))
    data = wire.ct_data_set(pixels=0)[:-12] + rest + explicit(0x7FE0, 0x10, "OW", bytes(526_000))
    pieces = [data[start : start + 131_066] for start in range(0, len(data), 131_066)]

    def once() -> float:
        started = perf_counter()
        walker = Walker(ENCODINGS[wire.EXPLICIT], NAMES)
        for piece in pieces:
            walker.feed(piece)
        walker.finish()
        return perf_counter() - started

    assert min(once() for _ in range(20)) < 0.001  # about 60 microseconds here; generous for a busy machine


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(sorted(ENCODINGS)), st.integers(1, 50))
def test_arbitrary_bytes_are_walked_or_not_understood(data, syntax, size):
    assert _walks(data, syntax) == _walks(data, syntax, iter(lambda: size, 0))


def test_damaged_data_sets_are_walked_or_not_understood_the_same_in_pieces():
    chance = random.Random(7)
    for _ in range(1500):
        data = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice((0, 0xFF, 0xFE, chance.randrange(256)))
        size = chance.choice((1, 3, 8, 50))
        assert _walks(bytes(data)) == _walks(bytes(data), sizes=iter(lambda size=size: size, 0))


def _walks(data: bytes, syntax: str = wire.EXPLICIT, sizes=None) -> bool:
    try:
        walk(data, syntax, sizes)
    except CannotUnderstand as error:
        assert 0 < len(str(error)) < 120
        return False
    return True
