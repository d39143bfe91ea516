"""GE MUSE XML: ecgdatakit reads one rhythm waveform; what is spread over several is put together here.

Leads without samples and rhythms of another rate or another beginning are left out and told; average beats are shown,
as such, only where there is no rhythm.
"""

import xml.etree.ElementTree as ET
from xml.etree.ElementTree import Element

from ecgdatakit.parsing.parsers.ge_muse_xml import GEMuseXMLParser

from adapters.ecg.by_ecgdatakit import parse_bytes, recording_of
from adapters.ecg.content import Companions, Content
from adapters.ecg.lead_names import standard_name
from adapters.ecg.recording import Caution, EcgRecording
from adapters.ecg.xml_text import read_xml, strip_namespaces

_SAME = ("SampleBase", "SampleExponent", "WaveformStartTime")


def read_muse(content: Content, companions: Companions) -> EcgRecording:
    root, plain = read_xml(content)
    strip_namespaces(root)
    cautions = _leave_out_silent(root)
    rhythms = [wave for wave in root.findall("Waveform") if _is_rhythm(wave)]
    if not rhythms and (averaged := root.find("Waveform")) is not None:
        _set_rhythm(averaged)
        cautions.append(Caution(code="median_only"))
    for number, wave in enumerate(rhythms[1:], 2):
        cautions += _join(rhythms[0], wave, number)
        root.remove(wave)
    if cautions or len(rhythms) > 1:
        plain = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return recording_of(parse_bytes(GEMuseXMLParser, plain, ".xml"), format="muse", told=cautions)


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _is_rhythm(wave: Element) -> bool:
    return _text(wave, "WaveformType").lower() in ("", "rhythm")


def _set_rhythm(wave: Element) -> None:
    for kind in wave.findall("WaveformType"):
        kind.text = "Rhythm"


def _leave_out_silent(root: Element) -> list[Caution]:
    cautions = []
    for wave in root.findall("Waveform"):
        for lead in wave.findall("LeadData"):
            if not _text(lead, "WaveFormData"):
                wave.remove(lead)
                if _is_rhythm(wave):
                    cautions.append(Caution(code="lead_left_out", about=standard_name(_text(lead, "LeadID"))))
    return cautions


def _join(first: Element, other: Element, number: int) -> list[Caution]:
    """The leads of another waveform that the first does not have."""
    if any(_text(first, name) != _text(other, name) for name in _SAME):
        return [Caution(code="lead_left_out", about=f"Waveform {number}")]
    have = {_text(lead, "LeadID") for lead in first.findall("LeadData")}
    new = [lead for lead in other.findall("LeadData") if _text(lead, "LeadID") not in have]
    first.extend(new)
    repeated = len(other.findall("LeadData")) - len(new)
    return [Caution(code="lead_left_out", about=f"Waveform {number}")] if repeated else []
