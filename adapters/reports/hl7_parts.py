"""What reports as HL7 v2.5.1 share: to whom they are addressed, MSH, PID, and the signed document as an OBX.

Chinese is written in UTF-8 or GB18030, as the receiver wants it; MSH-18 says which (table 0211).
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from adapters.hl7.header import STANDARD
from adapters.hl7.values_out import birth_date, name_components
from adapters.hl7.writing import escape
from adapters.reports.document import Institution, ReportDocument

APPLICATION = "COUNTY-GATEWAY"  # IS and HD have 20 characters of it at most
LOCAL = "99GW"  # this county's own codes (HL7 table 0396)
CharacterSet = Literal["UTF-8", "GB18030"]
_DECLARED = {"UTF-8": "UNICODE UTF-8", "GB18030": "GB 18030-2000"}  # table 0211
# What a document is about, by LOINC.
_DOCUMENTS = {
    "imaging": ("18748-4", "Diagnostic imaging study"),
    "ecg": ("11524-6", "EKG study"),
    "laboratory": ("11502-2", "Laboratory report"),
    "pathology": ("11526-1", "Pathology study"),
}


def document_code(kind: str) -> tuple[str, str]:
    """What a report of this kind is, by LOINC: code and words."""
    return _DOCUMENTS[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose results they are, as kept: name in the form of DICOM, sex M, F or O."""

    patient_id: str
    name: str
    sex: str | None
    birth_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """For whom a message is written, and which message it is.

    `first_number` is the number of the report's first version: by it a receiver knows them all for one. `pdf` is the
    signed document, sent along. `void`: the report does not count any more. The accept acknowledgement is asked for
    where the receiver is not said to answer by the original rules.
    """

    control_id: str = ""
    application: str = ""
    facility: str = ""
    character_set: CharacterSet = "UTF-8"
    first_number: str = ""
    previous_number: str = ""
    study_instance_uid: str = ""
    pdf: bytes | None = None
    void: bool = False
    enhanced: bool = False


class ReportMessage:
    """One message on its way, segment by segment."""

    def __init__(self, document: ReportDocument, bearer: Bearer, to: Addressed) -> None:
        self._document, self._bearer, self._to = document, bearer, to
        self._zone = ZoneInfo(document.time_zone)
        self._segments: list[str] = []
        self._observations = 0

    @property
    def first_number(self) -> str:
        return self._to.first_number or self._document.report_number

    def _bytes(self) -> bytes:
        return ("\r".join(self._segments) + "\r").encode(self._to.character_set)

    def _header(self, message_type: str) -> None:
        document, to = self._document, self._to
        receiver = joined("", document.examined_at_institution.code, "L")
        self._segments.append(
            "|".join(
                (
                    "MSH" + STANDARD.field + STANDARD.encoding_characters, APPLICATION,
                    organisation(document.diagnosed_at_institution), escaped(to.application),
                    escaped(to.facility) or receiver, self._time(document.signed_at), "", message_type,
                    to.control_id or f"{document.report_number}-{document.version}", "P", "2.5.1", "", "",
                    *(("AL", "NE") if to.enhanced else ("", "")), "CHN", _DECLARED[to.character_set],
                )
            )
        )  # fmt: skip

    def _patient(self) -> None:
        bearer = self._bearer
        name = joined(*name_components(bearer.name)[:5], "", "L", "I")
        maker = self._document.examined_at_institution
        number = STANDARD.component.join(
            (escaped(bearer.patient_id), "", "", subjoined("", maker.code, "L"), "PI")
        )
        self._segment("PID", "1", "", number, "", name, "", birth_date(bearer.birth_date), bearer.sex or "U")

    def _observe(
        self, kind: str, code: str, value: str, *, flag: str = "", status: str | None = None
    ) -> None:
        """An OBX whose code and value are written already."""
        self._observations += 1
        fields = [""] * 15  # OBX-n
        fields[1:6] = [str(self._observations), kind, code, "", value]
        fields[8], fields[11] = flag, status or self._status()
        fields[14] = self._time(self._document.examined_at)
        self._segment("OBX", *fields[1:])

    def _status(self) -> str:
        """OBX-11 (table 0085): withdrawn, preliminary, corrected, final."""
        if self._to.void:
            return "W"
        if self._document.preliminary:
            return "P"
        return "C" if self._document.version > 1 and not self._document.finalises else "F"

    def _pdf(self) -> None:
        """The signed document, as IHE CARD DRPT has it (TF-2 4.7.4.1.2)."""
        if self._to.pdf is None:
            return
        data = base64.b64encode(self._to.pdf).decode("ascii")
        value = STANDARD.component.join(("", "application", "pdf", "Base64", data))
        self._observe("ED", joined(*document_code(self._document.kind), "LN"), value)

    def _notes(self, texts: Iterable[str], kind: tuple[str, str], *, after: int = 0) -> None:
        for place, text in enumerate((text for text in texts if text.strip()), start=after + 1):
            code, words = kind
            self._segment("NTE", str(place), "L", escaped(text), joined(code, words, LOCAL))

    def _segment(self, name: str, *fields: str) -> None:
        self._segments.append("|".join((name, *fields)).rstrip("|"))

    def _time(self, at: datetime | None) -> str:
        return f"{at.astimezone(self._zone):%Y%m%d%H%M%S%z}" if at else ""


def organisation(institution: Institution) -> str:
    """HD: by its code in the register; names are too long for it, and stand with the results."""
    return joined("", institution.code, "L")


def joined(*components: str) -> str:
    """Components of a field."""
    return STANDARD.component.join(_trimmed([escaped(one) for one in components]))


def subjoined(*components: str) -> str:
    """Components of a component: an NDL's name."""
    return STANDARD.subcomponent.join(_trimmed([escaped(one) for one in components]))


def escaped(text: str) -> str:
    return escape(text, STANDARD)


def _trimmed(parts: Sequence[str]) -> list[str]:
    kept = list(parts)
    while kept and not kept[-1]:
        kept.pop()
    return kept
