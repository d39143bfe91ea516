"""Image quality: the grade of an examination, and a member's monthly sheet: `/api/v1/tasks/…/grade`, `/api/v1/quality`."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.xlsx import MEDIA_TYPE, write_workbook
from gateway import grading, reading
from gateway.grading import Sheet
from gateway.overlooking import Overlook, overlook_of
from gateway.runtime import Runtime
from gateway.web.deps import Caller, CallerDep, RuntimeDep, get_person
from gateway.web.quality_shapes import CountedReason, GradeBody, PoorShape, SheetShape, TaskGradeShape
from gateway.web.quality_workbook import sheets_of
from gateway.web.shapes import GradeReasonShape, SiteShape
from gateway.web.showing import made_on, show_grade, show_patient, show_site
from gateway.web.tasks import who_is
from gateway.web.worklist import ReaderDep
from worklists.directory import Institution, InstitutionKind
from worklists.errors import Invalid, NotFound
from worklists.grading import Grade, Grading, grades_of, reasons_for
from worklists.reading import ReadingTask, tasks_of

router = APIRouter(prefix="/api/v1", tags=["quality"])


@router.get("/tasks/{task_id}/grade")
def read_grade(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> TaskGradeShape:
    """What was said of it, and what may be wrong with one of these."""
    with runtime.reading() as session:
        task = reading.get_task(session, caller.subject, task_id)
        about = task.examination
        found = grades_of(session, [about.id]).get(about.id)
        names = grading.names_of_reasons(session)
        return TaskGradeShape(
            grade=show_grade(found, names) if found else None,
            choices=[
                GradeReasonShape(code=row.code, name=row.name, name_en=row.name_en)
                for row in reasons_for(session, about.kind, about.modality)
            ],
        )


@router.post("/tasks/{task_id}/grade")
def grade(task_id: uuid.UUID, body: GradeBody, caller: ReaderDep, runtime: RuntimeDep) -> TaskGradeShape:
    """The last one counts; 乙 and 丙 need a reason."""
    said = Grading(grade=body.grade, reasons=tuple(body.reasons), note=body.note)
    grading.grade(runtime, who_is(caller), task_id, said)
    return read_grade(task_id, caller, runtime)


@router.get("/quality/members")
def list_members(caller: CallerDep, runtime: RuntimeDep) -> list[SiteShape]:
    """Whose sheets the caller may read."""
    with runtime.reading() as session:
        sight = overlook_of(session, get_person(session, caller))
        return [show_site(row) for row in _members(session, sight)]


@router.get("/quality/sheet", responses={200: {"content": {MEDIA_TYPE: {}}}}, response_model=SheetShape)
def read_sheet(
    caller: CallerDep,
    runtime: RuntimeDep,
    month: Annotated[str, Query(pattern=r"^\d{4}-\d{2}$")],
    institution: uuid.UUID | None = None,
    format: Literal["json", "xlsx"] = "json",
) -> Any:
    """A township its own, a centre's reviewers what was made for it, an administrator any without patients."""
    shown = _sheet(runtime, caller, month, institution)
    if format == "json":
        return shown
    name = f"quality-{shown.institution.code}-{month}.xlsx"
    return Response(
        write_workbook(sheets_of(shown, caller.language == "en")),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _sheet(runtime: Runtime, caller: Caller, month: str, institution: uuid.UUID | None) -> SheetShape:
    with runtime.reading() as session:
        sight = overlook_of(session, get_person(session, caller))
        members = {row.id: row for row in _members(session, sight)}
        wanted = institution or sight.institution_id
        if wanted is None:
            raise Invalid("institution", "required")
        if wanted not in members:
            raise NotFound("institution")
        question = grading.question_of_month(month, sight.centre_ids)
        return _show(session, grading.read_sheet(session, question, members[wanted]), sight, month)


def _members(session: Session, sight: Overlook) -> list[Institution]:
    """Townships first: it is they who are graded."""
    query = (
        select(Institution)
        .where(Institution.kind != InstitutionKind.VILLAGE)
        .order_by(Institution.kind != InstitutionKind.TOWNSHIP, Institution.code)
    )
    if sight.institution_id is not None:
        query = query.where(Institution.id == sight.institution_id)
    return list(session.scalars(query))


def _show(session: Session, sheet: Sheet, sight: Overlook, month: str) -> SheetShape:
    names = grading.names_of_reasons(session)
    tasks: dict[uuid.UUID, ReadingTask] = {}
    if sight.patients:
        for task in session.scalars(tasks_of(*(one.examination_id for one in sheet.poor))):
            tasks.setdefault(task.examination_id, task)
    return SheetShape(
        institution=show_site(sheet.institution),
        month=month,
        graded=sheet.graded,
        grades=dict(sheet.grades),
        shares={one: sheet.share(one) for one in Grade},
        reasons=[
            CountedReason(code=code, name=row.name, name_en=row.name_en, count=count)
            for code, count in sheet.reasons.items()
            if (row := names.get(code)) is not None
        ],
        poor=[
            PoorShape(
                examination_id=one.examination_id,
                task_id=tasks[one.examination_id].id if one.examination_id in tasks and sight.names else None,
                kind=one.examination.kind,
                modality=one.modality,
                description=one.examination.description,
                accession_number=one.examination.accession_number if sight.patients else "",
                patient=show_patient(one.examination.patient, made_on(one.examination))
                if sight.patients
                else None,
                graded_at=one.graded_at,
                reasons=show_grade(one, names).reasons,
                note=one.note,
            )
            for one in sheet.poor
        ],
    )
