"""ECGs in XML: how each is known; Philips Sierra and Mortara ELI: made safe by `xml_text`, read by ecgdatakit."""

import re
import xml.etree.ElementTree as ET

from ecgdatakit.parsing.parser import Parser
from ecgdatakit.parsing.parsers.mortara_el250 import MortaraEL250Parser
from ecgdatakit.parsing.parsers.sierra_xml import SierraXMLParser

from adapters.ecg.by_ecgdatakit import read_by
from adapters.ecg.content import Companions, Content
from adapters.ecg.recording import EcgRecording
from adapters.ecg.xml_text import read_xml, strip_namespaces, text_of_head

_PROLOG_BYTES = 1 << 16
_PREFIXED = re.compile(
    rb"<[A-Za-z_][\w.-]*:[A-Za-z]"
)  # of these formats the library knows no element with a prefix
_AECG = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?AnnotatedECG\b")
_MUSE = re.compile(r"<RestingECG\b")
_SIERRA = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?restingecgdata\b")


def _beginning(content: Content) -> str:
    """Before the root element a cart may write a schema's worth of comments."""
    return text_of_head(content.up_to(0, _PROLOG_BYTES))


def is_aecg(content: Content) -> bool:
    return bool(_AECG.search(_beginning(content)))


def is_muse(content: Content) -> bool:
    return bool(_MUSE.search(_beginning(content)))


def is_sierra(content: Content) -> bool:
    return bool(_SIERRA.search(_beginning(content)))


def read_sierra(content: Content, companions: Companions) -> EcgRecording:
    return _read(SierraXMLParser, content, "sierra")


def is_mortara(content: Content) -> bool:
    return MortaraEL250Parser.can_parse(None, _beginning(content).encode())  # type: ignore[arg-type]


def read_mortara(content: Content, companions: Companions) -> EcgRecording:
    return _read(MortaraEL250Parser, content, "mortara")


def _read(parser: type[Parser], content: Content, key: str) -> EcgRecording:
    root, plain = read_xml(content)
    if root.tag.startswith("{") and _PREFIXED.search(plain[:_PROLOG_BYTES]):
        strip_namespaces(root)
        plain = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return read_by(parser, plain, format=key, suffix=".xml")
