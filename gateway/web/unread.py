"""What a centre signed and nobody has opened where it went: `/api/v1/unread-returns`, for those who read there."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import joinedload

from gateway.finding import Order
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.report_shapes import ReturnItem
from gateway.web.report_showing import show_return
from gateway.web.shapes import SiteShape
from gateway.web.showing import show_site
from worklists.access import Sight, visible_to
from worklists.directory import Institution, Role
from worklists.examinations import Examination
from worklists.reports import Report, ReportReturn, unread_since

router = APIRouter(prefix="/api/v1/unread-returns", tags=["returns"])
ReadsDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER))]
UNREAD_HOURS = 24.0

# What cannot wait first, then what has waited longest.
_RANK: Any = case((Report.critical, 0), else_=1)
LONGEST_FIRST = Order(
    keys=[(_RANK, False), (ReportReturn.delivered_at, False), (ReportReturn.id, False)],
    readers=(int, datetime.fromisoformat, uuid.UUID),
)


class UnreadItem(ReturnItem):
    recipient: SiteShape


class UnreadAt(BaseModel):
    """How much lies unread at one institution, and since when the oldest."""

    site: SiteShape
    count: int
    critical: int
    oldest_at: datetime


class UnreadPage(BaseModel):
    items: list[UnreadItem]
    next_cursor: str | None
    sites: list[UnreadAt]


@router.get("")
def list_unread(
    caller: ReadsDep,
    runtime: RuntimeDep,
    hours: Annotated[float, Query(ge=0, le=24 * 366)] = UNREAD_HOURS,
    recipient: uuid.UUID | None = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> UnreadPage:
    """Reports of the caller's centres that were delivered so long ago and that nobody has opened."""
    before = runtime.now() - timedelta(hours=hours)
    asked = _unread(caller, before)
    query = asked if recipient is None else asked.where(ReportReturn.recipient_id == recipient)
    query = query.options(
        joinedload(ReportReturn.report).joinedload(Report.examination).joinedload(Examination.institution),
        joinedload(ReportReturn.report).joinedload(Report.centre),
        joinedload(ReportReturn.report).joinedload(Report.signed_by),
        joinedload(ReportReturn.recipient),
    )
    with runtime.reading() as session:
        rows = session.scalars(LONGEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        shown = rows[:limit]
        places = session.execute(_by_recipient(asked)).all()
        return UnreadPage(
            items=[_show(row) for row in shown],
            next_cursor=_cursor_of(shown[-1]) if len(rows) > limit else None,
            sites=[
                UnreadAt(
                    site=show_site(session.get_one(Institution, place.recipient_id)),
                    count=place.reports,
                    critical=place.critical,
                    oldest_at=place.oldest_at,
                )
                for place in places
            ],
        )


def _unread(caller: Caller, before: datetime) -> Select[ReportReturn]:
    return (
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(visible_to(caller.subject, Sight.REPORT))
        .where(Report.centre_id.in_(caller.subject.centre_ids), unread_since(before))
    )


def _by_recipient(asked: Select[ReportReturn]) -> Any:
    critical = func.count().filter(Report.critical)
    oldest = func.min(ReportReturn.delivered_at, type_=ReportReturn.delivered_at.type)
    return (
        asked.with_only_columns(
            ReportReturn.recipient_id,
            func.count().label("reports"),
            critical.label("critical"),
            oldest.label("oldest_at"),
        )
        .group_by(ReportReturn.recipient_id)
        .order_by(critical.desc(), oldest)
    )


def _show(row: ReportReturn) -> UnreadItem:
    return UnreadItem(**show_return(row).model_dump(), recipient=show_site(row.recipient))


def _cursor_of(row: ReportReturn) -> str:
    return write_cursor(LONGEST_FIRST.key_of((0 if row.report.critical else 1, row.delivered_at, row.id)))
