"""A signed report as DICOM Basic Text SR: findings and conclusion as text (PS3.3 A.35.1, PS3.16 TID 2000).

The version before stands as predecessor; a voided report is an SR that says so in its place. The originals that the
reader had before them are its evidence (PS3.3 C.17.2.2).
"""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, BasicTextSRStorage

from adapters.reports.dicom_parts import (
    Filed,
    KeyReference,
    begin,
    code,
    date_time,
    derived_uid,
    in_series,
    reference,
    title_of,
)
from adapters.reports.document import ReportDocument
from adapters.reports.hl7_parts import Bearer

_HISTORY, _HISTORY_TEXT = ("121060", "History"), ("121060", "History")
_FINDINGS, _FINDING = ("121070", "Findings"), ("121071", "Finding")
_CONCLUSIONS, _CONCLUSION = ("121076", "Conclusions"), ("121077", "Conclusion")
_KEY_IMAGES, _ILLUSTRATION = ("55113-5", "Key Images"), ("121080", "Best illustration of finding")
VOID = "此报告已作废，请勿使用。"


def write_basic_text_sr(
    document: ReportDocument, bearer: Bearer, filed: Filed, *, void: bool = False
) -> Dataset:
    """An object with its file meta information."""
    made = begin(document, bearer, filed, sop_class_uid=BasicTextSRStorage, modality="SR")
    if void:
        made.SOPInstanceUID = UID(derived_uid(filed.report_id, "SR void"))
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.ReferencedPerformedProcedureStepSequence = Sequence()
    made.PerformedProcedureCodeSequence = Sequence()
    made.CompletionFlag = "PARTIAL" if document.preliminary else "COMPLETE"
    made.VerificationFlag = "VERIFIED"
    made.VerifyingObserverSequence = Sequence([_verifier(document)])
    if document.preliminary:
        made.CompletionFlagDescription = "Preliminary"
    _add_references(made, filed, void=void)
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = Sequence([title_of(document)])
    made.ContentTemplateSequence = Sequence([_template()])
    shown = [] if void or not filed.key_images else [_key_images(filed.key_images)]
    made.ContentSequence = Sequence(
        [_language(), *_observer(document), *_sections(document, void=void), *shown]
    )
    return made


def _verifier(document: ReportDocument) -> Dataset:
    """PS3.3 Table C.17-2."""
    made = Dataset()
    made.VerifyingObserverName = _person(document.signers[0] if document.signers else document.writer)
    made.VerifyingOrganization = document.diagnosed_at_institution.name[:64]
    made.VerificationDateTime = date_time(document.signed_at, document)
    made.VerifyingObserverIdentificationCodeSequence = Sequence()
    return made


def _add_references(made: Dataset, filed: Filed, *, void: bool) -> None:
    series: dict[str, list[Dataset]] = {}
    for one in filed.evidence:
        series.setdefault(one.series_instance_uid, []).append(
            reference(one.sop_class_uid, one.sop_instance_uid)
        )
    if series:
        made.CurrentRequestedProcedureEvidenceSequence = Sequence([in_series(filed.study_uid, series)])
    previous = filed.report_id if void else filed.previous_id
    if previous is not None:
        before = {made.SeriesInstanceUID: [reference(BasicTextSRStorage, derived_uid(previous, "SR"))]}
        made.PredecessorDocumentsSequence = Sequence([in_series(filed.study_uid, before)])


def _template() -> Dataset:
    made = Dataset()
    made.MappingResource, made.TemplateIdentifier = "DCMR", "2000"
    return made


def _language() -> Dataset:
    """TID 1204."""
    made = _item("HAS CONCEPT MOD", "CODE", ("121049", "Language of Content Item and Descendants"))
    made.ConceptCodeSequence = Sequence([code("zh-CN", "Chinese (China)", scheme="RFC5646")])
    return made


def _observer(document: ReportDocument) -> list[Dataset]:
    """TID 1002: who observed."""
    kind = _item("HAS OBS CONTEXT", "CODE", ("121005", "Observer Type"))
    kind.ConceptCodeSequence = Sequence([code("121006", "Person")])
    person = _item("HAS OBS CONTEXT", "PNAME", ("121008", "Person Observer Name"))
    person.PersonName = _person(document.writer)
    return [kind, person]


def _sections(document: ReportDocument, *, void: bool) -> list[Dataset]:
    if void:
        return [_section(_CONCLUSIONS, _CONCLUSION, VOID)]
    parts = (
        (_HISTORY, _HISTORY_TEXT, document.clinical_information),
        (_FINDINGS, _FINDING, document.findings),
        (_CONCLUSIONS, _CONCLUSION, document.impression),
    )
    return [_section(heading, name, text) for heading, name, text in parts if text.strip()]


def _section(heading: tuple[str, str], name: tuple[str, str], text: str) -> Dataset:
    container = _item("CONTAINS", "CONTAINER", heading)
    container.ContinuityOfContent = "SEPARATE"
    item = _item("CONTAINS", "TEXT", name)
    item.TextValue = text.replace("\r\n", "\n").replace("\n", "\r\n")  # PS3.5 6.2: lines of UT end with CR LF
    container.ContentSequence = Sequence([item])
    return container


def _key_images(shown: tuple[KeyReference, ...]) -> Dataset:
    """A section of the images that the report shows (heading: CID 7001, which takes it from LOINC)."""
    container = _item("CONTAINS", "CONTAINER", _KEY_IMAGES, scheme="LN")
    container.ContinuityOfContent = "SEPARATE"
    container.ContentSequence = Sequence([_image(one) for one in shown])
    return container


def _image(shown: KeyReference) -> Dataset:
    """An image reference (PS3.3 C.18.4)."""
    made = _item("CONTAINS", "IMAGE", _ILLUSTRATION)
    referred = reference(shown.sop_class_uid, shown.sop_instance_uid)
    if shown.frame is not None:
        referred.ReferencedFrameNumber = shown.frame
    made.ReferencedSOPSequence = Sequence([referred])
    return made


def _item(relationship: str, value_type: str, name: tuple[str, str], *, scheme: str = "DCM") -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relationship, value_type
    made.ConceptNameCodeSequence = Sequence([code(*name, scheme=scheme)])
    return made


def _person(name: str) -> str:
    """A name that people read as PN, all of it as family name; in the ideographic group where it is no Latin one."""
    return f"{name}^" if name.isascii() else f"={name}^"
