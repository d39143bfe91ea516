"""Priors as the JSON of docs/http.md. Who may see them was decided before."""

from collections.abc import Sequence

from gateway.priors import Document, Prior, Priors
from gateway.web.paging import write_cursor
from gateway.web.priors_shapes import (
    AbnormalItemShape,
    DocumentShape,
    OpenedPriorShape,
    PriorReportShape,
    PriorShape,
    PriorsShape,
)
from gateway.web.showing import made_on, show_known_person, show_patient, show_site
from worklists.ecg_content import measures_of
from worklists.examinations import Examination
from worklists.reports import Report


def show_page(found: Priors, beside: Examination) -> PriorsShape:
    return PriorsShape(
        items=[show_prior(one, beside) for one in found.items],
        total=found.total,
        next_cursor=write_cursor(found.next_key) if found.next_key else None,
    )


def show_prior(prior: Prior, beside: Examination) -> PriorShape:
    examination = prior.task.examination
    return PriorShape(
        examination_id=examination.id,
        kind=examination.kind,
        modality=examination.modality,
        body_part=examination.body_part,
        description=examination.description,
        studied_at=examination.studied_at,
        received_at=examination.received_at,
        site=show_site(examination.institution),
        patient=show_patient(examination.patient, made_on(examination)),
        linked=examination.patient_id != beside.patient_id,
        elsewhere=examination.institution_id != beside.institution_id,
        state=prior.task.state,
        study_instance_uid=examination.study_instance_uid,
        positive=prior.positive,
        critical=prior.critical,
        abnormal=[AbnormalItemShape.model_validate(one, from_attributes=True) for one in prior.abnormal],
        abnormal_count=prior.abnormal_count,
        documents=prior.documents,
        report=_show_report(prior.report) if prior.report else None,
    )


def show_opened(prior: Prior, documents: Sequence[Document], beside: Examination) -> OpenedPriorShape:
    report = prior.report
    return OpenedPriorShape(
        prior=show_prior(prior, beside),
        findings=report.findings if report else "",
        measurements=measures_of(report.content) if report else {},
        documents=[DocumentShape.model_validate(one, from_attributes=True) for one in documents],
    )


def _show_report(report: Report) -> PriorReportShape:
    return PriorReportShape(
        report_id=report.id,
        version=report.version,
        impression=report.impression,
        preliminary=report.preliminary,
        signed_at=report.signed_at,
        signed_by=show_known_person(report.signed_by),
    )
