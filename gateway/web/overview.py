"""The township's day: what it sent, what is being read, what came back; and its laboratory. `/api/v1/overview`."""

from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session

from gateway import device_control
from gateway.finding import count_up_to_limit, day_begin, newest_read_task
from gateway.index import Held, Refusal
from gateway.reading import Who
from gateway.sent import lacks_instances
from gateway.web.deps import RuntimeDep
from gateway.web.examinations import RadiographerDep
from gateway.web.lab_overview import look_at_specimens
from gateway.web.tasks import who_is
from gateway.web.township_shapes import (
    BeingReadShape,
    DeviceCountShape,
    OverviewShape,
    ReturnedCountShape,
    SentTodayShape,
)
from worklists.access import Sight, Subject, visible_to
from worklists.base import local_date
from worklists.control import ControlState
from worklists.directory import Device
from worklists.examinations import Examination, Priority
from worklists.reading import ReadingTask, TaskState
from worklists.reports import Report, ReportReturn, ReturnState

router = APIRouter(prefix="/api/v1/overview", tags=["township"])

_BEING_READ = (TaskState.WAITING, TaskState.CLAIMED, TaskState.SUBMITTED)


@router.get("")
def read_overview(caller: RadiographerDep, runtime: RuntimeDep) -> OverviewShape:
    now = runtime.now()
    today = day_begin(local_date(now))
    own = (Examination.institution_id == caller.subject.institution_id, visible_to(caller.subject))
    with runtime.reading() as session:
        return OverviewShape(
            sent_today=_sent(
                session,
                (*own, Examination.received_at >= today),
                _turned_away(session, caller.subject, today),
            ),
            reading=_being_read(session, own),
            returned=_returned(session, caller.subject, today),
            devices=_devices(session, who_is(caller), now),
            laboratory=look_at_specimens(session, caller.subject, today, now),
        )


def _devices(session: Session, who: Who, now: datetime) -> DeviceCountShape:
    lines = device_control.overview(session, who, now)
    own = who.subject.institution_id
    states = [one.stand.state for one in lines if one.stand.device.institution_id == own]
    return DeviceCountShape(
        out_of_control=states.count(ControlState.OUT_OF_CONTROL), late=states.count(ControlState.MISSING)
    )


def _sent(
    session: Session, conditions: tuple[ColumnElement[bool], ...], turned_away: tuple[int, int]
) -> SentTodayShape:
    count, arriving, incomplete = session.execute(
        select(
            func.count(),
            func.sum(case((ReadingTask.state == TaskState.ARRIVING, 1), else_=0)),
            func.sum(case((lacks_instances(), 1), else_=0)),
        )
        .select_from(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(newest_read_task(), *conditions)
    ).one()
    held, refused = turned_away
    return SentTodayShape(
        count=count, arriving=arriving or 0, incomplete=incomplete or 0, held=held, refused=refused
    )


def _turned_away(session: Session, subject: Subject, today: object) -> tuple[int, int]:
    held = session.scalar(
        select(func.count()).where(Held.institution_id == subject.institution_id, Held.resolved_at.is_(None))
    )
    titles = select(Device.ae_title).where(Device.institution_id == subject.institution_id)
    refused = session.scalar(
        select(func.count()).where(
            Refusal.refused_at >= today,
            or_(
                Refusal.institution_id == subject.institution_id,
                Refusal.institution_id.is_(None) & Refusal.calling_ae_title.in_(titles),
            ),
        )
    )
    return held or 0, refused or 0


def _being_read(session: Session, conditions: tuple[ColumnElement[bool], ...]) -> BeingReadShape:
    urgent = ReadingTask.rank < Priority.ROUTINE.rank
    count, urgent_count, next_due_at = session.execute(
        select(func.count(), func.sum(case((urgent, 1), else_=0)), func.min(ReadingTask.due_at))
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(newest_read_task(), ReadingTask.state.in_(_BEING_READ), *conditions)
    ).one()
    return BeingReadShape(count=count, urgent=urgent_count or 0, next_due_at=next_due_at)


def _returned(session: Session, subject: Subject, today: datetime) -> ReturnedCountShape:
    returned = (
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(ReportReturn.recipient_id == subject.institution_id, visible_to(subject, Sight.REPORT))
        .where(ReportReturn.state != ReturnState.PENDING)
    )
    return ReturnedCountShape(
        unread=count_up_to_limit(session, returned.where(ReportReturn.state == ReturnState.DELIVERED)),
        today=count_up_to_limit(session, returned.where(ReportReturn.delivered_at >= today)),
    )
