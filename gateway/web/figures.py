"""The head's figures: `/api/v1/figures/…`, as JSON or a workbook, and the examinations behind each of them."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from adapters.xlsx import MEDIA_TYPE, write_workbook
from gateway.figure_words import COLUMNS, MEASURES_SAID, cell, heading
from gateway.finding import Order, look_around, newest_read_task
from gateway.overlooking import Overlook, overlook_of
from gateway.web.deps import Caller, CallerDep, RuntimeDep, get_person
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import NamedShape, Page, SiteShape, WorklistItem
from gateway.web.showing import show_named, show_site, show_task
from worklists.access import visible_to
from worklists.base import local_date
from worklists.critical import OPEN, CriticalEvent
from worklists.directory import Centre, Institution, InstitutionKind, Kind, Person
from worklists.errors import NotAllowed, NotFound
from worklists.examinations import Examination, Priority
from worklists.figures.asking import By, Measure, Question
from worklists.figures.behind import examinations_behind
from worklists.figures.counting import text_key
from worklists.figures.measuring import MEASURES, Answer, measure
from worklists.figures.tallies import Number
from worklists.reading import OPEN_STATES, Purpose, ReadingTask
from worklists.reports import Report, ReportReturn, ReportState, unread_since

router = APIRouter(prefix="/api/v1/figures", tags=["figures"])

NEWEST_FIRST = Order(
    keys=[(Examination.received_at, True), (Examination.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)
UNREAD_FOR = timedelta(hours=24)
_PRIORITIES = {one.rank: one.value for one in Priority}


class FigureLine(BaseModel):
    key: str
    name: str
    values: dict[str, float | int | None]


class FiguresShape(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    measure: Measure
    by: By
    first: date
    last: date
    columns: list[str]
    listed: list[str]  # of which columns the examinations can be listed
    items: list[FigureLine]
    total: dict[str, float | int | None]


class ChoicesShape(BaseModel):
    """What can be asked: `names` says whether readers are named, `patients` whether examinations are opened."""

    centres: list[NamedShape]
    sites: list[SiteShape]
    names: bool
    patients: bool


class NowShape(BaseModel):
    """What waits at this moment, and what is late. Times are of the present month's signatures."""

    open: int
    late: int
    paused: int
    critical_open: int
    unread: int
    preliminary: int
    turnaround: dict[str, float | int | None]
    quality: dict[str, float | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks, what of, and how much of it they see."""

    caller: Caller
    sight: Overlook
    question: Question


class Narrowed:
    """What of all that the caller sees is asked for."""

    def __init__(
        self,
        first: Annotated[date, Query(alias="from")],
        last: Annotated[date, Query(alias="to")],
        by: By = By.TOWNSHIP,
        centre: uuid.UUID | None = None,
        kind: Kind | None = None,
        site: uuid.UUID | None = None,
        modality: Annotated[str, Query(max_length=16)] = "",
    ):
        self.first, self.last, self.by = first, last, by
        self.centre, self.kind, self.site, self.modality = centre, kind, site, modality

    def question(self, session: Session, sight: Overlook) -> Question:
        """Raises NotFound for what is not theirs, NotAllowed for names that they do not see."""
        if self.by is By.READER and not sight.names:
            raise NotAllowed("names of readers")
        if self.site is not None and sight.institution_id not in {None, self.site}:
            raise NotFound("site")
        return Question(
            by=self.by,
            first=self.first,
            last=self.last,
            centre_ids=self._centres(session, sight),
            institution_id=sight.institution_id or self.site,
            modality=self.modality,
        )

    def _centres(self, session: Session, sight: Overlook) -> frozenset[uuid.UUID] | None:
        if self.centre is None and self.kind is None:
            return sight.centre_ids
        query = select(Centre.id)
        if self.centre is not None:
            query = query.where(Centre.id == self.centre)
        if self.kind is not None:
            query = query.where(Centre.kind == self.kind)
        wanted = frozenset(session.scalars(query))
        return wanted if sight.centre_ids is None else wanted & sight.centre_ids


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
            **_standing(session, sight, now),
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
        sight = overlook_of(session, get_person(session, caller))
        question = asked.question(session, sight)
        shown = _show(session, which, question, measure(session, which, question), sight)
    if format == "json":
        return shown
    return Response(
        write_workbook({MEASURES_SAID[which][caller.language == "en"]: _rows(shown, caller.language)}),
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
    """The examinations that a figure counted, as far as the caller may see them; the newest first."""
    with runtime.reading() as session:
        sight = overlook_of(session, get_person(session, caller))
        if not sight.patients:
            raise NotAllowed("examinations")
        question = asked.question(session, sight)
        behind = examinations_behind(which, question, column=column, key=key)
        query = (
            select(ReadingTask)
            .join(Examination, Examination.id == ReadingTask.examination_id)
            .where(Examination.id.in_(behind), visible_to(caller.subject), newest_read_task())
            .options(joinedload(ReadingTask.examination).joinedload(Examination.institution))
        )
        tasks = session.scalars(NEWEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        shown = tasks[:limit]
        around = look_around(session, [task.examination_id for task in shown])
        return Page(
            items=[show_task(task, around) for task in shown],
            next_cursor=_cursor_of(shown[-1]) if len(tasks) > limit else None,
        )


def _standing(session: Session, sight: Overlook, now: datetime) -> dict[str, int]:
    tasks = [ReadingTask.state.in_(OPEN_STATES), ReadingTask.purpose == Purpose.READ]
    tasks += _of(sight, ReadingTask.centre_id)
    late = (ReadingTask.due_at < now, ReadingTask.paused_at.is_(None))
    events = [CriticalEvent.state.in_(OPEN)]
    if sight.centre_ids is not None:
        read = select(ReadingTask.examination_id).where(ReadingTask.centre_id.in_(sight.centre_ids))
        events.append(CriticalEvent.examination_id.in_(read))
    reports = [Report.state == ReportState.SIGNED, *_of(sight, Report.centre_id)]
    return {
        "open": _count(session, ReadingTask, sight, *tasks),
        "late": _count(session, ReadingTask, sight, *tasks, *late),
        "paused": _count(session, ReadingTask, sight, *tasks, ReadingTask.paused_at.is_not(None)),
        "critical_open": _count(session, CriticalEvent, sight, *events),
        "unread": _unread(session, sight, now),
        "preliminary": _count(session, Report, sight, *reports, Report.preliminary),
    }


def _of(sight: Overlook, centre_id: Any) -> list[ColumnElement[bool]]:
    return [] if sight.centre_ids is None else [centre_id.in_(sight.centre_ids)]


def _count(session: Session, row: Any, sight: Overlook, *conditions: Any) -> int:
    query = select(func.count()).select_from(row).where(*conditions)
    if sight.institution_id is not None:
        query = query.join(Examination, Examination.id == row.examination_id).where(
            Examination.institution_id == sight.institution_id
        )
    return session.scalar(query) or 0


def _unread(session: Session, sight: Overlook, now: datetime) -> int:
    query = (
        select(func.count())
        .select_from(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .where(unread_since(now - UNREAD_FOR), *_of(sight, Report.centre_id))
    )
    if sight.institution_id is not None:
        query = query.where(ReportReturn.recipient_id == sight.institution_id)
    return session.scalar(query) or 0


def _show(
    session: Session, which: Measure, question: Question, answer: Answer, sight: Overlook
) -> FiguresShape:
    lines = sorted(_named(session, question.by, answer), key=lambda line: (line[0], line[1]))
    return FiguresShape(
        measure=which,
        by=question.by,
        first=question.first,
        last=question.last,
        columns=list(MEASURES[which].columns),
        listed=list(MEASURES[which].narrowed) if sight.patients else [],
        items=[FigureLine(key=key, name=name, values=dict(values)) for _, name, key, values in lines],
        total=dict(answer.total),
    )


def _named(session: Session, by: By, answer: Answer) -> Iterator[tuple[str, str, str, Mapping[str, Number]]]:
    """Order, name, key and values of each line; a line without a key is what nobody is known of."""
    keys = [line.key for line in answer.lines if line.key is not None]
    if by is By.TOWNSHIP:
        sites = {row.id: row for row in session.scalars(select(Institution).where(Institution.id.in_(keys)))}
        named = {key: (row.code, row.name) for key, row in sites.items()}
    elif by is By.READER:
        people = session.scalars(select(Person).where(Person.id.in_(keys)))
        named = {row.id: (row.name, row.name) for row in people}
    elif by is By.KIND:
        named = _named_centres(session, keys)
    else:
        named = {key: (text_key(key), _PRIORITIES.get(key, text_key(key))) for key in keys}
    for line in answer.lines:
        order, name = named.get(line.key, ("~", ""))
        yield order, name, text_key(line.key) if line.key is not None else "", line.values


def _named_centres(session: Session, keys: Sequence[Any]) -> dict[Any, tuple[str, str]]:
    """A line by kind is a centre's; of critical values it is the kind itself."""
    ids = [key for key in keys if isinstance(key, uuid.UUID)]
    rows = session.scalars(select(Centre).where(Centre.id.in_(ids)))
    return {row.id: (row.kind.value, row.name) for row in rows} | {
        key: (str(key), str(key)) for key in keys if not isinstance(key, uuid.UUID)
    }


def _rows(shown: FiguresShape, language: str) -> list[list[str]]:
    english = language == "en"
    total = FigureLine(key="", name="Total" if english else "合计", values=shown.total)
    head = [heading(shown.by, english), *(COLUMNS[name][english] for name in shown.columns)]
    return [
        head,
        *(
            [
                line.name or ("Unknown" if english else "不明"),
                *(cell(name, line.values[name]) for name in shown.columns),
            ]
            for line in [*shown.items, total]
        ),
    ]


def _cursor_of(task: ReadingTask) -> str:
    return write_cursor(NEWEST_FIRST.key_of((task.examination.received_at, task.examination.id)))
