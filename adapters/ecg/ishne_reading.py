"""ISHNE Holter files: a header of 522 bytes, then counts of all leads side by side, which stay where they are.

A wrong header checksum is told and not refused: recorders and converters leave it wrong. The annotation files of the
format (`ANN`) hold no ECG.

Badilini F., The ISHNE Holter Standard Output File Format, 1998.
"""

import binascii
import struct
from datetime import date, datetime

from adapters.ecg.assembling import assemble
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import MOST_LEADS, Caution, EcgDevice, EcgPatient, EcgRecording, Lead
from adapters.ecg.text import read_text

_MAGIC = b"ISHNE1.0"
_HEADER_BYTES = 522
_LEADS = dict(enumerate(("X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
                         "ES", "AS", "AI"), 2))  # fmt: skip
_SEXES = {1: "M", 2: "F"}
_MOST_SPECIFIED = 12  # leads that the header has room for
_NO_SAMPLE = -32768
_BLOCK_BYTES = 512  # to which a recorder fills up its last block
_NANOVOLTS = 1e-3


def is_ishne(content: Content) -> bool:
    return content.head.startswith((_MAGIC, b"ANN  1.0"))


def read_ishne(content: Content, companions: Companions) -> EcgRecording:
    """Read the header; the samples are a view of the file."""
    if not content.head.startswith(_MAGIC):
        raise NotAnEcg("unsupported", "ISHNE ANN")
    header = content.take(0, _HEADER_BYTES)
    variable, claimed, _, start = struct.unpack_from("<4i", header, 10)
    if 0 <= start < _HEADER_BYTES:  # no place for samples: they follow the header's variable part
        start = _HEADER_BYTES + max(0, variable)
    count, rate = struct.unpack_from("<h", header, 156)[0], struct.unpack_from("<h", header, 272)[0]
    if not 1 <= count <= min(MOST_LEADS, _MOST_SPECIFIED):
        raise NotAnEcg("too_many_leads" if count > 0 else "no_leads", str(count))
    if not _HEADER_BYTES <= start <= content.size:
        raise NotAnEcg("truncated")
    samples = _samples(content.size - start, claimed, count)
    lead_specs = struct.unpack_from(f"<{count}h", header, 158)
    resolutions = struct.unpack_from(f"<{count}h", header, 206)
    names = [_LEADS.get(spec, f"Ch{number + 1}") for number, spec in enumerate(lead_specs)]
    if not any(resolution > 0 for resolution in resolutions):
        raise NotAnEcg("scale_unknown", names[0])
    leads = [
        _lead(content, start, number, count, samples, name, resolution)
        for number, (name, resolution) in enumerate(zip(names, resolutions, strict=True))
        if resolution > 0
    ]
    unscaled = [name for name, resolution in zip(names, resolutions, strict=True) if resolution <= 0]
    return assemble(
        format="ishne",
        leads=leads,
        sampling_rate_hz=float(rate),
        started_at=_started_at(header),
        cautions=[
            *_cautions(content, header, start),
            *(Caution(code="lead_left_out", about=name) for name in unscaled),
        ],
        patient=_patient(header),
        device=EcgDevice(model=read_text(header[232:272])),
    )


def _samples(data_bytes: int, claimed: int, leads: int) -> int:
    """Samples of one lead. Some writers count those of all leads; then the file has just as many numbers."""
    present = data_bytes // (2 * leads)
    if not present:
        raise NotAnEcg("no_leads")
    if claimed <= 0:
        return present
    if claimed <= present:
        return claimed
    if claimed % leads == 0 and 0 <= data_bytes - 2 * claimed < _BLOCK_BYTES:
        return claimed // leads
    raise NotAnEcg("truncated", f"{present} / {claimed}")


def _lead(
    content: Content, start: int, number: int, leads: int, samples: int, name: str, resolution: int
) -> Lead:
    view = content.view("<i2", start + 2 * number, samples, 2 * leads)
    return Lead(name=name, digital=view, gain_uv=resolution * _NANOVOLTS, missing=_NO_SAMPLE)


def _cautions(content: Content, header: bytes, start: int) -> list[Caution]:
    said = struct.unpack_from("<H", header, 8)[0]
    right = binascii.crc_hqx(content.take(10, start - 10), 0xFFFF) if start <= (1 << 24) else said
    return [] if said == right else [Caution(code="crc_wrong")]


def _patient(header: bytes) -> EcgPatient:
    given, family = read_text(header[28:68]), read_text(header[68:108])
    return EcgPatient(
        patient_id=read_text(header[108:128]),
        name="^".join(part for part in (family, given) if part),
        sex=_SEXES.get(struct.unpack_from("<h", header, 128)[0], ""),
        birth_date=_date(header, 132),
    )


def _date(header: bytes, at: int) -> date | None:
    day, month, year = struct.unpack_from("<3h", header, at)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _started_at(header: bytes) -> datetime | None:
    day = _date(header, 138)
    hour, minute, second = struct.unpack_from("<3h", header, 150)
    if day is None:
        return None
    try:
        return datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
