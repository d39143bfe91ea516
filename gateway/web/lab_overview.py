"""The township's laboratory at a glance, beside its examinations: specimens, what is late or rejected, what came back."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, aliased

from gateway.finding import count_up_to_limit
from gateway.web.township_shapes import LabOverviewShape, RejectedSpecimenShape
from worklists.access import Sight, Subject, specimens_visible_to, visible_to
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.laboratory.results import RerunRequest
from worklists.laboratory.specimens import LabSpecimen, LabTransport, SpecimenState
from worklists.reports import Report, ReportReturn, ReturnState

REASONS_SHOWN = 3
UNACKNOWLEDGED = (ReturnState.DELIVERED, ReturnState.OPENED)


def look_at_specimens(
    session: Session, subject: Subject, today: datetime, now: datetime
) -> LabOverviewShape | None:
    """None for a township that takes no specimens."""
    own = (LabSpecimen.institution_id == subject.institution_id, specimens_visible_to(subject))
    if session.scalars(select(LabSpecimen.id).where(*own).limit(1)).first() is None:
        return None

    def count(*conditions: ColumnElement[bool]) -> int:
        return count_up_to_limit(session, select(LabSpecimen).where(*own, *conditions))

    on_the_way = LabSpecimen.state == SpecimenState.IN_TRANSIT
    late = select(LabTransport.id).where(LabTransport.expected_at < now)
    returned = _returned(subject)
    return LabOverviewShape(
        registered_today=count(LabSpecimen.registered_at >= today),
        to_send=count(LabSpecimen.state == SpecimenState.REGISTERED, LabSpecimen.examination_id.is_(None)),
        on_the_way=count(on_the_way),
        late=count(on_the_way, LabSpecimen.transport_id.in_(late)),
        wanted_anew=count(wanted_anew()),
        rejected=_last_rejected(session, own),
        returned_today=count_up_to_limit(session, returned.where(ReportReturn.delivered_at >= today)),
        unread=count_up_to_limit(session, returned.where(ReportReturn.state == ReturnState.DELIVERED)),
        critical=count_up_to_limit(
            session, returned.where(Report.critical, ReportReturn.state.in_(UNACKNOWLEDGED))
        ),
    )


def wanted_anew() -> ColumnElement[bool]:
    """Specimens for which another one is wanted, and none is there yet."""
    newer = aliased(LabSpecimen)
    replaced = select(newer.id).where(newer.replaces_id == LabSpecimen.id).correlate(LabSpecimen).exists()
    asked = select(RerunRequest.examination_id).where(
        RerunRequest.new_specimen, RerunRequest.done_at.is_(None)
    )
    rejected = (LabSpecimen.state == SpecimenState.REJECTED) & ~replaced
    return rejected | LabSpecimen.examination_id.in_(asked)


def _last_rejected(session: Session, own: tuple[ColumnElement[bool], ...]) -> list[RejectedSpecimenShape]:
    rows = session.scalars(
        select(LabSpecimen)
        .where(*own, wanted_anew(), LabSpecimen.state == SpecimenState.REJECTED)
        .order_by(LabSpecimen.registered_at.desc(), LabSpecimen.id.desc())
        .limit(REASONS_SHOWN)
    ).unique()
    return [RejectedSpecimenShape(id=one.id, barcode=one.barcode, reason=one.reason) for one in rows]


def _returned(subject: Subject) -> Select[ReportReturn]:
    return (
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(ReportReturn.recipient_id == subject.institution_id, visible_to(subject, Sight.REPORT))
        .where(ReportReturn.state != ReturnState.PENDING, Examination.kind == Kind.LABORATORY)
    )
