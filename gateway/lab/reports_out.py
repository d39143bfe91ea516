"""A signed laboratory report for other systems: as it was signed, whoever asks and whenever."""

from dataclasses import replace

from sqlalchemy.orm import Session

from adapters.reports.hl7_lab import AS_ASKED, write_lab_oru
from gateway.deliveries.contents import first_number_of
from gateway.report_documents import bearer_of, report_document
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.reports import Report


def write_message(session: Session, report: Report, *, base_url: str) -> bytes:
    """`ORU^R01`. Raises NotFound for a report of anything else."""
    if report.examination.kind is not Kind.LABORATORY:
        raise NotFound("oru")
    document = report_document(session, report, base_url=base_url)
    to = replace(AS_ASKED, first_number=first_number_of(session, report))
    return write_lab_oru(document, bearer_of(report), to)
