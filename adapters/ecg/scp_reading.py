"""SCP-ECG: a record of sections in, an EcgRecording out; all compressions of EN 1064 up to version 2, and bimodal.

Read here and not by ecgdatakit, which refuses bimodal records, lets leads that were recorded one after the other
begin together, and takes three times as long. Long-term rhythm (Section 12 of version 3) is not read.

EN 1064 / ISO 11073-91064.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.assembling import assemble, check_rate, compact
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import SCP_CODES
from adapters.ecg.recording import EcgRecording, Lead
from adapters.ecg.scp_findings import read_measurements, read_statements
from adapters.ecg.scp_samples import (
    add_reference_beats,
    decode_huffman,
    expand,
    read_tables,
    stored_positions,
    undo_differences,
)
from adapters.ecg.scp_sections import (
    MOST_SAMPLES,
    POINTER,
    RECORD_HEAD,
    SECTION_HEAD,
    Coded,
    LeadRange,
    Record,
    read_beats,
    read_coded,
    read_ranges,
    read_sections,
)
from adapters.ecg.scp_tags import read_tags

_LARGEST_BYTES = 16 << 20


def is_scp(content: Content) -> bool:
    head = content.head
    if len(head) < RECORD_HEAD + SECTION_HEAD + POINTER:
        return False
    number, length = struct.unpack_from("<HI", head, RECORD_HEAD + 2)
    if number != 0 or not SECTION_HEAD + POINTER <= length <= 1 << 16:
        return False
    pointer, _, index = struct.unpack_from("<HII", head, RECORD_HEAD + SECTION_HEAD)
    return head[16:22] == b"SCPECG" or (pointer == 0 and index == RECORD_HEAD + 1)


def read_scp(content: Content, companions: Companions) -> EcgRecording:
    """Read the whole record; such files have some ten kilobytes."""
    if content.size > _LARGEST_BYTES:
        raise NotAnEcg("too_large", f"{content.size >> 20} MB")
    try:
        return _read(content.whole())
    except (struct.error, IndexError) as error:
        raise NotAnEcg("damaged", "SCP-ECG") from error


def _read(data: bytes) -> EcgRecording:
    record = read_sections(data)
    for needed in (3, 6):
        if needed not in record.sections:
            raise NotAnEcg("unsupported" if 12 in record.sections else "damaged", f"SCP {needed}")
    if 2 in record.sections:
        record.tables = read_tables(record.sections[2])
    read_ranges(record)
    if 4 in record.sections:
        read_beats(record)
    leads, rate = _rhythm(record)
    tags = read_tags(record)
    return assemble(
        format="scpecg",
        leads=leads,
        sampling_rate_hz=rate,
        started_at=tags.started_at(),
        cautions=record.cautions,
        statements=read_statements(record, tags),
        patient=tags.patient(),
        device=tags.device(),
        filters=tags.filters(),
        measurements=read_measurements(record),
    )


def _values(record: Record, coded: Coded, chunk: bytes, count: int) -> NDArray[np.int64]:
    if record.tables is not None:
        values = decode_huffman(chunk, count, record.tables)
    elif 2 * count > len(chunk):
        raise NotAnEcg("truncated", f"{len(chunk) // 2} / {count}")
    else:
        values = np.frombuffer(chunk, dtype="<i2", count=count).astype(np.int64)
    return undo_differences(values, coded.differences)


def _rhythm(record: Record) -> tuple[list[Lead], float]:
    rhythm = read_coded(record, 6)
    median = read_coded(record, 5) if 5 in record.sections and (record.subtracted or rhythm.bimodal) else None
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


def _factor(rhythm: Coded, median: Coded | None) -> int:
    """How many samples one stored sample stands for outside of the protected zones."""
    if median is None or median.interval_us == rhythm.interval_us:
        return 1
    factor = rhythm.interval_us // median.interval_us
    if not rhythm.bimodal or factor * median.interval_us != rhythm.interval_us or not 2 <= factor <= 16:
        raise NotAnEcg("unsupported", "SCP 6")
    return factor


def _lead_values(record: Record, rhythm: Coded, number: int, factor: int) -> NDArray[np.int64]:
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


def _on_one_axis(ranges: list[LeadRange], leads: list[Lead]) -> list[Lead]:
    """Leads that were recorded one after the other stand where they were recorded."""
    first, last = min(place.first for place in ranges), max(place.last for place in ranges)
    if all((place.first, place.last) == (first, last) for place in ranges):
        return leads
    if (last - first + 1) * len(leads) > MOST_SAMPLES:
        raise NotAnEcg("too_large", "SCP 3")
    placed = []
    for place, lead in zip(ranges, leads, strict=True):
        values = np.full(last - first + 1, np.nan, dtype=np.float32)
        values[place.first - first : place.last - first + 1] = lead.window_uv()
        placed.append(Lead(name=lead.name, digital=values))
    return placed
