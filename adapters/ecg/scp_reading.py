"""SCP-ECG: a record of sections in, an EcgRecording out; all compressions of EN 1064 up to version 2, and bimodal.

Sections may stand in any order. Wrong checksums are told and not refused, because carts write them; sizes that lead
out of the file are refused. Read here and not by ecgdatakit, which refuses bimodal records, lets leads that were
recorded one after the other begin together, and takes three times as long. Long-term rhythm (Section 12 of version
3) is not read.

EN 1064 / ISO 11073-91064.
"""

import binascii
import struct
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.assembling import assemble, check_rate, compact
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import SCP_CODES
from adapters.ecg.recording import (
    MOST_LEADS,
    Caution,
    EcgDevice,
    EcgFilters,
    EcgMeasurements,
    EcgPatient,
    EcgRecording,
    Lead,
)
from adapters.ecg.scp_samples import (
    Beat,
    Code,
    add_reference_beats,
    decode_huffman,
    expand,
    read_tables,
    stored_positions,
    undo_differences,
)
from adapters.ecg.text import read_text

_RECORD_HEAD, _SECTION_HEAD, _POINTER = 6, 16, 10
_LARGEST_BYTES = 16 << 20
_MOST_SAMPLES = 1 << 24  # of all leads together; ten minutes of 12 leads at 1000 Hz are 7 million
_UNSAID = (29999, 0xFFFF, 999, 19999)
_SEXES = {1: "M", 2: "F"}
_AGE_YEARS = {1: 1.0, 2: 1 / 12, 3: 7 / 365.25, 4: 1 / 365.25, 5: 1 / 8766}
# Section 1 tag 14, byte 17: the set that text is written in, when its lowest bit is set.
_SETS = {0x03: "iso8859_2", 0x0B: "iso8859_4", 0x13: "iso8859_5", 0x1B: "iso8859_6", 0x23: "iso8859_7",
         0x2B: "iso8859_8", 0x33: "iso8859_11", 0x3B: "iso8859_15", 0x07: "utf-16-le", 0x0F: "shift_jis",
         0x17: "euc_jp", 0x1F: "euc_jp", 0x27: "gb18030", 0x2F: "cp949", 0x37: "utf-8"}  # fmt: skip
_MAKERS = ("", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette Electronics",
           "Mortara Instruments", "Nihon Kohden", "Okin", "Quinton", "Siemens", "Spacelabs", "Telemed", "Hellige",
           "ESA-OTE", "Schiller", "Picker-Schwarzer", "et medical devices", "Zwönitz")  # fmt: skip
# Sizes of tags that have one: some carts write another length and mean these.
_TAG_SIZES = {
    4: 3,
    5: 4,
    6: 3,
    7: 3,
    8: 1,
    9: 1,
    11: 2,
    12: 2,
    24: 1,
    25: 4,
    26: 3,
    27: 2,
    28: 2,
    29: 1,
    33: 2,
}
_FORMULAS = {1: "bazett"}
_LAST_TAG = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class _LeadRange:
    """Section 3: a lead, and its first and last sample on the common axis."""

    code: int
    first: int
    last: int

    @property
    def samples(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True, kw_only=True)
class _Record:
    """The sections, and what some of them say about others."""

    sections: dict[int, bytes]
    cautions: list[Caution] = field(default_factory=list)
    tables: tuple[tuple[Code, ...], ...] | None = None  # None: not compressed
    ranges: list[_LeadRange] = field(default_factory=list)
    subtracted: bool = False
    beat_ms: int = 0
    fiducial: int = 0
    beats: list[Beat] = field(default_factory=list)
    zones: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coded:
    """Section 5 or 6: one chunk of bytes for each lead, and how it is coded."""

    avm: int  # nanovolts of one count
    interval_us: int
    differences: int
    bimodal: bool
    chunks: list[bytes]


def is_scp(content: Content) -> bool:
    head = content.head
    if len(head) < _RECORD_HEAD + _SECTION_HEAD + _POINTER:
        return False
    number, length = struct.unpack_from("<HI", head, _RECORD_HEAD + 2)
    if number != 0 or not _SECTION_HEAD + _POINTER <= length <= 1 << 16:
        return False
    pointer, _, index = struct.unpack_from("<HII", head, _RECORD_HEAD + _SECTION_HEAD)
    return head[16:22] == b"SCPECG" or (pointer == 0 and index == _RECORD_HEAD + 1)


def read_scp(content: Content, companions: Companions) -> EcgRecording:
    """Read the whole record; such files have some ten kilobytes."""
    if content.size > _LARGEST_BYTES:
        raise NotAnEcg("too_large", f"{content.size >> 20} MB")
    try:
        return _read(content.whole())
    except (struct.error, IndexError) as error:
        raise NotAnEcg("damaged", "SCP-ECG") from error


def _read(data: bytes) -> EcgRecording:
    record = _sections(data)
    for needed in (3, 6):
        if needed not in record.sections:
            raise NotAnEcg("unsupported" if 12 in record.sections else "damaged", f"SCP {needed}")
    if 2 in record.sections:
        record.tables = read_tables(record.sections[2])
    _read_ranges(record)
    if 4 in record.sections:
        _read_beats(record)
    leads, rate = _rhythm(record)
    tags = _read_tags(record)
    return assemble(
        format="scpecg",
        leads=leads,
        sampling_rate_hz=rate,
        started_at=tags.started_at(),
        cautions=record.cautions,
        statements=_statements(record, tags),
        patient=tags.patient(),
        device=tags.device(),
        filters=tags.filters(),
        measurements=_measurements(record),
    )


# --- sections --------------------------------------------------------------------------------------------------------


def _sections(data: bytes) -> _Record:
    size = struct.unpack_from("<I", data, 2)[0]
    if size > len(data):
        raise NotAnEcg("truncated", f"{len(data)} / {size}")
    if size < _RECORD_HEAD + _SECTION_HEAD:
        raise NotAnEcg("damaged", "SCP-ECG")
    data = data[:size]
    length = struct.unpack_from("<I", data, _RECORD_HEAD + 4)[0]
    if _RECORD_HEAD + length > size:
        raise NotAnEcg("truncated", "SCP 0")
    record = _Record(sections={})
    wrong = [] if _is_right(data) else ["SCP"]
    for at in range(_RECORD_HEAD + _SECTION_HEAD, _RECORD_HEAD + length - _POINTER + 1, _POINTER):
        number, long, index = struct.unpack_from("<HII", data, at)
        if 1 <= number <= 12 and long and number not in record.sections:
            section = _section(data, number, index - 1, long)
            record.sections[number] = section[_SECTION_HEAD:]
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
    return data[start : start + (min(length, own_length) if own_length >= _SECTION_HEAD else length)]


def _is_right(block: bytes) -> bool:
    """CRC-CCITT of everything behind it."""
    return bool(binascii.crc_hqx(block[2:], 0xFFFF) == struct.unpack_from("<H", block)[0])


def _read_ranges(record: _Record) -> None:
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
        record.ranges.append(_LeadRange(code=code, first=first, last=last))
    if sum(lead.samples for lead in record.ranges) > _MOST_SAMPLES:
        raise NotAnEcg("too_large", "SCP 3")


def _read_beats(record: _Record) -> None:
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


def _coded(record: _Record, number: int) -> _Coded:
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
    return _Coded(
        avm=avm, interval_us=interval, differences=differences, bimodal=bool(bimodal), chunks=chunks
    )


# --- samples ---------------------------------------------------------------------------------------------------------


def _values(record: _Record, coded: _Coded, chunk: bytes, count: int) -> NDArray[np.int64]:
    if record.tables is not None:
        values = decode_huffman(chunk, count, record.tables)
    elif 2 * count > len(chunk):
        raise NotAnEcg("truncated", f"{len(chunk) // 2} / {count}")
    else:
        values = np.frombuffer(chunk, dtype="<i2", count=count).astype(np.int64)
    return undo_differences(values, coded.differences)


def _rhythm(record: _Record) -> tuple[list[Lead], float]:
    rhythm = _coded(record, 6)
    median = _coded(record, 5) if 5 in record.sections and (record.subtracted or rhythm.bimodal) else None
    factor = _factor(rhythm, median)
    rate = 1_000_000 / rhythm.interval_us * factor
    check_rate(rate)
    if not rhythm.avm:
        raise NotAnEcg("scale_unknown", "AVM 0")
    if record.subtracted and (median is None or not median.avm or not record.beat_ms):
        raise NotAnEcg("damaged", "SCP 5")
    leads = []
    for number, place in enumerate(record.ranges):
        values, nanovolts = _lead_values(record, rhythm, number, factor), rhythm.avm
        if record.subtracted and median is not None:
            beat = _values(
                record, median, median.chunks[number], round(record.beat_ms * 1000 / median.interval_us)
            )
            values, nanovolts = add_reference_beats(
                values, rhythm.avm, place.first, record.beats, (beat, median.avm, record.fiducial)
            )
        name = SCP_CODES.get(place.code, f"Ch{number + 1}")
        leads.append(Lead(name=name, digital=compact(values.astype(np.float64)), gain_uv=nanovolts / 1000))
    return _on_one_axis(record.ranges, leads), rate


def _factor(rhythm: _Coded, median: _Coded | None) -> int:
    """How many samples one stored sample stands for outside of the protected zones."""
    if median is None or median.interval_us == rhythm.interval_us:
        return 1
    factor = rhythm.interval_us // median.interval_us
    if not rhythm.bimodal or factor * median.interval_us != rhythm.interval_us or not 2 <= factor <= 16:
        raise NotAnEcg("unsupported", "SCP 6")
    return factor


def _lead_values(record: _Record, rhythm: _Coded, number: int, factor: int) -> NDArray[np.int64]:
    place, chunk = record.ranges[number], rhythm.chunks[number]
    if factor == 1:
        return _values(record, rhythm, chunk, place.samples)
    last_error: NotAnEcg | None = None
    for rounded_up in (True, False):  # a rest that fills no block is stored by some and not by others
        positions = stored_positions(place.first, place.last, record.zones, factor, rounded_up=rounded_up)
        try:
            return expand(_values(record, rhythm, chunk, len(positions)), positions, place.first, place.last)
        except NotAnEcg as error:
            last_error = error
    raise last_error or NotAnEcg("damaged", "SCP 6")


def _on_one_axis(ranges: list[_LeadRange], leads: list[Lead]) -> list[Lead]:
    """Leads that were recorded one after the other stand where they were recorded."""
    first, last = min(place.first for place in ranges), max(place.last for place in ranges)
    if all((place.first, place.last) == (first, last) for place in ranges):
        return leads
    if (last - first + 1) * len(leads) > _MOST_SAMPLES:
        raise NotAnEcg("too_large", "SCP 3")
    placed = []
    for place, lead in zip(ranges, leads, strict=True):
        values = np.full(last - first + 1, np.nan, dtype=np.float32)
        values[place.first - first : place.last - first + 1] = lead.window_uv()
        placed.append(Lead(name=lead.name, digital=values))
    return placed


# --- Section 1: patient, cart, moment --------------------------------------------------------------------------------


class _Tags:
    """The tags of Section 1, and text as its language code says."""

    def __init__(self, tags: dict[int, bytes]) -> None:
        self._tags = tags
        machine = tags.get(14, b"")
        self._set = _SETS.get(machine[16], "") if len(machine) > 16 else ""

    def text(self, raw: bytes) -> str:
        if self._set == "utf-16-le":
            return raw.decode("utf-16-le", "replace").split("\0", 1)[0].strip()
        raw = raw.split(b"\0", 1)[0]
        if self._set and not raw.isascii():
            try:
                return raw.decode(self._set).strip()
            except UnicodeDecodeError:
                return read_text(raw)
        return read_text(raw)

    def _of(self, tag: int) -> str:
        return self.text(self._tags.get(tag, b""))

    def _numbers(self, tag: int, form: str) -> tuple[int, ...] | None:
        raw = self._tags.get(tag, b"")
        return struct.unpack_from(form, raw) if len(raw) >= struct.calcsize(form) else None

    def patient(self) -> EcgPatient:
        age, sex = self._numbers(4, "<HB"), self._numbers(8, "<B")
        years = age[0] * _AGE_YEARS[age[1]] if age and age[0] and age[1] in _AGE_YEARS else None
        family = " ".join(part for part in (self._of(0), self._of(3)) if part)
        return EcgPatient(
            patient_id=self._of(2),
            name="^".join(part for part in (family, self._of(1)) if part),
            sex=_SEXES.get(sex[0], "") if sex else "",
            birth_date=self._date(5),
            age_years=int(years) if years is not None and years <= 130 else None,
        )

    def _date(self, tag: int) -> date | None:
        found = self._numbers(tag, "<HBB")
        try:
            return date(*found) if found else None
        except ValueError:
            return None

    def started_at(self) -> datetime | None:
        day, clock, zone = self._date(25), self._numbers(26, "<3B"), self._numbers(34, "<h")
        if day is None or clock is None:
            return None
        minutes = zone[0] if zone else 0x7FFF
        known = timezone(timedelta(minutes=minutes)) if abs(minutes) <= 14 * 60 else None
        try:
            return datetime(day.year, day.month, day.day, clock[0], clock[1], clock[2], tzinfo=known)
        except ValueError:
            return None

    def device(self) -> EcgDevice:
        """Tag 14: numbers, then model at byte 8, then texts: analysis, serial number, system and SCP software, maker."""
        machine = self._tags.get(14, b"")
        if len(machine) < 36:
            return EcgDevice(institution=self._of(16))
        texts = [self.text(part) for part in machine[36:].split(b"\0")] + [""] * 5
        maker = texts[4] or (_MAKERS[machine[7]] if machine[7] < len(_MAKERS) else "")
        return EcgDevice(
            manufacturer=maker,
            model=self.text(machine[8:14]),
            serial_number=texts[1],
            software=texts[2],
            institution=self._of(16),
        )

    def filters(self) -> EcgFilters:
        high_pass, low_pass, notch = self._numbers(27, "<H"), self._numbers(28, "<H"), self._numbers(29, "<B")
        bits = notch[0] if notch else 0
        return EcgFilters(
            high_pass_hz=high_pass[0] / 100 or None if high_pass else None,
            low_pass_hz=float(low_pass[0]) or None if low_pass else None,
            notch_hz=60.0 if bits & 1 else 50.0 if bits & 2 else None,
        )


def _read_tags(record: _Record) -> _Tags:
    body = record.sections.get(1, b"")
    tags = _split(body, fixed=False)
    if tags is None:
        tags = _split(body, fixed=True)
    if tags is None:
        record.cautions.append(Caution(code="patient_unreadable", about="SCP 1"))
    return _Tags(tags or {})


def _split(body: bytes, *, fixed: bool) -> dict[int, bytes] | None:
    """None when the lengths lead out of the section."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(body):
        tag, length = struct.unpack_from("<BH", body, at)
        if tag == _LAST_TAG:
            break
        length = _TAG_SIZES.get(tag, length) if fixed else length
        at += 3
        if at + length > len(body):
            return None
        tags.setdefault(tag, body[at : at + length])
        at += length
    return tags


# --- measurements and statements -------------------------------------------------------------------------------------


def _measurements(record: _Record) -> EcgMeasurements:
    """Section 7: RR, then for each reference beat the boundaries of its waves in ms and the axes; then the rate."""
    body = record.sections.get(7, b"")
    if len(body) < 6:
        return EcgMeasurements()
    blocks, spikes, rr = struct.unpack_from("<BBH", body)
    found: dict[str, Any] = {"rr_ms": _said(rr)}
    if blocks and len(body) >= 22:
        *edges, p_axis, qrs_axis, t_axis = struct.unpack_from("<5H3h", body, 6)
        found |= _intervals(edges)
        axes = {"p_axis_deg": p_axis, "qrs_axis_deg": qrs_axis, "t_axis_deg": t_axis}
        found |= {name: float(value) if abs(value) <= 360 else None for name, value in axes.items()}
    at = 6 + 16 * blocks + 10 * spikes
    if at + 2 <= len(body):
        at += 2 + struct.unpack_from("<H", body, at)[0]
        if at + 7 <= len(body):
            rate, _, qtc, formula = struct.unpack_from("<3HB", body, at)
            found |= {"heart_rate_bpm": _said(rate), "qtc_ms": _said(qtc)}
            found["qtc_formula"] = _FORMULAS.get(formula, "") if _said(qtc) else ""
    return EcgMeasurements(**found)


def _intervals(edges: list[int]) -> dict[str, float | None]:
    p_on, p_off, qrs_on, qrs_off, t_off = (None if value in _UNSAID else value for value in edges)

    def between(start: int | None, end: int | None) -> float | None:
        return float(end - start) if start is not None and end is not None and end > start else None

    return {"p_ms": between(p_on, p_off), "pr_ms": between(p_on, qrs_on), "qrs_ms": between(qrs_on, qrs_off),
            "qt_ms": between(qrs_on, t_off)}  # fmt: skip


def _said(value: int) -> float | None:
    return float(value) if value and value not in _UNSAID else None


def _statements(record: _Record, tags: _Tags) -> list[str]:
    """Section 8 (text), else the texts of Section 11 (universal codes)."""
    for number in (8, 11):
        lines = _lines(record.sections.get(number, b""), tags, skip=number == 11)
        if lines:
            return lines
    return []


def _lines(body: bytes, tags: _Tags, *, skip: bool) -> list[str]:
    if len(body) < 9:
        return []
    lines, at = [], 9
    for _ in range(body[8]):
        if at + 3 > len(body):
            break
        size = struct.unpack_from("<H", body, at + 1)[0]
        value = body[at + 3 : at + 3 + size]
        at += 3 + size
        value = value[1:] if skip else value
        parts = (
            [tags.text(part) for part in value.split(b"\0")]
            if b"\0\0" not in value[:-1]
            else [tags.text(value)]
        )
        lines.append(" ".join(part for part in parts if part))
    return lines
