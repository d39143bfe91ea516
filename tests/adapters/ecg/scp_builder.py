"""SCP-ECG records for tests: an encoder of everything that the reader decodes (EN 1064)."""

import binascii
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# The default table as the standard prints it: value → bits.
DEFAULT = {
    0: "0",
    **{
        size * sign: "1" * size + "0" + ("0" if sign > 0 else "1") for size in range(1, 9) for sign in (1, -1)
    },
}
# Another one: 0, 1, -1 short, all else as a literal of 16 bits.
OWN = {0: "10", 1: "110", -1: "111"}
OWN_LITERAL = "0"
CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "III": 61}


def huffman(values: Sequence[int], *, own: bool = False) -> bytes:
    bits = []
    for value in values:
        if own:
            bits.append(OWN.get(value) or OWN_LITERAL + f"{value & 0xFFFF:016b}")
        elif value in DEFAULT:
            bits.append(DEFAULT[value])
        elif -128 <= value < 128:
            bits.append("1111111110" + f"{value & 0xFF:08b}")
        else:
            bits.append("1111111111" + f"{value & 0xFFFF:016b}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""


def own_table() -> bytes:
    def line(bits: str, total: int, value: int) -> bytes:
        return struct.pack("<BBBhI", len(bits), total, 1, value, int(bits[::-1], 2))

    lines = [line(bits, len(bits), value) for value, bits in OWN.items()] + [line(OWN_LITERAL, 17, 0)]
    return struct.pack("<HH", 1, len(lines)) + b"".join(lines)


def differences(values: NDArray[np.int64], order: int) -> list[int]:
    found = values.astype(np.int64)
    if order == 1:
        found = np.concatenate((found[:1], np.diff(found)))
    elif order == 2:
        found = np.concatenate((found[:2], np.diff(found, 2)))
    return [int(value) for value in found]


def coded(
    leads: Sequence[NDArray[np.int64]],
    *,
    order: int,
    table: str,
    avm: int = 2500,
    interval_us: int = 2000,
    bimodal: int = 0,
) -> bytes:
    """Section 5 or 6."""
    chunks = []
    for lead in leads:
        values = differences(lead, order)
        chunks.append(
            np.array(values, dtype="<i2").tobytes()
            if table == "none"
            else huffman(values, own=table == "own")
        )
    return (
        struct.pack("<HHBB", avm, interval_us, order, bimodal)
        + struct.pack(f"<{len(chunks)}H", *map(len, chunks))
        + b"".join(chunks)
    )


def definition(names: Sequence[str], ranges: Sequence[tuple[int, int]], *, subtracted: bool = False) -> bytes:
    """Section 3."""
    lines = [
        struct.pack("<IIB", first, last, CODES[name])
        for name, (first, last) in zip(names, ranges, strict=True)
    ]
    return struct.pack("<BB", len(lines), (1 if subtracted else 0) | 4 | len(lines) << 3 & 0xF8) + b"".join(
        lines
    )


def patient(*, name: bytes = b"Wang", language: int = 0, statements: bool = False) -> bytes:
    """Section 1."""
    machine = (
        struct.pack("<3HBB", 1, 2, 3, 0, 255)
        + b"CART-1"
        + bytes([13, 0xA0, language, 0, 1])
        + bytes(17)
        + b"a\0S/N 7\0s\0i\0Maker\0"
    )
    tags = [(0, name + b"\0"), (1, b"Xiaodong\0"), (2, b"H-77\0"), (4, struct.pack("<HB", 73, 1)), (8, b"\1"),
            (5, struct.pack("<HBB", 1953, 5, 8)), (25, struct.pack("<HBB", 2026, 11, 22)), (26, bytes([9, 30, 15])),
            (14, machine), (27, struct.pack("<H", 5)), (28, struct.pack("<H", 150)), (29, b"\2")]  # fmt: skip
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags) + b"\xff\0\0"


def statements(lines: Sequence[bytes]) -> bytes:
    """Section 8."""
    body = b"\0" + struct.pack("<HBB", 2026, 11, 22) + bytes([9, 31, 0]) + bytes([len(lines)])
    return body + b"".join(
        struct.pack("<BH", number, len(line) + 1) + line + b"\0" for number, line in enumerate(lines, 1)
    )


def record(sections: Mapping[int, bytes], *, order: Sequence[int] = ()) -> bytes:
    """All sections with right checksums; `order` is that in which they lie in the file."""
    blocks = {number: _section(number, body) for number, body in sections.items()}
    length = 16 + 10 * (len(blocks) + 1)
    at, places = 6 + length, {0: (length, 7)}
    for number in order or sorted(blocks):
        places[number] = (len(blocks[number]), at + 1)
        at += len(blocks[number])
    pointers = b"".join(struct.pack("<HII", number, *places[number]) for number in sorted(places))
    data = _section(0, pointers, b"SCPECG") + b"".join(blocks[number] for number in order or sorted(blocks))
    sized = struct.pack("<I", len(data) + 6) + data
    return struct.pack("<H", binascii.crc_hqx(sized, 0xFFFF)) + sized


def _section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    body += b"\0" * (len(body) % 2)
    rest = struct.pack("<HIBB", number, len(body) + 16, 13, 13) + reserved + body
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest
