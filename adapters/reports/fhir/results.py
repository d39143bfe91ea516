"""What was found, one Observation each: laboratory results, measurements of an electrocardiogram, findings in words.

A version that leaves out what one before it said takes that back (`entered-in-error`); one that is void takes back
all, and keeps no value that a careless reader might still use.
"""

from collections.abc import Iterator
from datetime import datetime

from adapters.ecg.dicom_codes import MEASUREMENTS, QTC_BY_FORMULA
from adapters.reports.document import KeyFact, ReportDocument
from adapters.reports.fhir.parts import (
    ABSENT,
    INTERPRETATION,
    LOINC,
    MDC,
    OBSERVATION_CATEGORY,
    Resource,
    clean,
    coding,
    concept,
    extension,
    moment,
    own_identifier,
    quantity,
)
from adapters.reports.fhir.source import FhirReport, Links, report_status
from adapters.reports.hl7_report import FINDINGS
from adapters.reports.laboratory import LabLine, Pending, result_status

# HL7 table 0085 → ObservationStatus.
_STATUSES = {"F": "final", "P": "preliminary", "C": "corrected", "X": "cancelled", "D": "entered-in-error"}
_PENDING = {"not_reported": "cancelled"}
_CATEGORIES = {
    "imaging": "imaging",
    "ecg": "procedure",
    "laboratory": "laboratory",
    "pathology": "laboratory",
}
_COMPARATORS = ("<", "<=", ">=", ">")
_FLAGS = {
    "L": "Low",
    "H": "High",
    "LL": "Critical low",
    "HH": "Critical high",
    "A": "Abnormal",
    "AA": "Critical abnormal",
    "N": "Normal",
}
_ECG_LOINC = {
    "heart_rate_bpm": ("8867-4", "Heart rate"),
    "rr_ms": ("8637-1", "R-R interval by EKG"),
    "pr_ms": ("8625-6", "P-R Interval"),
    "qrs_ms": ("8633-0", "QRS duration"),
    "qt_ms": ("8634-8", "Q-T interval"),
    "qtc_ms": ("8636-3", "Q-T interval corrected"),
    "qrs_axis_deg": ("8632-2", "QRS axis"),
}
_VITAL_SIGNS = frozenset({"heart_rate_bpm"})  # LOINC 8867-4 obliges to the profile of vital signs (R4 10.1.8)
_ECG_UNITS = {"bpm": "/min", "ms": "ms", "deg": "deg"}


def observations(report: FhirReport, links: Links) -> list[Resource]:
    """Every one of them, those taken back at the end."""
    made = [clean(one) for one in (*_lab(report, links), *_measured(report, links), *_words(report, links))]
    known = {one["id"] for one in made}
    gone = {
        id_: text for before in report.earlier for id_, text in _ids_of(report, before) if id_ not in known
    }
    return made + [clean(_taken_back(report, links, id_, text)) for id_, text in gone.items()]


def standing(made: list[Resource]) -> list[Resource]:
    """Those that the report still says."""
    return [one for one in made if one["status"] != "entered-in-error"]


def _lab(report: FhirReport, links: Links) -> Iterator[Resource]:
    table = report.document.laboratory
    for line in table.lines if table else ():
        yield _result(report, links, line)
    for one in table.pending if table else ():
        yield _waiting(report, links, one)


def _result(report: FhirReport, links: Links, line: LabLine) -> Resource:
    status = _STATUSES.get(result_status(line, report.document.preliminary), "final")
    base = _begin(report, links, line.code, status) | {
        "code": concept(line.name, *_codes(report, line.code, line.name, line.loinc)),
        "specimen": links.to("Specimen", report.part_id("specimen")),
        "effectiveDateTime": moment(line.observed_at),
        "performer": [
            links.to("Organization", report.ids.diagnosed_at),
            {"display": line.tested_at} if line.tested_at else {},
        ],
        "method": concept(line.method) if line.method else {},
        "device": {"display": line.device} if line.device else {},
    }
    return _void(base) if report.withdrawn else base | _said(report, line)


def _said(report: FhirReport, line: LabLine) -> Resource:
    """Value, what it is measured against, and what was remarked."""
    comparator = line.comparator if line.comparator in _COMPARATORS else ""
    exact = line.number is not None and line.value and comparator == line.comparator
    value = (
        {"valueQuantity": quantity(line.number, line.unit, comparator)}
        if exact
        else {"valueString": line.value}
    )
    earlier = (f"修正：原报告为 {line.earlier}",) if line.change == "corrected" else ()
    flag = line.abnormal or ("N" if line.range and line.value else "")
    return {
        **value,
        "dataAbsentReason": {} if line.value else concept("", coding(ABSENT, "unknown")),
        "interpretation": [concept("", coding(INTERPRETATION, flag, _FLAGS.get(flag, "")))] if flag else [],
        "referenceRange": [_range(line)],
        "note": [{"text": text} for text in (*earlier, *line.comments)],
        "extension": [
            extension(
                report.base_url, "recognition-mark", extension=[{"url": "text", "valueString": line.mark}]
            )
            if line.mark
            else {},
            extension(report.base_url, "critical", valueBoolean=True) if line.critical else {},
        ],
    }


def _range(line: LabLine) -> Resource:
    return {"low": quantity(line.low, line.unit), "high": quantity(line.high, line.unit), "text": line.range}


def _waiting(report: FhirReport, links: Links, one: Pending) -> Resource:
    """A test without a result."""
    code = one.code or one.name
    base = _begin(report, links, code, _PENDING.get(one.reason, "registered")) | {
        "code": concept(one.name, *_codes(report, one.code, one.name, "")),
        "specimen": links.to("Specimen", report.part_id("specimen")),
        "effectiveDateTime": moment(_observed_at(report.document)),
        "note": [{"text": f"原报告为 {one.earlier}"}] if one.earlier else [],
    }
    return (
        _void(base)
        if report.withdrawn
        else base | {"dataAbsentReason": concept("", coding(ABSENT, "temp-unknown"))}
    )


def _measured(report: FhirReport, links: Links) -> Iterator[Resource]:
    """Measurements of an electrocardiogram: MDC, and LOINC where that has one."""
    for fact in report.document.key_facts:
        if not fact.code or fact.number is None:
            continue
        base = _begin(report, links, fact.code, _status(report)) | {
            "code": concept(fact.name, *_ecg_codes(fact)),
            "effectiveDateTime": moment(_observed_at(report.document)),
            "category": [
                concept("", coding(OBSERVATION_CATEGORY, one)) for one in _categories_of(report, fact)
            ],
            "performer": [links.to("Practitioner", report.ids.signer)],
            "method": concept(fact.source) if fact.source else {},
        }
        value = {"valueQuantity": quantity(fact.number, _ECG_UNITS[fact.code.rsplit("_", 1)[-1]])}
        yield _void(base) if report.withdrawn else base | value


def _categories_of(report: FhirReport, fact: KeyFact) -> list[str]:
    usual = _CATEGORIES[report.document.kind]
    return [usual, "vital-signs"] if fact.code in _VITAL_SIGNS else [usual]


def _ecg_codes(fact: KeyFact) -> list[Resource]:
    """MDC as one number (ISO/IEEE 11073-10102): the partition times 65,536, and the term within it."""
    term = QTC_BY_FORMULA.get(fact.formula) if fact.code == "qtc_ms" else None
    named = term or MEASUREMENTS[fact.code][0]
    partition, place = named.value.split(":")
    codes = [coding(MDC, str(int(partition) * 65536 + int(place)), named.meaning)]
    loinc = _ECG_LOINC.get(fact.code)
    return [coding(LOINC, *loinc), *codes] if loinc else codes


def _words(report: FhirReport, links: Links) -> Iterator[Resource]:
    """Findings, for which a DiagnosticReport has no place, and the statements that were chosen."""
    document = report.document
    said = [("findings", concept(FINDINGS[1], coding(LOINC, *FINDINGS[:2])), document.findings)]
    said += [
        (f"statement-{place}", concept("诊断语句"), words)
        for place, words in enumerate(document.statements, start=1)
    ]
    for word, code, text in said:
        if not text.strip():
            continue
        base = _begin(report, links, word, _status(report)) | {
            "code": code,
            "effectiveDateTime": moment(_observed_at(document)),
            "performer": [links.to("Practitioner", report.ids.signer)],
        }
        yield _void(base) if report.withdrawn else base | {"valueString": text}


def _begin(report: FhirReport, links: Links, word: str, status: str) -> Resource:
    id_ = report.part_id(word)
    return {
        "resourceType": "Observation",
        "id": id_,
        "identifier": [own_identifier("Observation", id_)],
        "status": status,
        "category": [concept("", coding(OBSERVATION_CATEGORY, _CATEGORIES[report.document.kind]))],
        "subject": links.to("Patient", report.ids.patient),
        "issued": moment(report.document.signed_at),
    }


def _void(base: Resource) -> Resource:
    return base | {"status": "entered-in-error", "dataAbsentReason": concept("", coding(ABSENT, "error"))}


def _taken_back(report: FhirReport, links: Links, id_: str, text: str) -> Resource:
    base = _begin(report, links, "", "final") | {
        "id": id_,
        "identifier": [own_identifier("Observation", id_)],
    }
    return _void(base | {"code": concept(text)})


def _status(report: FhirReport) -> str:
    """Of what has no state of its own: that of the report, as far as observations have it (R4 10.1.3)."""
    status = report_status(report)
    return "amended" if status == "appended" else status


def _codes(report: FhirReport, code: str, name: str, loinc: str) -> list[Resource]:
    """LOINC where the dictionary has it, and the county's own."""
    own = [coding(f"{report.fhir_url}/CodeSystem/laboratory-items", code, name)] if code else []
    return [coding(LOINC, loinc), *own] if loinc else own


def _ids_of(report: FhirReport, before: ReportDocument) -> Iterator[tuple[str, str]]:
    table = before.laboratory
    for line in table.lines if table else ():
        yield report.part_id(line.code), line.name
    for one in table.pending if table else ():
        yield report.part_id(one.code or one.name), one.name
    for fact in before.key_facts:
        if fact.code:
            yield report.part_id(fact.code), fact.name
    if before.findings.strip():
        yield report.part_id("findings"), FINDINGS[1]
    for place, _ in enumerate(before.statements, start=1):
        yield report.part_id(f"statement-{place}"), "诊断语句"


def _observed_at(document: ReportDocument) -> datetime | None:
    table = document.laboratory
    return document.examined_at or (table.collected_at if table else None) or document.received_at
