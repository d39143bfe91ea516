"""Everything that is printed on a signed report, as values.

Texts are printed as they are, line by line; nothing in them is markup.
Times are aware and printed in `time_zone`.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from adapters.ecg.paper import Sheet
from adapters.reports.laboratory import LabTable

Language = Literal["zh", "en"]
Kind = Literal["imaging", "ecg", "laboratory", "pathology"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Institution:
    """A legal person that took part: by name, and by its code in the register."""

    name: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The patient as the report names them."""

    name: str
    sex: str
    age: str
    patient_id: str
    identity_number_masked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionMark:
    """What is printed for one item: a mark such as 全国HR with its scope, or none with the reason.

    `remark` is the community's internal remark; it is printed beside the mark and never as one.
    """

    item: str
    text: str | None = None
    scope: str = ""
    reason: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFact:
    """One measured value that belongs at the head of the report, such as a heart rate with its unit.

    `source` says whose it is when it is not the signer's own: a cart's, a program's. For machines: `code`, a field of
    `EcgMeasurements`, its number, and of a QTc the formula.
    """

    name: str
    value: str
    source: str = ""
    code: str = ""
    number: float | None = None
    formula: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """The electrocardiogram that a report is about, on paper of true size; or, in `note`, why none is drawn."""

    sheets: tuple[Sheet, ...] = ()
    caption: str = ""  # which recording it is
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPicture:
    """A picture that the report shows, as a JPEG; printed with its number and caption, byte for byte."""

    data: bytes
    width: int
    height: int
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """One version of one report, ready to be printed."""

    report_number: str
    version: int
    title: str
    kind: Kind
    community: str
    examined_at_institution: Institution
    diagnosed_at_institution: Institution
    centre: str
    patient: Patient
    accession_number: str
    examination: str
    modality: str
    body_part: str
    examined_at: datetime | None
    received_at: datetime | None
    reported_at: datetime
    signed_at: datetime
    clinical_information: str
    findings: str
    impression: str
    writer: str
    reviewer: str | None
    signers: tuple[str, ...]
    verification_url: str
    images: int = 0
    critical: bool = False
    preliminary: bool = False
    finalises: bool = False  # a preliminary report: the version before it was never final
    amendment_note: str = ""
    marks: tuple[RecognitionMark, ...] = ()
    key_facts: tuple[KeyFact, ...] = ()
    statements: tuple[str, ...] = ()  # chosen from the centre's list, in its order
    tracing: Tracing | None = None
    key_pictures: tuple[KeyPicture, ...] = ()
    laboratory: LabTable | None = None
    language: Language = "zh"
    time_zone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, datetime) and value.tzinfo is None:
                raise ValueError(f"{field.name} has no time zone")
