"""Edan Holters: `patient.hea` with `ecgraw.dat`, or an `.arc` archive of them.

The format was never published; offsets are those that others found out. Microvolts per count are not known, so the
tracing says that it is not calibrated: its times are true, its amplitudes are not. The pair is read here, because
the samples of a day must stay in the file; archives are read by ecgdatakit, up to a size.
"""

import struct
from datetime import UTC, datetime

import numpy as np
from ecgdatakit.parsing.parsers.edan_arc import EDANARCHolterParser

from adapters.ecg.assembling import assemble
from adapters.ecg.by_ecgdatakit import read_by
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import Caution, EcgDevice, EcgFilters, EcgPatient, EcgRecording, Lead
from adapters.ecg.text import read_text

SIGNALS = "ecgraw.dat"
LARGEST_ARCHIVE_BYTES = 32 << 20  # the library makes four bytes of each
_LABELS_AT, _LABEL_BYTES = 1796, 8
_SMALLEST_HEADER, _LARGEST_HEADER = _LABELS_AT + 12 * _LABEL_BYTES, 8192
_WIRED = 12  # channels that the recorder writes, however many electrodes there are
_RATES = (100, 128, 200, 250, 256, 500, 1000)
_EPOCHS = range(631_152_000, 3_155_760_000)  # 1990 to 2070
_ZERO = 16384
_LONGEST_S = 31 * 24 * 3600
_NEUTRAL = b"##NEUTRAL HOLTER RECORDING##"


def is_edan(content: Content) -> bool:
    return _is_header(content) or is_archive(content)


def is_archive(content: Content) -> bool:
    head = content.head
    return head[4 : 4 + len(_NEUTRAL)] == _NEUTRAL or b"patient.hea" in head


def _is_header(content: Content) -> bool:
    if not _SMALLEST_HEADER <= content.size <= _LARGEST_HEADER:
        return False
    start, end, channels, rate = struct.unpack_from("<4xIIB19xh", content.head)
    return channels in (3, _WIRED) and rate in _RATES and start in _EPOCHS and 0 <= end - start <= _LONGEST_S


def read_edan(content: Content, companions: Companions) -> EcgRecording:
    """Read a header with its signal file, or an archive."""
    if not _is_header(content):
        if content.size > LARGEST_ARCHIVE_BYTES:
            raise NotAnEcg("too_large", f"{content.size >> 20} MB")
        return read_by(EDANARCHolterParser, content.whole(), format="edan", suffix=".arc", uncalibrated=True)
    signals = companions(SIGNALS)
    if signals is None:
        raise NotAnEcg("waits_for", SIGNALS)
    header = content.whole()
    start, end, channels, rate = struct.unpack_from("<4xIIB19xh", header)
    stride = _stride(signals.size // 2, channels, rate, end - start)
    samples = signals.size // 2 // stride
    if not samples:
        raise NotAnEcg("no_leads")
    low_pass = struct.unpack_from("<h", header, 2596)[0] if len(header) >= 2598 else 0
    return assemble(
        format="edan",
        leads=[_lead(header, signals, number, stride, samples) for number in range(channels)],
        sampling_rate_hz=float(rate),
        started_at=datetime.fromtimestamp(start, tz=UTC).replace(
            tzinfo=None
        ),  # the county's clock, as a number
        cautions=[Caution(code="not_calibrated")],
        patient=EcgPatient(patient_id=_text(header, 108, 32), name=_text(header, 2637, 63)),
        device=EcgDevice(
            manufacturer="EDAN", serial_number=_text(header, 2304, 10), software=_text(header, 2314, 6)
        ),
        filters=EcgFilters(low_pass_hz=float(low_pass) if 0 < low_pass < 2000 else None),
        accession_number=_text(header, 344, 68),
    )


def _stride(numbers: int, channels: int, rate: int, seconds: int) -> int:
    """How many channels lie side by side: whichever count gives the length that the header says."""
    if channels == _WIRED or seconds <= 0:
        return channels
    return min((channels, _WIRED), key=lambda count: abs(numbers / count / rate - seconds))


def _lead(header: bytes, signals: Content, number: int, stride: int, samples: int) -> Lead:
    name = _text(header, _LABELS_AT + number * _LABEL_BYTES, _LABEL_BYTES) or f"Ch{number + 1}"
    view = signals.view(np.dtype("<u2"), 2 * number, samples, 2 * stride)
    return Lead(name=name, digital=view, gain_uv=1.0, offset_uv=-float(_ZERO))


def _text(header: bytes, at: int, size: int) -> str:
    return read_text(header[at : at + size], "GB18030")
