"""Signed reports as the JSON of docs/http.md: themselves, where they went, who was given a code for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.web.phones import phones_of
from gateway.web.report_shapes import (
    DeliveryShape,
    MarkShape,
    PhoneShape,
    ReportShape,
    ReturnItem,
    ReturnShareShape,
    ShareShape,
    ShownImageShape,
)
from gateway.web.shapes import ExaminationItem
from gateway.web.showing import made_on, show_known_person, show_named, show_person, show_site, show_snapshot
from worklists.reports import Report, ReportReturn
from worklists.sharing import ReportShare


def show_mark(mark: dict[str, Any]) -> MarkShape:
    return MarkShape.model_validate({name: mark.get(name) for name in MarkShape.model_fields})


def show_report(
    report: Report,
    item: ExaminationItem,
    *,
    base_url: str,
    identity_changed: bool,
    shares: Sequence[ShareShape] = (),
) -> ReportShape:
    examination = report.examination
    return ReportShape(
        report_id=report.id,
        number=report.number,
        version=report.version,
        state=report.state,
        identity_changed_after_signing=identity_changed,
        examination=item,
        patient=show_snapshot(report.patient, made_on(examination)),
        findings=report.findings,
        impression=report.impression,
        clinical_information=report.clinical_information,
        content=report.content,
        writer=show_known_person(report.writer),
        reviewer=show_person(report.reviewer),
        signed_by=show_known_person(report.signed_by),
        signed_at=report.signed_at,
        preliminary=report.preliminary,
        critical=report.critical,
        positive=report.positive,
        marks=[show_mark(mark) for mark in report.marks],
        centre=show_named(report.centre),
        site=show_site(examination.institution),
        verification_url=f"{base_url}/v/{report.verification_code}",
        deliveries=[_show_delivery(row) for row in report.returns],
        shares=list(shares),
        manifest_sha256=report.manifest_sha256,
        pdf_sha256=report.pdf_sha256,
        phones=[PhoneShape(name=one.name, phone=one.phone, dialled=one.dialled) for one in phones_of(report)],
        amendment=report.amendment,
        key_images=[ShownImageShape.model_validate(one) for one in report.key_images],
    )


def show_return(
    row: ReportReturn, share: ReportShare | None = None, now: datetime | None = None
) -> ReturnItem:
    report, examination = row.report, row.report.examination
    return ReturnItem(
        id=row.id,
        report_id=report.id,
        version=report.version,
        examination_id=examination.id,
        kind=examination.kind,
        modality=examination.modality,
        body_part=examination.body_part,
        description=examination.description,
        patient=show_snapshot(report.patient, made_on(examination)),
        site=show_site(examination.institution),
        centre=show_named(report.centre),
        signed_at=report.signed_at,
        signed_by=show_known_person(report.signed_by),
        marks=[show_mark(mark) for mark in report.marks],
        critical=report.critical,
        preliminary=report.preliminary,
        notice=row.notice,
        amendment=report.amendment,
        state=row.state,
        delivered_at=row.delivered_at,
        share=_show_newest(share, now) if share and now else None,
    )


def _show_newest(row: ReportShare, now: datetime) -> ReturnShareShape:
    return ReturnShareShape(
        state=row.state(now),
        revoked_because=row.revoked_because,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_as=row.acknowledged_as,
    )


def show_share(row: ReportShare, now: datetime) -> ShareShape:
    return ShareShape(
        id=row.id,
        institution=show_site(row.institution),
        asks=row.asks,
        state=row.state(now),
        revoked_because=row.revoked_because,
        made_at=row.made_at,
        made_by=show_person(row.made_by),
        expires_at=row.expires_at,
        opened_at=row.opened_at,
        opened_count=row.opened_count,
        opened_version=row.opened_version,
        acknowledged_at=row.acknowledged_at,
        acknowledged_as=row.acknowledged_as,
        acknowledged_name=row.acknowledged_name,
        acknowledged_version=row.acknowledged_version,
    )


def _show_delivery(row: ReportReturn) -> DeliveryShape:
    return DeliveryShape(
        recipient=show_site(row.recipient),
        notice=row.notice,
        state=row.state,
        delivered_at=row.delivered_at,
        opened_at=row.opened_at,
        opened_by=show_person(row.opened_by),
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=show_person(row.acknowledged_by),
    )
