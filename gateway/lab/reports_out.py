"""A signed laboratory report for other systems: as it was signed, whoever asks and whenever."""

from datetime import date

from sqlalchemy.orm import Session

from adapters.reports.hl7_lab import Bearer, write_oru
from gateway.rendering import report_document
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.reports import Report


def write_message(session: Session, report: Report, *, base_url: str) -> bytes:
    """`ORU^R01`. Raises NotFound for a report of anything else."""
    if report.examination.kind is not Kind.LABORATORY:
        raise NotFound("oru")
    patient = report.patient
    bearer = Bearer(
        patient_id=patient["patient_id"],
        name=patient["name"],
        sex=patient["sex"],
        birth_date=date.fromisoformat(patient["birth_date"]) if patient.get("birth_date") else None,
    )
    return write_oru(report_document(session, report, base_url=base_url), bearer)
