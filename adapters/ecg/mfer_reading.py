"""MFER (ISO 22077-1): read by ecgdatakit, which holds every length that the file claims against its size."""

from typing import Any

from ecgdatakit.parsing.parsers.mfer import MFERParser

from adapters.ecg.by_ecgdatakit import parse_bytes, recording_of
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import Caution, EcgRecording

_BEAT = 9  # dominant beat (MWF_WFM, Table 5-14)
LARGEST_BYTES = 32 << 20  # the library makes four bytes of each


def is_mfer(content: Content) -> bool:
    return MFERParser.can_parse(None, content.head)  # type: ignore[arg-type]


def read_mfer(content: Content, companions: Companions) -> EcgRecording:
    if content.size > LARGEST_BYTES:
        raise NotAnEcg("too_large", f"{content.size >> 20} MB")
    record = parse_bytes(MFERParser, content.whole(), ".mwf")
    return recording_of(record, format="mfer", told=_not_read(record))


def _not_read(record: Any) -> list[Caution]:
    """Frames behind one that changes channels, rate or scale: the library reads those before it, and is silent."""
    frames = [frame for frame in record.raw_metadata["frames"] if frame["waveform_type"] != _BEAT]
    read = len(record.leads[0].samples) if record.leads else 0
    if sum(frame["samples"] for frame in frames) <= read:
        return []
    return [Caution(code="lead_left_out", about=f"MWF_WAV 1/{len(frames)}")]
