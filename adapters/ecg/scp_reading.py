"""SCP-ECG (EN 1064): read by ecgdatakit."""

from ecgdatakit.parsing.parsers.scp_ecg import SCPECGParser

from adapters.ecg.by_ecgdatakit import read_by
from adapters.ecg.content import Companions, Content
from adapters.ecg.recording import EcgRecording


def is_scp(content: Content) -> bool:
    return SCPECGParser.can_parse(None, content.head)  # type: ignore[arg-type]


def read_scp(content: Content, companions: Companions) -> EcgRecording:
    return read_by(SCPECGParser, content.whole(), format="scpecg", suffix=".scp")
