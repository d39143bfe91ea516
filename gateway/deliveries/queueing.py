"""What is to be sent where: written in the transaction of the signature, woken when the document is kept."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gateway import live, work
from gateway.deliveries.rows import Delivery, DeliveryEvent, DeliveryState, Endpoint
from worklists.base import new_id
from worklists.reports import Report, ReportReturn

DELIVER = "deliver_reports"  # the subject is an endpoint: one sends to it at a time, in order


def queue_report(session: Session, report: Report, now: datetime) -> None:
    """A report was signed, or has another recipient: a delivery to every endpoint that gets it and has none yet."""
    session.flush()
    known = select(Delivery.endpoint_id).where(Delivery.report_id == report.id)
    _queue(
        session,
        report,
        _endpoints_for(session, report, but=session.scalars(known)),
        DeliveryEvent.REPORT,
        now,
    )
    if report.pdf_sha256 is not None:
        wake(session, report, now)


def queue_void(session: Session, report: Report, now: datetime) -> None:
    """A report was voided: everybody is told who was sent any version of it, or may have been."""
    of_it = select(Report.id).where(Report.examination_id == report.examination_id)
    told = set(
        session.scalars(
            select(Delivery.endpoint_id)
            .where(Delivery.report_id.in_(of_it), Delivery.event == DeliveryEvent.REPORT)
            .where(Delivery.attempts > 0)
        )
    )
    known = select(Delivery.endpoint_id).where(
        Delivery.report_id == report.id, Delivery.event == DeliveryEvent.VOID
    )
    _queue(session, report, sorted(told - set(session.scalars(known))), DeliveryEvent.VOID, now)
    wake(session, report, now)


def wake(session: Session, report: Report, now: datetime) -> None:
    """What waits of a report can be sent now."""
    waiting = session.scalars(
        select(Delivery.endpoint_id)
        .where(Delivery.report_id == report.id, Delivery.state == DeliveryState.PENDING)
        .distinct()
    )
    wake_endpoints(session, waiting, now)


def wake_endpoints(session: Session, endpoint_ids: Iterable[uuid.UUID], now: datetime) -> None:
    """Their deliveries are looked at now."""
    due = {str(one): now for one in endpoint_ids}
    if due:
        work.schedule_all(session, DELIVER, due)


def try_now(session: Session, endpoint_id: uuid.UUID, now: datetime) -> None:
    """What waits there is tried at once, also what was to be tried later after it had failed."""
    waiting = update(Delivery).where(
        Delivery.endpoint_id == endpoint_id, Delivery.state == DeliveryState.PENDING, Delivery.next_at > now
    )
    session.execute(waiting.values(next_at=now))
    wake_endpoints(session, [endpoint_id], now)


def _endpoints_for(session: Session, report: Report, *, but: Iterable[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Those in use of the institutions that get the report back, and of the one whose centre signed it."""
    recipients = select(ReportReturn.recipient_id).where(ReportReturn.report_id == report.id)
    institutions = {*session.scalars(recipients), report.centre.institution_id}
    rows = session.scalars(
        select(Endpoint)
        .where(Endpoint.institution_id.in_(institutions), Endpoint.enabled)
        .order_by(Endpoint.id)
    )
    taken, kind = set(but), report.examination.kind.value
    return [row.id for row in rows.unique() if row.id not in taken and (not row.kinds or kind in row.kinds)]


def _queue(
    session: Session, report: Report, endpoint_ids: Iterable[uuid.UUID], event: DeliveryEvent, now: datetime
) -> None:
    rows = [
        Delivery(
            id=new_id(),
            report_id=report.id,
            endpoint_id=endpoint_id,
            event=event,
            state=DeliveryState.PENDING,
            queued_at=now,
            asked_at=now,
            next_at=now,
        )
        for endpoint_id in endpoint_ids
    ]
    if rows:
        session.add_all(rows)
        session.flush()
        live.bump(session, "system")
