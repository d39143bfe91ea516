"""A signed report as the value that FHIR is written from, out of its rows as they were when it was signed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.reports.fhir.source import FhirReport, Ids, StudySeries, Withdrawal
from gateway.index import Series, Study
from gateway.report_documents import bearer_of, report_document
from worklists.amending import ReportVoid
from worklists.reports import Report


def fhir_report(session: Session, report: Report, *, base_url: str, withdrawn: bool) -> FhirReport:
    """One version, without its document; with `withdrawn` as a report that says nothing any more."""
    earlier = session.scalars(
        select(Report)
        .where(Report.examination_id == report.examination_id, Report.version < report.version)
        .order_by(Report.version)
    ).all()
    examination = report.examination
    return FhirReport(
        document=report_document(session, report, base_url=base_url),
        bearer=bearer_of(report),
        ids=Ids(
            report=report.id,
            examination=examination.id,
            patient=examination.patient_id,
            examined_at=examination.institution_id,
            diagnosed_at=report.centre.institution_id,
            writer=report.writer_id,
            signer=report.signed_by_id,
        ),
        base_url=base_url,
        first_number=earlier[0].number if earlier else report.number,
        manifest_sha256=report.manifest_sha256,
        study_instance_uid=examination.study_instance_uid,
        amendment=report.amendment["kind"] if report.amendment else "",
        withdrawn=_withdrawal_of(session, report) if withdrawn else None,
        earlier=tuple(report_document(session, one, base_url=base_url) for one in earlier),
        series=_series_of(session, report),
    )


def _withdrawal_of(session: Session, report: Report) -> Withdrawal:
    void = session.get_one(ReportVoid, report.id)
    return Withdrawal(at=void.voided_at, by_id=void.voided_by_id, by=void.voided_by.name, reason=void.reason)


def _series_of(session: Session, report: Report) -> tuple[StudySeries, ...]:
    rows = session.scalars(
        select(Series)
        .join(Study, Study.id == Series.study_id)
        .where(Study.examination_id == report.examination_id)
        .order_by(Series.series_instance_uid)
    )
    return tuple(
        StudySeries(
            series_instance_uid=one.series_instance_uid,
            modality=one.modality,
            description=one.series_description,
            instances=one.instances,
        )
        for one in rows
    )
