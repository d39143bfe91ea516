"""Samples of SCP-ECG: Huffman codes, differences, reference beats, and rhythm that is decimated between the beats.

Bimodal compression: outside of the protected zones one stored sample is the mean of `factor` samples; it is put in
their middle, and what lies between is interpolated, as the standard's own decompression does.

EN 1064 5.5 (Huffman tables), 5.7 (QRS locations), 5.8 (reference beats), 5.9 (rhythm), Annex C.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.errors import NotAnEcg

DEFAULT_TABLE = 19999  # instead of a number of tables: the default one
_LONGEST_PREFIX = 16  # bits; tables seen have at most 12
_MOST_TABLES, _MOST_CODES = 64, 1024

# A place of a lookup by the next bits: bits of the prefix, further bits of a value, base value, table to switch to.
_Place = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One line of a Huffman table. `switch` is the number of another table, or 0 for a value."""

    prefix_bits: int
    total_bits: int
    switch: int
    value: int
    bits: int  # the prefix, its first bit the highest


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Where a beat lies in the rhythm (Section 4), counted from 1 in samples of the reference beat's rate."""

    kind: int  # of the reference beat that was subtracted; only 0 is in Section 5
    start: int
    fiducial: int
    end: int


def default_codes() -> tuple[Code, ...]:
    """EN 1064 Annex C: 0, ±1 to ±8, and literals of 8 and 16 bits."""
    codes = [Code(prefix_bits=1, total_bits=1, switch=0, value=0, bits=0)]
    for size in range(1, 9):
        ones = (1 << size) - 1
        for sign, value in ((0, size), (1, -size)):
            codes.append(
                Code(prefix_bits=size + 2, total_bits=size + 2, switch=0, value=value, bits=ones << 2 | sign)
            )
    codes.append(Code(prefix_bits=10, total_bits=18, switch=0, value=0, bits=0b1111111110))
    codes.append(Code(prefix_bits=10, total_bits=26, switch=0, value=0, bits=0b1111111111))
    return tuple(codes)


def read_tables(body: bytes) -> tuple[tuple[Code, ...], ...]:
    """Section 2."""
    try:
        count = struct.unpack_from("<H", body)[0]
        if count == DEFAULT_TABLE:
            return (default_codes(),)
        if not 1 <= count <= _MOST_TABLES:
            raise NotAnEcg("damaged", "SCP 2")
        tables, at = [], 2
        for _ in range(count):
            size = struct.unpack_from("<H", body, at)[0]
            if size > _MOST_CODES:
                raise NotAnEcg("damaged", "SCP 2")
            tables.append(tuple(_read_code(body, at + 2 + 9 * number) for number in range(size)))
            at += 2 + 9 * size
    except struct.error as error:
        raise NotAnEcg("truncated", "SCP 2") from error
    return tuple(tables)


def _read_code(body: bytes, at: int) -> Code:
    """The base code is stored with its first bit lowest."""
    prefix, total, mode, value, stored = struct.unpack_from("<BBBhI", body, at)
    if not 1 <= prefix <= _LONGEST_PREFIX or not prefix <= total <= prefix + 32 or (not mode and value < 1):
        raise NotAnEcg("unsupported", "SCP 2")
    bits = int(f"{stored & ((1 << prefix) - 1):0{prefix}b}"[::-1], 2)
    return Code(prefix_bits=prefix, total_bits=total, switch=0 if mode else value, value=value, bits=bits)


@lru_cache(8)
def _lookup(codes: tuple[Code, ...], width: int) -> tuple[_Place | None, ...]:
    """What the next `width` bits begin with."""
    places: list[_Place | None] = [None] * (1 << width)
    for code in codes:
        spare = width - code.prefix_bits
        first = code.bits << spare
        place = (code.prefix_bits, code.total_bits - code.prefix_bits, code.value, code.switch)
        places[first : first + (1 << spare)] = [place] * (1 << spare)
    return tuple(places)


def decode_huffman(chunk: bytes, count: int, tables: tuple[tuple[Code, ...], ...]) -> NDArray[np.int64]:
    """So many values of a bit stream; what claims more than there are bits is refused before anything is made."""
    size = len(chunk) * 8
    if count > size:
        raise NotAnEcg("truncated", "SCP 6")
    width = max((code.prefix_bits for codes in tables for code in codes), default=1)
    ahead = _ahead(chunk, width)
    lookups = [_lookup(codes, width) for codes in tables]
    number, places, at = int.from_bytes(chunk, "big"), lookups[0], 0
    found: list[int] = []
    while len(found) < count:
        place = places[ahead[at]] if at < size else None
        if place is None:
            raise NotAnEcg("truncated" if at >= size else "damaged", "SCP 6")
        prefix, extra, value, switch = place
        at += prefix + extra
        if at > size:
            raise NotAnEcg("truncated", "SCP 6")
        if switch:
            if switch > len(lookups):
                raise NotAnEcg("damaged", "SCP 2")
            places = lookups[switch - 1]
            continue
        if extra:
            raw = number >> (size - at) & ((1 << extra) - 1)
            value += raw - (1 << extra) if raw >> (extra - 1) else raw
        found.append(value)
    return np.array(found, dtype=np.int64)


def _ahead(chunk: bytes, width: int) -> list[int]:
    """At every bit, the next `width` bits as a number."""
    size = len(chunk) * 8
    bits = np.concatenate(
        [np.unpackbits(np.frombuffer(chunk, dtype=np.uint8)), np.zeros(width, dtype=np.uint8)]
    )
    ahead = np.zeros(size, dtype=np.uint32)
    for step in range(width):
        ahead = ahead << 1 | bits[step : step + size]
    following: list[int] = ahead.tolist()
    return following


def undo_differences(values: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """First or second differences; writers calculate in 16 bits, so sums wrap as theirs do."""
    if order == 0 or values.size == 0:
        return values
    if order == 1:
        found = np.cumsum(values)
    elif values.size < 3:
        found = values
    else:  # the first two samples are themselves, then d = x(n) - 2 x(n-1) + x(n-2)
        slopes = np.cumsum(np.concatenate(([values[1] - values[0]], values[2:])))
        found = np.concatenate(([values[0]], values[0] + np.cumsum(slopes)))
    return found.astype(np.int16).astype(np.int64)


def add_reference_beats(
    rhythm: NDArray[np.int64],
    avm: int,
    first_sample: int,
    beats: Sequence[Beat],
    reference: tuple[NDArray[np.int64], int, int],
) -> tuple[NDArray[np.int64], int]:
    """The rhythm with what was subtracted from it, and nanovolts of one count. `reference`: samples, AVM, fiducial."""
    samples, reference_avm, fiducial = reference
    common = math.gcd(avm, reference_avm)
    whole, shape = rhythm * (avm // common), samples * (reference_avm // common)
    for beat in beats:
        if beat.kind != 0:
            continue
        offset = beat.fiducial - fiducial + 1  # the sample on which the reference beat begins
        begin = max(beat.start, first_sample, offset)
        end = min(beat.end, first_sample + rhythm.size - 1, offset + samples.size - 1)
        if begin <= end:
            whole[begin - first_sample : end - first_sample + 1] += shape[begin - offset : end - offset + 1]
    return whole, common


def stored_positions(
    first: int, last: int, zones: Sequence[tuple[int, int]], factor: int, *, rounded_up: bool
) -> list[float]:
    """Where each stored sample of a bimodal lead lies: every sample within a zone, the middle of `factor` outside."""
    positions: list[float] = []
    at = first
    for start, end in [*sorted(zones), (last + 1, last)]:
        gap_end = min(start - 1, last)
        while at <= gap_end:
            size = min(factor, gap_end - at + 1)
            if size < factor and not rounded_up:
                break
            positions.append(at + (size - 1) / 2)
            at += size
        at = max(at, start)
        stop = min(end, last)
        positions.extend(float(number) for number in range(at, stop + 1))
        at = max(at, stop + 1)
    return positions


def expand(stored: NDArray[np.int64], positions: Sequence[float], first: int, last: int) -> NDArray[np.int64]:
    """All samples of a bimodal lead."""
    found: NDArray[np.int64] = np.rint(np.interp(np.arange(first, last + 1), positions, stored)).astype(
        np.int64
    )
    return found
