"""A signed laboratory report as HL7: `ORU^R01` of v2.5.1 in UTF-8, a ReportDocument in, one message out.

One OBR for each group of the report, its results as OBX (NM, SN, ST), the mark of recognition and remarks as NTE; one
OBR more for what is pending. Message structure: HL7 v2.5.1 §7.3.1. The message is not framed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from adapters.hl7.header import STANDARD
from adapters.hl7.values_out import birth_date, name_components
from adapters.hl7.writing import escape
from adapters.reports.document import Institution, ReportDocument
from adapters.reports.laboratory import LabGroup, LabLine, LabTable, Pending

APPLICATION = "COUNTY-GATEWAY"  # IS and HD have 20 characters of it at most
LOCAL = "99GW"  # this county's own codes (HL7 table 0396)
_RESULT_STATUS = {"not_resulted": "I", "rerun": "I", "unknown_test": "O", "not_reported": "X"}  # table 0085
_LONGEST_IS = 20  # characters (§2.A.36)
_COMPARATORS = ("<", ">", "<=", ">=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose results they are, as kept: name in the form of DICOM, sex M, F or O."""

    patient_id: str
    name: str
    sex: str | None
    birth_date: date | None


def write_oru(document: ReportDocument, bearer: Bearer) -> bytes:
    """Raises ValueError for a document without results."""
    if document.laboratory is None:
        raise ValueError("not a laboratory report")
    return _Message(document, document.laboratory, bearer).write()


class _Message:
    """One message on its way, segment by segment."""

    def __init__(self, document: ReportDocument, table: LabTable, bearer: Bearer) -> None:
        self._document, self._table, self._bearer = document, table, bearer
        self._zone = ZoneInfo(document.time_zone)
        self._segments: list[str] = []
        self._observations = 0

    def write(self) -> bytes:
        table = self._table
        self._header()
        self._patient()
        for place, group in enumerate(table.groups):
            self._group(place + 1, group)
        if table.pending:
            self._pending(len(table.groups) + 1)
        self._segment("SPM", "1", self._specimen_number(), "", _joined("", table.specimen_kind or "未注明"),
                      *[""] * 12, self._time(table.collected_at), self._time(table.received_at))  # fmt: skip
        return ("\r".join(self._segments) + "\r").encode()

    def _header(self) -> None:
        document = self._document
        self._segments.append(
            "|".join(
                (
                    "MSH" + STANDARD.field + STANDARD.encoding_characters, APPLICATION,
                    _organisation(document.diagnosed_at_institution), "",
                    _organisation(document.examined_at_institution), self._time(document.signed_at), "",
                    "ORU^R01^ORU_R01", f"{document.report_number}-{document.version}", "P", "2.5.1", "", "", "AL", "NE",
                    "CHN", "UNICODE UTF-8",
                )
            )
        )  # fmt: skip

    def _patient(self) -> None:
        bearer, table = self._bearer, self._table
        name = _joined(*name_components(bearer.name)[:5], "", "L", "I")
        maker = self._document.examined_at_institution
        number = STANDARD.component.join(
            (_escaped(bearer.patient_id), "", "", _subjoined("", maker.code, "L"), "PI")
        )
        self._segment("PID", "1", "", number, "", name, "", birth_date(bearer.birth_date), bearer.sex or "U")
        if table.department or table.bed:
            self._segment(
                "PV1", "1", "U", _joined(table.department[:_LONGEST_IS], "", table.bed[:_LONGEST_IS])
            )

    def _group(self, place: int, group: LabGroup) -> None:
        observed = [line.observed_at for line in group.lines]
        amended = any(line.change for line in group.lines)
        code = group.code or f"GROUP{place}"
        self._order(place, _coded(code, group.title, group.loinc), min(observed), "C" if amended else "F")
        if place == 1:
            self._notes((self._document.findings, self._document.impression), ("RE", "Remark"))
        for line in group.lines:
            self._result(line)

    def _pending(self, place: int) -> None:
        self._order(place, _coded("PENDING", "待出结果"), None, "I")
        for number, one in enumerate(self._table.pending, start=1):
            self._observations = number
            self._pending_result(one)

    def _order(self, place: int, service: str, observed_at: datetime | None, status: str) -> None:
        document, table = self._document, self._table
        placer = _joined(table.order_number, "") if table.order_number else ""
        filler = _joined(f"{document.report_number}-{place}", APPLICATION)
        self._segment("ORC", "RE", placer, filler)
        fields = [""] * 33  # OBR-n
        fields[1:5] = [str(place), placer, filler, service]
        fields[7] = self._time(observed_at or table.collected_at)
        fields[14] = self._time(table.received_at)
        fields[16] = _joined("", table.requester) if table.requester else ""
        fields[22] = self._time(document.signed_at)
        fields[24:26] = ["LAB", status]
        fields[32] = _subjoined("", document.signers[0]) if document.signers else ""
        self._segment("OBR", *fields[1:])
        self._observations = 0

    def _result(self, line: LabLine) -> None:
        self._observations += 1
        kind, value = _value(line)
        status = "C" if line.change == "corrected" and line.status == "F" else line.status
        fields = [""] * 24  # OBX-n
        fields[1:6] = [str(self._observations), kind, _coded(line.code, line.name, line.loinc), "", value]
        fields[6] = _joined(line.unit)
        fields[7] = _escaped(line.range)
        fields[8] = _flag(line)
        fields[11] = status
        fields[14] = self._time(line.observed_at)
        fields[16] = _joined("", line.verified_by) if line.verified_by else ""
        fields[17] = _joined("", line.method) if line.method else ""
        fields[18] = _joined(line.device) if line.device else ""
        fields[23] = _joined(line.tested_at) if line.tested_at else ""
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

    def _notes(self, texts: Iterable[str], kind: tuple[str, str], *, after: int = 0) -> None:
        for place, text in enumerate((text for text in texts if text.strip()), start=after + 1):
            code, words = kind
            self._segment("NTE", str(place), "L", _escaped(text), _joined(code, words, LOCAL))

    def _specimen_number(self) -> str:
        return f"{STANDARD.component}{_escaped(self._document.accession_number)}"  # EIP: the filler's own

    def _segment(self, name: str, *fields: str) -> None:
        self._segments.append("|".join((name, *fields)).rstrip("|"))

    def _time(self, at: datetime | None) -> str:
        return f"{at.astimezone(self._zone):%Y%m%d%H%M%S%z}" if at else ""


def _value(line: LabLine) -> tuple[str, str]:
    """OBX-2 and OBX-5: a number, a number with a comparator (SN), or words; none when it was withdrawn."""
    if line.number is None or not line.value:
        return "ST", _escaped(line.value)
    if line.comparator in _COMPARATORS:
        return "SN", _joined(line.comparator, line.value.removeprefix(line.comparator))
    return "NM", line.value


def _flag(line: LabLine) -> str:
    """OBX-8 (table 0078); N only where there is a range to be within."""
    return line.abnormal or ("N" if line.range and line.value else "")


def _coded(code: str, name: str, loinc: str = "") -> str:
    """CE: by LOINC where the dictionary has it, by this county's code besides."""
    own = (code, name, LOCAL)
    return _joined(loinc, name, "LN", *own) if loinc else _joined(*own)


def _organisation(institution: Institution) -> str:
    """HD: by its code in the register; names are too long for it, and stand with the results."""
    return _joined("", institution.code, "L")


def _joined(*components: str) -> str:
    return STANDARD.component.join(_trimmed([_escaped(one) for one in components]))


def _subjoined(*components: str) -> str:
    """Components of a component: an NDL's name."""
    return STANDARD.subcomponent.join(_trimmed([_escaped(one) for one in components]))


def _trimmed(parts: Sequence[str]) -> list[str]:
    kept = list(parts)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _escaped(text: str) -> str:
    return escape(text, STANDARD)
