"""The inbox of a township or a village: `/api/v1/returns`."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from gateway import township
from gateway.finding import Order, count_each_up_to_limit
from gateway.typed import read_typed
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.report_shapes import ReturnItem
from gateway.web.report_showing import show_return
from gateway.web.shapes import Page
from gateway.web.tasks import who_is
from worklists.access import Sight, Wire, visible_to
from worklists.directory import Kind
from worklists.errors import NotAllowed
from worklists.examinations import Examination
from worklists.reports import Report, ReportReturn, ReturnState, unread_since
from worklists.sharing import shares_of

router = APIRouter(prefix="/api/v1/returns", tags=["returns"])

NEWEST_FIRST = Order(
    keys=[(ReportReturn.delivered_at, True), (ReportReturn.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)
_COUNTED = (ReturnState.DELIVERED, ReturnState.OPENED, ReturnState.ACKNOWLEDGED)
_WITH_REPORT = (
    joinedload(ReportReturn.report).joinedload(Report.examination).joinedload(Examination.institution),
    joinedload(ReportReturn.report).joinedload(Report.centre),
    joinedload(ReportReturn.report).joinedload(Report.signed_by),
)


def get_recipient(caller: CallerDep) -> Caller:
    """Somebody of an institution that gets reports back, or its machine."""
    wires = caller.subject.wires
    if (Wire.REPORTS not in wires) if wires is not None else not (caller.subject.roles & township.RECIPIENTS):
        raise NotAllowed("returns")
    return caller


HoursDep = Annotated[float | None, Query(ge=0, le=24 * 366)]
RecipientDep = Annotated[Caller, Depends(get_recipient)]


@router.get("")
def list_returns(
    caller: RecipientDep,
    runtime: RuntimeDep,
    state: Annotated[list[ReturnState] | None, Query()] = None,
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Kind | None = None,
    critical: bool | None = None,
    unread_hours: HoursDep = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[ReturnItem]:
    """`unread_hours`: only what came so long ago and nobody has opened."""
    with runtime.reading() as session:
        asked = _returns(session, caller, q)
        if unread_hours is not None:
            asked = asked.where(unread_since(runtime.now() - timedelta(hours=unread_hours)))
        if kind is not None:
            asked = asked.where(Examination.kind == kind)
        if critical is not None:
            asked = asked.where(Report.critical.is_(critical))
        query = asked.where(ReportReturn.state.in_(state or _COUNTED))
        rows: Sequence[ReportReturn] = NEWEST_FIRST.page(
            session, query, ReportReturn.id, read_cursor(cursor), limit, *_WITH_REPORT
        )
        shown = rows[:limit]
        shares = {one.examination_id: one for one in reversed(shares_of(session, _examinations(shown)))}
        return Page(
            items=[show_return(row, shares.get(row.report.examination_id), runtime.now()) for row in shown],
            next_cursor=_cursor_of(shown[-1]) if len(rows) > limit else None,
            counts=count_each_up_to_limit(
                session, {one.value: asked.where(ReportReturn.state == one) for one in _COUNTED}
            ),
        )


@router.post("/{return_id}/acknowledge")
def acknowledge(return_id: uuid.UUID, caller: RecipientDep, runtime: RuntimeDep) -> ReturnItem:
    township.acknowledge(runtime, who_is(caller), return_id)
    with runtime.reading() as session:
        return show_return(township.get_return(session, who_is(caller), return_id))


def _returns(session: Session, caller: Caller, q: str) -> Select[ReportReturn]:
    return (
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(visible_to(caller.subject, Sight.REPORT))
        .where(ReportReturn.recipient_id == caller.subject.institution_id)
        .where(ReportReturn.state != ReturnState.PENDING, *read_typed(session, q, caller.subject).found)
    )


def _examinations(rows: Sequence[ReportReturn]) -> list[uuid.UUID]:
    return [row.report.examination_id for row in rows]


def _cursor_of(row: ReportReturn) -> str:
    return write_cursor(NEWEST_FIRST.key_of((row.delivered_at, row.id)))
