"""The sections of an SCP-ECG record, and what those say that describe the samples: leads, beats, coded chunks.

Sections may stand in any order. Wrong checksums are told and not refused, because carts write them; sizes that lead
out of the file are refused.

EN 1064 5.2 (record), 5.3 (pointers), 5.6 (leads), 5.7 (QRS locations), 5.8 and 5.9 (coded samples).
"""

import binascii
import struct
from dataclasses import dataclass, field

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import MOST_LEADS, Caution
from adapters.ecg.scp_samples import Beat, Code

RECORD_HEAD, SECTION_HEAD, POINTER = 6, 16, 10
MOST_SAMPLES = 1 << 24  # of all leads together; ten minutes of 12 leads at 1000 Hz are 7 million


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRange:
    """Section 3: a lead, and its first and last sample on the common axis."""

    code: int
    first: int
    last: int

    @property
    def samples(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True, kw_only=True)
class Record:
    """The sections, and what some of them say about others."""

    sections: dict[int, bytes]
    cautions: list[Caution] = field(default_factory=list)
    tables: tuple[tuple[Code, ...], ...] | None = None  # None: not compressed
    ranges: list[LeadRange] = field(default_factory=list)
    subtracted: bool = False
    beat_ms: int = 0
    fiducial: int = 0
    beats: list[Beat] = field(default_factory=list)
    zones: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Section 5 or 6: one chunk of bytes for each lead, and how it is coded."""

    avm: int  # nanovolts of one count
    interval_us: int
    differences: int
    bimodal: bool
    chunks: list[bytes]


def read_sections(data: bytes) -> Record:
    size = struct.unpack_from("<I", data, 2)[0]
    if size > len(data):
        raise NotAnEcg("truncated", f"{len(data)} / {size}")
    if size < RECORD_HEAD + SECTION_HEAD:
        raise NotAnEcg("damaged", "SCP-ECG")
    data = data[:size]
    length = struct.unpack_from("<I", data, RECORD_HEAD + 4)[0]
    if RECORD_HEAD + length > size:
        raise NotAnEcg("truncated", "SCP 0")
    record = Record(sections={})
    wrong = [] if _is_right(data) else ["SCP"]
    for at in range(RECORD_HEAD + SECTION_HEAD, RECORD_HEAD + length - POINTER + 1, POINTER):
        number, long, index = struct.unpack_from("<HII", data, at)
        if 1 <= number <= 12 and long and number not in record.sections:
            section = _section(data, number, index - 1, long)
            record.sections[number] = section[SECTION_HEAD:]
            wrong += [] if _is_right(section) else [f"SCP {number}"]
    if wrong:
        record.cautions.append(Caution(code="crc_wrong", about=", ".join(wrong)))
    return record


def _section(data: bytes, number: int, start: int, length: int) -> bytes:
    if start < 0 or start + length > len(data):
        raise NotAnEcg("truncated", f"SCP {number}")
    said, own_length = struct.unpack_from("<HI", data, start + 2)
    if said != number:
        raise NotAnEcg("damaged", f"SCP {number}")
    return data[start : start + (min(length, own_length) if own_length >= SECTION_HEAD else length)]


def _is_right(block: bytes) -> bool:
    """CRC-CCITT of everything behind it."""
    return bool(binascii.crc_hqx(block[2:], 0xFFFF) == struct.unpack_from("<H", block)[0])


def read_ranges(record: Record) -> None:
    """Section 3: byte 2 says whether reference beats were subtracted; then code and range of each lead."""
    body = record.sections[3]
    count, flags = body[0], body[1]
    record.subtracted = bool(flags & 1)
    if not 1 <= count <= MOST_LEADS:
        raise NotAnEcg("too_many_leads" if count else "no_leads", str(count))
    for number in range(count):
        first, last, code = struct.unpack_from("<IIB", body, 2 + 9 * number)
        if not 1 <= first <= last:
            raise NotAnEcg("damaged", "SCP 3")
        record.ranges.append(LeadRange(code=code, first=first, last=last))
    if sum(lead.samples for lead in record.ranges) > MOST_SAMPLES:
        raise NotAnEcg("too_large", "SCP 3")


def read_beats(record: Record) -> None:
    """Section 4: the reference beat's length and fiducial point, every beat's place, and its protected zone."""
    body = record.sections[4]
    record.beat_ms, record.fiducial, count = struct.unpack_from("<3H", body)
    if 6 + 14 * count > len(body):
        if record.subtracted:
            raise NotAnEcg("truncated", "SCP 4")
        return
    for number in range(count):
        kind, start, fiducial, end = struct.unpack_from("<HIII", body, 6 + 14 * number)
        record.beats.append(Beat(kind=kind, start=start, fiducial=fiducial, end=end))
    zones = 6 + 14 * count
    if zones + 8 * count <= len(body):
        record.zones = [struct.unpack_from("<II", body, zones + 8 * number) for number in range(count)]


def read_coded(record: Record, number: int) -> Coded:
    body, count = record.sections[number], len(record.ranges)
    avm, interval, differences, bimodal = struct.unpack_from("<HHBB", body)
    sizes = struct.unpack_from(f"<{count}H", body, 6)
    at = 6 + 2 * count
    if at + sum(sizes) > len(body):
        raise NotAnEcg("truncated", f"SCP {number}")
    if not interval:
        raise NotAnEcg("absurd_rate", "0 µs")
    if differences > 2:
        raise NotAnEcg("damaged", f"SCP {number}")
    chunks = []
    for size in sizes:
        chunks.append(body[at : at + size])
        at += size
    return Coded(avm=avm, interval_us=interval, differences=differences, bimodal=bool(bimodal), chunks=chunks)
