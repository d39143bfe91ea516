"""A signed laboratory report as HL7: `ORU^R01` of v2.5.1, a ReportDocument in, one message out.

One OBR for each group of the report, its results as OBX (NM, SN, ST), the mark of recognition and remarks as NTE; one
OBR more for what is pending. Message structure: HL7 v2.5.1 §7.3.1. The message is not framed.
"""

from datetime import datetime

from adapters.hl7.header import STANDARD
from adapters.reports.document import ReportDocument
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
from adapters.reports.laboratory import (
    LabGroup,
    LabLine,
    LabTable,
    Pending,
    group_status,
    result_status,
)

_RESULT_STATUS = {"not_resulted": "I", "rerun": "I", "unknown_test": "O", "not_reported": "X"}  # table 0085
_LONGEST_IS = 20  # characters (§2.A.36)
_COMPARATORS = ("<", ">", "<=", ">=")


AS_ASKED = Addressed(enhanced=True)  # whoever asks for it themselves


def write_lab_oru(document: ReportDocument, bearer: Bearer, to: Addressed = AS_ASKED) -> bytes:
    """Raises ValueError for a document without results."""
    if document.laboratory is None:
        raise ValueError("not a laboratory report")
    return _Message(document, document.laboratory, bearer, to).write()


class _Message(ReportMessage):
    """One message on its way, segment by segment."""

    def __init__(self, document: ReportDocument, table: LabTable, bearer: Bearer, to: Addressed) -> None:
        super().__init__(document, bearer, to)
        self._table = table

    def write(self) -> bytes:
        table = self._table
        self._header("ORU^R01^ORU_R01")
        self._patient()
        if table.department or table.bed:
            self._segment(
                "PV1", "1", "U", joined(table.department[:_LONGEST_IS], "", table.bed[:_LONGEST_IS])
            )
        for place, group in enumerate(table.groups):
            self._group(place + 1, group)
        if table.pending:
            self._pending(len(table.groups) + 1)
        self._segment("SPM", "1", self._specimen_number(), "", joined("", table.specimen_kind or "未注明"),
                      *[""] * 12, self._time(table.collected_at), self._time(table.received_at))  # fmt: skip
        self._signed_document(len(table.groups) + bool(table.pending) + 1)
        return self._bytes()

    def _group(self, place: int, group: LabGroup) -> None:
        observed = [line.observed_at for line in group.lines]
        code = group.code or f"GROUP{place}"
        service = _coded(code, group.title, group.loinc)
        self._order(place, service, min(observed), group_status(group, self._document.preliminary))
        if place == 1:
            self._notes((self._document.findings, self._document.impression), ("RE", "Remark"))
        for line in group.lines:
            self._result(line)

    def _pending(self, place: int) -> None:
        self._order(place, _coded("PENDING", "待出结果"), None, "I")
        for number, one in enumerate(self._table.pending, start=1):
            self._observations = number
            self._pending_result(one)

    def _signed_document(self, place: int) -> None:
        if self._to.pdf is not None:
            self._order(place, _coded("REPORT", self._document.title), None, self._status())
            self._pdf()

    def _order(self, place: int, service: str, observed_at: datetime | None, status: str) -> None:
        document, table = self._document, self._table
        placer = joined(table.order_number, "") if table.order_number else ""
        filler = joined(f"{self.first_number}-{place}", APPLICATION)
        self._segment("ORC", "RE", placer, filler)
        fields = [""] * 33  # OBR-n
        fields[1:5] = [str(place), placer, filler, service]
        fields[7] = self._time(observed_at or table.collected_at)
        fields[14] = self._time(table.received_at)
        fields[16] = joined("", table.requester) if table.requester else ""
        fields[22] = self._time(document.signed_at)
        fields[24:26] = ["LAB", "X" if self._to.void else status]
        fields[32] = subjoined("", document.signers[0]) if document.signers else ""
        self._segment("OBR", *fields[1:])
        self._observations = 0

    def _result(self, line: LabLine) -> None:
        self._observations += 1
        kind, value = _value(line)
        status = "W" if self._to.void else result_status(line, self._document.preliminary)
        fields = [""] * 24  # OBX-n
        fields[1:6] = [str(self._observations), kind, _coded(line.code, line.name, line.loinc), "", value]
        fields[6] = joined(line.unit)
        fields[7] = escaped(_range(line))
        fields[8] = _flag(line)
        fields[11] = status
        fields[14] = self._time(line.observed_at)
        fields[16] = joined("", line.verified_by) if line.verified_by else ""
        fields[17] = joined("", line.method) if line.method else ""
        fields[18] = joined(line.device) if line.device else ""
        fields[23] = joined(line.tested_at) if line.tested_at else ""
        self._segment("OBX", *fields[1:])
        notes = [f"【{line.mark}】"] if line.mark else []
        self._notes(notes, ("HR", "互认标识"))
        earlier = (f"修正：原报告为 {line.earlier}",) if line.change == "corrected" else ()
        self._notes((*earlier, *line.comments), ("RE", "Remark"), after=len(notes))

    def _pending_result(self, one: Pending) -> None:
        fields = [""] * 12
        fields[1:4] = [str(self._observations), "ST", _coded(one.code or "UNKNOWN", one.name)]
        fields[11] = _RESULT_STATUS[one.reason]
        self._segment("OBX", *fields[1:])

    def _specimen_number(self) -> str:
        return f"{STANDARD.component}{escaped(self._document.accession_number)}"  # EIP: the filler's own


def _value(line: LabLine) -> tuple[str, str]:
    """OBX-2 and OBX-5: a number, a number with a comparator (SN), or words; none when it was withdrawn."""
    if line.number is None or not line.value:
        return "ST", escaped(line.value)
    if line.comparator in _COMPARATORS:
        return "SN", joined(line.comparator, line.value.removeprefix(line.comparator))
    return "NM", line.value


def _range(line: LabLine) -> str:
    """OBX-7 in the forms of HL7 v2.5 §7.4.2.7: 3.5-4.5, >10 without an upper limit, <15 without a lower one; or words."""
    if line.range_text or (line.low is not None and line.high is not None):
        return line.range
    return line.range.replace("≤", "<").replace("≥", ">")


def _flag(line: LabLine) -> str:
    """OBX-8 (table 0078); N only where there is a range to be within."""
    return line.abnormal or ("N" if line.range and line.value else "")


def _coded(code: str, name: str, loinc: str = "") -> str:
    """CE: by LOINC where the dictionary has it, by this county's code besides."""
    own = (code, name, LOCAL)
    return joined(loinc, name, "LN", *own) if loinc else joined(*own)
