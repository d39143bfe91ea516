"""MFER (ISO 22077-1): read by ecgdatakit, which holds every length that the file claims against its size."""

from ecgdatakit.parsing.parsers.mfer import MFERParser

from adapters.ecg.by_ecgdatakit import read_by
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import EcgRecording

LARGEST_BYTES = 32 << 20  # the library makes four bytes of each


def is_mfer(content: Content) -> bool:
    return MFERParser.can_parse(None, content.head)  # type: ignore[arg-type]


def read_mfer(content: Content, companions: Companions) -> EcgRecording:
    if content.size > LARGEST_BYTES:
        raise NotAnEcg("too_large", f"{content.size >> 20} MB")
    return read_by(MFERParser, content.whole(), format="mfer", suffix=".mwf")
