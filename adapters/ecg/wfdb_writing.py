"""An EcgRecording as a WFDB record: `NAME.hea` and `NAME.dat` in a plain zip.

Samples are the cart's own counts in format 16, 24 or 32, whichever is the narrowest that holds them; the lowest value
of each format says "no sample". The zip is stored, not deflated, and the same recording gives the same bytes. A day's
recording is written piece by piece. WFDB has no place for whose the recording is: age and sex stand in the comments,
name and number nowhere. Times are the county's clock.

Formats and header: WFDB Applications Guide, signal(5) and header(5).
"""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.digitising import WINDOW_SAMPLES, DigitalLead, digitise
from adapters.ecg.recording import EcgRecording
from adapters.errors import Inexpressible

WIDTHS = (16, 24, 32)  # bits of a sample, and the names of the formats
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say: the same bytes whenever it is written
LONGEST_LINE = 255  # header(5)
MEASUREMENTS = {  # field of EcgMeasurements → how the comment calls it
    "heart_rate_bpm": "heart rate (bpm)",
    "rr_ms": "RR (ms)",
    "p_ms": "P (ms)",
    "pr_ms": "PR (ms)",
    "qrs_ms": "QRS (ms)",
    "qt_ms": "QT (ms)",
    "qtc_ms": "QTc (ms)",
    "p_axis_deg": "P axis (deg)",
    "qrs_axis_deg": "QRS axis (deg)",
    "t_axis_deg": "T axis (deg)",
}


def write_wfdb(recording: EcgRecording, *, name: str, time_zone: tzinfo) -> bytes:
    """The whole zip. `name` is the record's, of letters, digits, hyphens and underscores. Raises Inexpressible."""
    return b"".join(wfdb_pieces(recording, name=name, time_zone=time_zone))


def wfdb_pieces(recording: EcgRecording, *, name: str, time_zone: tzinfo) -> Iterator[bytes]:
    """The zip in pieces of bounded size. What cannot be written is said before the first of them."""
    if not re.fullmatch(r"[-\w]+", name, re.ASCII):
        raise ValueError(f"not a name of a WFDB record: {name!r}")
    if not recording.leads or not recording.samples:
        raise Inexpressible("a WFDB record without samples")
    leads = digitise(recording)
    width = _width(leads)
    header = _header(recording, leads, width, name, time_zone)
    return _zip_pieces(name, header, leads, width, recording.samples)


def _width(leads: tuple[DigitalLead, ...]) -> int:
    for width in WIDTHS:
        # The lowest value of the format is kept for what is missing.
        if all(-(1 << width - 1) < lead.lowest and lead.highest < 1 << width - 1 for lead in leads):
            return width
    raise Inexpressible("WFDB samples of more than 32 bits")


def _missing(width: int) -> int:
    return -(1 << width - 1)


# --- the header ------------------------------------------------------------------------------------------------------


def _header(
    recording: EcgRecording, leads: tuple[DigitalLead, ...], width: int, name: str, time_zone: tzinfo
) -> bytes:
    record = f"{name} {len(leads)} {_number(recording.sampling_rate_hz)} {recording.samples}"
    if recording.started_at is not None:
        record += recording.started_at.astimezone(time_zone).strftime(" %H:%M:%S.%f %d/%m/%Y")
    checksums = _checksums(leads, width, recording.samples)
    lines = [
        record,
        *(_signal(lead, name, width, *ends) for lead, ends in zip(leads, checksums, strict=True)),
        *(f"# {comment}"[:LONGEST_LINE] for comment in _comments(recording)),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _signal(lead: DigitalLead, name: str, width: int, first: int, checksum: int) -> str:
    """Physical value = (count - baseline) / gain, in microvolts."""
    baseline = round(-lead.offset_uv / lead.gain_uv)
    if abs(baseline) >= 1 << 31:
        raise Inexpressible("a WFDB baseline of more than 32 bits")
    description = _one_line(lead.lead.name)
    return f"{name}.dat {width} {_number(1 / lead.gain_uv)}({baseline})/uV {width} 0 {first} {checksum} 0 {description}"


def _checksums(leads: tuple[DigitalLead, ...], width: int, samples: int) -> list[tuple[int, int]]:
    """The first sample of every signal and the sum of all of them, as a 16-bit number."""
    found = []
    for lead in leads:
        total = 0
        for start in range(0, samples, WINDOW_SAMPLES):
            total += int(lead.counts(start, start + WINDOW_SAMPLES, missing=_missing(width)).sum())
        first = int(lead.counts(0, 1, missing=_missing(width))[0])
        found.append((first, (total + 0x8000) % 0x10000 - 0x8000))
    return found


def _comments(recording: EcgRecording) -> Iterator[str]:
    patient, device, filters, measured = (
        recording.patient,
        recording.device,
        recording.filters,
        recording.measurements,
    )
    if patient.age_years is not None:
        yield f"Age: {patient.age_years}"
    if patient.sex:
        yield f"Sex: {patient.sex}"
    if made := _one_line(f"{device.manufacturer} {device.model}"):
        yield f"Device: {made}"
    for name, value in (
        ("High-pass filter", filters.high_pass_hz),
        ("Low-pass filter", filters.low_pass_hz),
        ("Notch filter", filters.notch_hz),
    ):
        if value is not None:
            yield f"{name}: {value:g} Hz"
    if derived := " ".join(lead.name for lead in recording.leads if lead.derived):
        yield f"Calculated leads: {_one_line(derived)}"
    for field, called in MEASUREMENTS.items():
        if (value := getattr(measured, field)) is not None:
            yield f"Device {called}: {value:g}"
    if measured.qtc_ms is not None and measured.qtc_formula:
        yield f"Device QTc formula: {_one_line(measured.qtc_formula)}"
    for line in recording.statements:
        yield f"Device statement: {_one_line(line)}"
    for caution in recording.cautions:
        yield f"Caution: {_one_line(f'{caution.code} {caution.about}')}"


def _number(value: float) -> str:
    """Digits without an exponent, as many as tell this number from its neighbours."""
    return np.format_float_positional(value, unique=True, trim="-")


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x20\x7f]+", " ", text).strip()


# --- the zip ---------------------------------------------------------------------------------------------------------


class _Pieces(io.RawIOBase):
    """What a zip is written to when nobody may look back: it is taken away as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._kept.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._kept = b"".join(self._kept), []
        return taken


def _zip_pieces(
    name: str, header: bytes, leads: tuple[DigitalLead, ...], width: int, samples: int
) -> Iterator[bytes]:
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.hea", ZIP_TIME), header)
        size = samples * len(leads) * width // 8
        with archive.open(_entry(f"{name}.dat", size), "w") as member:
            for start in range(0, samples, WINDOW_SAMPLES):
                member.write(_window(leads, width, start))
                yield out.take()
    yield out.take()


def _entry(filename: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(filename, ZIP_TIME)
    entry.file_size = size  # tells the zip beforehand whether it needs 64-bit sizes
    return entry


def _window(leads: tuple[DigitalLead, ...], width: int, start: int) -> bytes:
    counts = [lead.counts(start, start + WINDOW_SAMPLES, missing=_missing(width)) for lead in leads]
    return _packed(np.stack(counts, axis=1), width)


def _packed(counts: NDArray[np.int64], width: int) -> bytes:
    """Two's complement, least significant byte first, sample by sample through all signals."""
    if width == 24:
        return np.ascontiguousarray(counts.astype("<i4")).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return counts.astype(f"<i{width // 8}").tobytes()
