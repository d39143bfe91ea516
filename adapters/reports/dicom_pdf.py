"""A signed report as DICOM Encapsulated PDF: the document as it was signed, byte for byte (PS3.3 A.45.1)."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EncapsulatedPDFStorage

from adapters.reports.dicom_parts import Filed, begin, date_time, derived_uid, in_series, reference, title_of
from adapters.reports.document import ReportDocument
from adapters.reports.hl7_parts import Bearer


def write_encapsulated_pdf(document: ReportDocument, bearer: Bearer, filed: Filed, pdf: bytes) -> Dataset:
    """An object with its file meta information."""
    made = begin(document, bearer, filed, sop_class_uid=EncapsulatedPDFStorage, modality="DOC")
    made.ConversionType = "WSD"  # a workstation made it (PS3.3 C.8.6.1)
    made.AcquisitionDateTime = date_time(document.examined_at, document) if document.examined_at else ""
    made.BurnedInAnnotation = "YES"
    made.RecognizableVisualFeatures = "NO"
    made.DocumentTitle = f"{document.title} {document.report_number}-{document.version}"
    made.ConceptNameCodeSequence = Sequence([title_of(document)])
    made.VerificationFlag = "UNVERIFIED" if document.preliminary else "VERIFIED"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf if len(pdf) % 2 == 0 else pdf + b"\x00"
    if filed.previous_id is not None:
        series = {
            made.SeriesInstanceUID: [reference(EncapsulatedPDFStorage, derived_uid(filed.previous_id, "DOC"))]
        }
        made.PredecessorDocumentsSequence = Sequence([in_series(filed.study_uid, series)])
    return made
