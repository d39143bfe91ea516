"""The head's figures: `/api/v1/figures/…`, as JSON or a workbook, and the examinations behind each of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.xlsx import MEDIA_TYPE, write_workbook
from gateway.behind import find_behind
from gateway.database import count_with_more
from gateway.figure_words import MEASURES_SAID
from gateway.overlooking import Overlook, overlook_of
from gateway.standing import count_standing
from gateway.web.deps import Caller, CallerDep, RuntimeDep, get_person
from gateway.web.figure_shapes import ChoicesShape, FiguresShape, Narrowed, NowShape
from gateway.web.figure_showing import rows_of, show_figures
from gateway.web.messages import pick
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_next
from gateway.web.shapes import Page, WorklistItem
from gateway.web.showing import show_named, show_site, show_tasks
from worklists.base import local_date
from worklists.directory import Centre, Institution, InstitutionKind
from worklists.errors import NotAllowed
from worklists.figures.asking import By, Measure, Question
from worklists.figures.behind import get_behind
from worklists.figures.measuring import measure

router = APIRouter(prefix="/api/v1/figures", tags=["figures"])

NarrowedDep = Annotated[Narrowed, Depends()]


@router.get("/choices")
def read_choices(caller: CallerDep, runtime: RuntimeDep) -> ChoicesShape:
    with runtime.reading() as session:
        sight = overlook_of(session, get_person(session, caller))
        centres, sites = select(Centre).order_by(Centre.name), select(Institution).order_by(Institution.code)
        if sight.centre_ids is not None:
            centres = centres.where(Centre.id.in_(sight.centre_ids))
        sites = sites.where(Institution.kind != InstitutionKind.VILLAGE)
        if sight.institution_id is not None:
            sites = sites.where(Institution.id == sight.institution_id)
        return ChoicesShape(
            centres=[show_named(row) for row in session.scalars(centres)],
            sites=[show_site(row) for row in session.scalars(sites)],
            measures=[one for one in Measure if sight.shows(one)],
            names=sight.names,
            patients=sight.patients,
        )


@router.get("/now")
def read_now(caller: CallerDep, runtime: RuntimeDep) -> NowShape:
    """What is late, open, unread and not final at this moment; this month's times and grades."""
    now = runtime.now()
    today = local_date(now)
    with runtime.reading() as session:
        sight = overlook_of(session, get_person(session, caller))
        question = Question(
            by=By.KIND, first=today.replace(day=1), last=today, centre_ids=sight.centre_ids,
            institution_id=sight.institution_id,
        )  # fmt: skip
        return NowShape(
            **count_standing(session, sight, now),
            turnaround=dict(measure(session, Measure.TURNAROUND, question).total),
            quality=dict(measure(session, Measure.QUALITY, question).total),
        )


@router.get("/{which}", responses={200: {"content": {MEDIA_TYPE: {}}}}, response_model=FiguresShape)
def read_figures(
    which: Measure,
    asked: NarrowedDep,
    caller: CallerDep,
    runtime: RuntimeDep,
    format: Literal["json", "xlsx"] = "json",
) -> Any:
    """Days as the county counts them, both ends among them."""
    with runtime.reading() as session:
        sight = _sight_of(session, caller, which)
        question = asked.question(session, sight)
        count_with_more(session)
        shown = show_figures(session, which, question, measure(session, which, question), sight)
    if format == "json":
        return shown
    return Response(
        write_workbook({pick(MEASURES_SAID[which], caller.language): rows_of(shown, caller.language)}),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": (
                f'attachment; filename="{which.value}-{asked.by.value}-{asked.first}-{asked.last}.xlsx"'
            )
        },
    )


@router.get("/{which}/examinations")
def list_behind(
    which: Measure,
    asked: NarrowedDep,
    caller: CallerDep,
    runtime: RuntimeDep,
    column: Annotated[str, Query(max_length=40)],
    key: Annotated[str | None, Query(max_length=64)] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[WorklistItem]:
    """The examinations that a figure counted, as far as the caller may see them; what was counted last first."""
    with runtime.reading() as session:
        sight = _sight_of(session, caller, which)
        if not sight.patients:
            raise NotAllowed("examinations")
        question = asked.question(session, sight)
        behind = get_behind(which, question, column=column, key=key)
        found = find_behind(session, caller.subject, behind, read_cursor(cursor), limit)
        return Page(items=show_tasks(session, found.ids), next_cursor=write_next(found.next_key))


def _sight_of(session: Session, caller: Caller, which: Measure) -> Overlook:
    """Raises NotAllowed."""
    sight = overlook_of(session, get_person(session, caller))
    if not sight.shows(which):
        raise NotAllowed(which.value)
    return sight
