"""A signed report of any kind as HL7 `ORU^R01` of v2.5.1: a ReportDocument in, one message out, not framed.

A laboratory report goes result by result (`hl7_lab`); any other is one OBR with findings and impression as FT, what
was measured, the marks as NTE, and the signed document as ED. An amended one has OBR-25 and OBX-11 "C" under the
same filler number as the first; a voided one "X" and "W" (tables 0123, 0085).
"""

from adapters.reports.document import ReportDocument
from adapters.reports.hl7_lab import write_lab_oru
from adapters.reports.hl7_parts import (
    APPLICATION,
    LOCAL,
    Addressed,
    Bearer,
    ReportMessage,
    escaped,
    joined,
    subjoined,
)

FINDINGS = ("59776-5", "Procedure findings", "LN")
_IMPRESSIONS = {
    "imaging": ("19005-8", "Radiology Imaging study [Impression]", "LN"),
    "ecg": ("18844-1", "EKG impression", "LN"),
    "pathology": ("22637-3", "Pathology report final diagnosis", "LN"),
    "laboratory": ("48767-8", "Annotation comment [Interpretation] Narrative", "LN"),
}
SECTIONS = {"imaging": "RAD", "ecg": "EC", "laboratory": "LAB", "pathology": "SP"}  # table 0074
_STUDY = ("113014", "DICOM Study", "DCM")  # as IHE RAD TF-2 4.28 names the study that a report is about
_VOID = "此报告已作废，请勿使用。"


def write_oru(document: ReportDocument, bearer: Bearer, to: Addressed) -> bytes:
    """`ORU^R01`."""
    if document.laboratory is not None:
        return write_lab_oru(document, bearer, to)
    return _Message(document, bearer, to).write()


def impression_code(kind: str) -> tuple[str, str, str]:
    return _IMPRESSIONS[kind]


class _Message(ReportMessage):
    def write(self) -> bytes:
        self._header("ORU^R01^ORU_R01")
        self._patient()
        self._order()
        self._texts()
        self._facts()
        self._pdf()
        return self._bytes()

    def _order(self) -> None:
        document = self._document
        placer = joined(document.accession_number) if document.accession_number else ""
        filler = joined(self.first_number, APPLICATION)
        self._segment("ORC", "RE", placer, filler)
        fields = [""] * 33  # OBR-n
        name = document.examination or document.title
        fields[1:5] = ["1", placer, filler, joined(document.modality or document.kind.upper(), name, LOCAL)]
        fields[7] = self._time(document.examined_at or document.received_at)
        fields[13] = escaped(document.clinical_information)
        fields[22] = self._time(document.signed_at)
        fields[24:26] = [SECTIONS[document.kind], "X" if self._to.void else self._status()]
        fields[32] = subjoined("", document.signers[0]) if document.signers else ""
        self._segment("OBR", *fields[1:])
        if self._to.void:
            self._notes((_VOID,), ("RE", "Remark"))
        elif document.amendment_note:
            self._notes((document.amendment_note,), ("RE", "Remark"))

    def _texts(self) -> None:
        document = self._document
        flag = "AA" if document.critical else ""
        for code, text in (
            (FINDINGS, document.findings),
            (impression_code(document.kind), document.impression),
        ):
            if text.strip():
                self._observe("FT", joined(*code), escaped(text), flag=flag)
        marks = [f"【{mark.text}】{mark.item}" for mark in document.marks if mark.text]
        self._notes(marks, ("HR", "互认标识"))

    def _facts(self) -> None:
        document = self._document
        for place, words in enumerate(document.statements, start=1):
            self._observe("ST", joined(f"STATEMENT{place}", "诊断语句", LOCAL), escaped(words))
        for place, fact in enumerate(document.key_facts, start=1):
            self._observe("ST", joined(f"FACT{place}", fact.name, LOCAL), escaped(fact.value))
        number = f"{document.report_number}-{document.version}"
        self._observe("ST", joined("REPORT-NUMBER", "报告编号与版本", LOCAL), escaped(number))
        if self._to.study_instance_uid:
            self._observe("HD", joined(*_STUDY), joined("", self._to.study_instance_uid, "ISO"))
