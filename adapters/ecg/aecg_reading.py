"""HL7 aECG, also Mindray's: ecgdatakit reads one set of sequences, and here all sets of the rhythm are put together.

Carts write leads that were recorded one after the other, or each lead, as a set of its own; a set begins where its
time says. A lead without digits is left out and told, as are further series of rhythm. ANSI/HL7 V3 ECG R1-2004.
"""

import xml.etree.ElementTree as ET
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from ecgdatakit.parsing.parsers.hl7_aecg import HL7aECGParser

from adapters.ecg.by_ecgdatakit import parse_bytes, recording_of
from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import standard_name
from adapters.ecg.recording import MOST_LEADS, Caution, EcgRecording
from adapters.ecg.xml_text import read_xml, strip_namespaces

_BEAT = "REPRESENTATIVE_BEAT"
_MOST_SETS = 32
_MOST_SAMPLES = 1 << 23  # of all leads that begin later than the first, with what was not recorded before
_LONGEST_GAP_S = 3600.0
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read_aecg(content: Content, companions: Companions) -> EcgRecording:
    """Read the rhythm: every set of sequences of the first series that has one."""
    root, plain = read_xml(content)
    strip_namespaces(root)
    cautions, documents = _cut_out(root), [plain]
    series = _rhythm_series(root)
    if series is None:
        raise NotAnEcg("no_leads")
    sets = [part for part in series.findall("component") if part.find("sequenceSet") is not None]
    if len(sets) > _MOST_SETS:
        raise NotAnEcg("too_large", f"{len(sets)} x sequenceSet")
    if sets and (cautions or len(sets) > 1):
        documents = [_with_only(root, series, sets, number) for number in range(len(sets))]
    record, *others = [parse_bytes(HL7aECGParser, document, ".xml") for document in documents]
    for other in others:
        _add(record, other)
    if len(record.leads) > MOST_LEADS:
        raise NotAnEcg("too_many_leads", str(len(record.leads)))
    return recording_of(record, format="aecg", told=cautions)


def _rhythm_series(root: Element) -> Element | None:
    found = (series for series in root.findall("component/series") if _code(series).upper() != _BEAT)
    return next(found, None)


def _code(element: Element) -> str:
    return str(element.find("code").get("code", "")) if element.find("code") is not None else ""  # type: ignore[union-attr]


def _cut_out(root: Element) -> list[Caution]:
    """Leads without digits, rhythm series without leads, and those behind the first that has some."""
    cautions: list[Caution] = []
    kept = False
    for part in root.findall("component"):
        series = part.find("series")
        if series is None or _code(series).upper() == _BEAT:
            continue
        cautions += _cut_silent(series)
        filled = bool(series.findall("component/sequenceSet/component/sequence/value/digits"))
        if filled and kept:
            cautions.append(Caution(code="lead_left_out", about=_code(series) or "series"))
        if kept or (not filled and len(root.findall("component/series")) > 1):
            root.remove(part)
        kept = kept or filled
    return cautions


def _cut_silent(series: Element) -> list[Caution]:
    cautions = []
    for group in series.findall("component/sequenceSet"):
        for part in group.findall("component"):
            digits = part.find("sequence/value/digits")
            if digits is not None and not (digits.text or "").split():
                label = _code(part.find("sequence") or part)
                cautions.append(Caution(code="lead_left_out", about=standard_name(label)))
                group.remove(part)
    return cautions


def _with_only(root: Element, series: Element, sets: list[Element], number: int) -> bytes:
    """The document as if it had this set alone."""
    for part in sets:
        if part in list(series):
            series.remove(part)
    series.insert(0, sets[number])
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(record: Any, other: Any) -> None:
    """The leads of another set, begun where its time says; a lead that is there already goes on, or stays."""
    rate = float(record.raw_metadata["rhythm_time"]["sampling_rate_exact"])
    seconds = _seconds_between(record.raw_metadata["rhythm_time"], other.raw_metadata["rhythm_time"])
    if not 0 <= seconds <= _LONGEST_GAP_S:
        raise NotAnEcg("unsupported", f"aECG sequenceSet {seconds:g} s")
    before = round(seconds * rate)
    if sum(before + lead.samples.size for lead in [*record.leads, *other.leads]) > _MOST_SAMPLES:
        raise NotAnEcg("too_large", "aECG sequenceSet")
    have = {lead.label: lead for lead in record.leads}
    for lead in other.leads:
        begun = have.get(lead.label)
        if begun is None:
            lead.samples = np.concatenate([np.full(before, np.nan), lead.samples])
            record.leads.append(lead)
        elif before >= begun.samples.size and (begun.resolution, begun.resolution_unit, begun.offset) == (
            lead.resolution, lead.resolution_unit, lead.offset,
        ):  # fmt: skip
            gap = np.full(before - begun.samples.size, np.nan)
            begun.samples = np.concatenate([begun.samples, gap, lead.samples])


def _seconds_between(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Absolute times are HL7's TS, relative ones have a unit; sets that say nothing begin together."""
    if not first["head"] or not second["head"] or first["code"] != second["code"]:
        return 0.0
    try:
        if first["code"].upper() == "TIME_ABSOLUTE":
            return (_moment(second["head"]) - _moment(first["head"])).total_seconds()
        units = _SECONDS.get(first["head_unit"], 1.0), _SECONDS.get(second["head_unit"], 1.0)
        return float(second["head"]) * units[1] - float(first["head"]) * units[0]
    except ValueError as error:
        raise NotAnEcg("damaged", "aECG head") from error


def _moment(text: str) -> datetime:
    """YYYYMMDDHHMMSS.ffff; both of one file are of one zone."""
    whole, _, fraction = text.partition("+")[0].partition("-")[0].partition(".")
    return datetime.strptime(f"{whole:0<14}.{fraction[:6] or 0}", "%Y%m%d%H%M%S.%f")  # noqa: DTZ007
