"""A signed report as a document in HL7 v2.5.1: `MDM^T02`, an amended one as `MDM^T10`, a voided one as `MDM^T11`.

T02 is a new document with its content, T10 one that replaces its parent (TXA-13), T11 takes one back without content
(HL7 v2.5.1 §9.4.2, §9.4.10, §9.4.11; IHE CARD TF-2 4.7 sends reports so). Not framed.
"""

from adapters.reports.document import ReportDocument
from adapters.reports.hl7_parts import APPLICATION, Addressed, Bearer, ReportMessage, escaped, joined
from adapters.reports.hl7_report import FINDINGS, impression_code

_TYPES = {
    "imaging": "DI",
    "ecg": "CD",
    "laboratory": "LR",
    "pathology": "SP",
}  # table 0270, which users extend


def write_mdm(document: ReportDocument, bearer: Bearer, to: Addressed) -> bytes:
    """One message; which event it is follows from the version."""
    return _Message(document, bearer, to).write()


class _Message(ReportMessage):
    def write(self) -> bytes:
        event, structure = ("T11", "T01") if self._to.void else ("T02", "T02")
        if event == "T02" and self._to.previous_number:
            event = "T10"
        self._header(f"MDM^{event}^MDM_{structure}")
        self._segment("EVN", event, self._time(self._document.signed_at))
        self._patient()
        self._segment("PV1", "1", "N")  # required; of visits nothing is known here
        self._document_header()
        if not self._to.void:
            self._texts()
            self._pdf()
        return self._bytes()

    def _document_header(self) -> None:
        document, to = self._document, self._to
        fields = [""] * 24  # TXA-n
        fields[1:4] = ["1", _TYPES[document.kind], "FT"]
        fields[4] = self._time(document.examined_at or document.received_at)
        fields[6], fields[7] = self._time(document.reported_at), self._time(document.signed_at)
        fields[9] = joined("", document.writer)
        fields[12] = joined(document.report_number, APPLICATION)
        fields[13] = joined(to.previous_number, APPLICATION) if to.previous_number and not to.void else ""
        fields[14] = joined(document.accession_number) if document.accession_number else ""
        fields[15] = joined(self.first_number, APPLICATION)
        fields[16] = f"{document.report_number}-{document.version}.pdf"
        # Tables 0271 and 0273: legally authenticated and available; of a voided one, cancelled.
        fields[17] = "PA" if document.preliminary else "LA"
        fields[19] = "CA" if to.void else "AV"
        signer = document.signers[0] if document.signers else ""
        fields[22] = joined("", signer, *[""] * 12, self._time(document.signed_at)) if signer else ""
        self._segment("TXA", *fields[1:])

    def _texts(self) -> None:
        document = self._document
        flag = "AA" if document.critical else ""
        for code, text in (
            (FINDINGS, document.findings),
            (impression_code(document.kind), document.impression),
        ):
            if text.strip():
                self._observe("FT", joined(*code), escaped(text), flag=flag)
        marks = "；".join(f"【{mark.text}】{mark.item}" for mark in document.marks if mark.text)
        if marks:
            self._observe("ST", joined("HR", "互认标识", "99GW"), escaped(marks))
