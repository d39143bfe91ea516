"""What a report as FHIR is written from, and how its resources name and find each other.

Every id is derived from ours and stays: a report has one DiagnosticReport for all of its versions, under the id of
its examination; what belongs to it has that id and a word behind a full stop (R4 2.24.0.2: 64 characters of A-Z, a-z,
0-9, "-" and "."). Each has besides a `urn:uuid` identifier, by which a server that gives ids of its own finds it again.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from adapters.reports.document import ReportDocument
from adapters.reports.hl7_parts import Bearer

_NAMES = uuid.UUID("6b3c1f5e-2f0d-5d0b-9a57-0d1c6f1e2a44")
_WORD, _WORD_CHARACTERS = re.compile(r"[A-Za-z0-9-]+"), 27  # behind 36 of a UUID and a full stop

Amendment = Literal["", "addendum", "correction", "final"]
Document = Literal["attached", "binary", "linked", "none"]  # where the signed PDF stands
_AMENDED = {"addendum": "appended", "correction": "corrected", "final": "final"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Ours, of the rows that the resources are about."""

    report: uuid.UUID
    examination: uuid.UUID
    patient: uuid.UUID
    examined_at: uuid.UUID
    diagnosed_at: uuid.UUID
    writer: uuid.UUID
    signer: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A report was voided: when, by whom, why."""

    at: datetime
    by_id: uuid.UUID
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySeries:
    """A series of the study that was read, as it is now; what of it was read, the manifest says."""

    series_instance_uid: str
    modality: str
    description: str
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirReport:
    """One version of one report. `earlier`: the versions before, of which it may leave something out.

    `base_url` is where this gateway is reached; `patient_system` the system of the patient's number where the receiver
    knows it by another than ours. The document is `linked` where it is read from here.
    """

    document: ReportDocument
    bearer: Bearer
    ids: Ids
    base_url: str
    first_number: str
    manifest_sha256: str
    study_instance_uid: str | None = None
    amendment: Amendment = ""
    withdrawn: Withdrawal | None = None
    earlier: tuple[ReportDocument, ...] = ()
    series: tuple[StudySeries, ...] = ()
    pdf: bytes | None = field(default=None, repr=False)
    document_as: Document = "attached"
    patient_system: str = ""

    @property
    def fhir_url(self) -> str:
        return f"{self.base_url}/fhir"

    @property
    def has_study(self) -> bool:
        """Whether what was read is DICOM objects: images, slides, a tracing; of a specimen's results there are none."""
        return bool(self.study_instance_uid)

    @property
    def endpoint_id(self) -> str:
        """Of the DICOMweb endpoint of this gateway."""
        return str(uuid.uuid5(_NAMES, f"{self.base_url}/dicomweb"))

    def part_id(self, word: str) -> str:
        """The id of what belongs to this report: the same for all of its versions."""
        return f"{self.ids.examination}.{_as_word(word)}"


def report_status(report: FhirReport) -> str:
    """DiagnosticReportStatus (R4 10.3.4)."""
    if report.withdrawn:
        return "entered-in-error"
    if report.document.preliminary:
        return "preliminary"
    return _AMENDED.get(report.amendment, "amended" if report.document.version > 1 else "final")


class Links:
    """References as they stand on one server: by the ids that we give."""

    def to(self, kind: str, id_: object, display: str = "") -> dict[str, Any]:
        reference = {"reference": self.name_of(kind, id_)}
        return {**reference, "display": display} if display else reference

    def name_of(self, kind: str, id_: object) -> str:
        return f"{kind}/{id_}"


class BundleLinks(Links):
    """References within a transaction whose receiver gives the ids: it puts them in (R4 3.1.0.11.2).

    Other ones than the identifiers: some servers put them in wherever such a text stands.
    """

    def name_of(self, kind: str, id_: object) -> str:
        return uuid.uuid5(_NAMES, f"entry {kind}/{id_}").urn


def urn_of(kind: str, id_: object) -> str:
    """The identifier of a resource of ours, wherever it is kept."""
    return uuid.uuid5(_NAMES, f"{kind}/{id_}").urn


def patient_system(institution_code: str) -> str:
    """The system of an institution's own patient numbers."""
    return uuid.uuid5(_NAMES, f"patients of {institution_code}").urn


def _as_word(word: str) -> str:
    """As it is where it can stand in an id, else its beginning and eight places of its digest."""
    if _WORD.fullmatch(word) and len(word) <= _WORD_CHARACTERS:
        return word
    digest = hashlib.sha256(word.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9-]', '-', word)[: _WORD_CHARACTERS - 9]}-{digest}"
