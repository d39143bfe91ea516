"""Specimens: registered, listed, labelled, cancelled, rejected. `/api/v1/lab/specimens`."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from gateway.finding import Order, count_up_to_limit, on_days
from gateway.lab import collecting, receiving
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.lab_overview import wanted_anew
from gateway.web.lab_specimen_shapes import (
    Shown,
    SpecimenDetail,
    SpecimenShape,
    find_in_order,
    show_detail,
    with_all_beside,
)
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import Page
from gateway.web.tasks import who_is
from worklists.access import specimens_visible_to
from worklists.base import local_date
from worklists.cards import masked_number, read_card
from worklists.directory import Role
from worklists.errors import FieldsRefused
from worklists.examinations import Priority
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.registering import Registration
from worklists.laboratory.specimens import LabSpecimen, SpecimenState
from worklists.patients import Patient, PatientIdentity, matches

router = APIRouter(prefix="/api/v1/lab", tags=["laboratory"])

TownshipDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER))]
LaboratoryDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER))]
EitherDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER))]

# A tab of its own asks in the browser's language, which is not always the page's.
LabelLanguage = Annotated[Literal["zh-CN", "en"] | None, Query()]
NEWEST_FIRST = Order(
    keys=[(LabSpecimen.registered_at, True), (LabSpecimen.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)


class PersonStated(BaseModel):
    name: str = Field(default="", max_length=200)
    sex: str | None = Field(default=None, pattern="^[MFO]$")
    birth_date: date | None = None
    national_id: str | None = Field(default=None, max_length=32)
    patient_id: str = Field(default="", max_length=64)
    phone: str = Field(default="", max_length=40)


class RegisterBody(BaseModel):
    patient: PersonStated
    panels: list[str] = Field(default_factory=list, max_length=100)
    items: list[str] = Field(default_factory=list, max_length=300)
    priority: Priority = Priority.ROUTINE
    kind: str = Field(default="", max_length=60)
    clinical_information: str = Field(default="", max_length=2000)
    requester: str = Field(default="", max_length=100)
    department: str = Field(default="", max_length=100)
    bed: str = Field(default="", max_length=40)
    collected_at: AwareDatetime | None = None
    barcode: str = Field(default="", max_length=64)
    barcodes: list[str] = Field(default_factory=list, max_length=50)
    replaces_id: uuid.UUID | None = None


class RegisteredShape(BaseModel):
    specimens: list[SpecimenShape]


class DecisionBody(BaseModel):
    reason: str = Field(default="", max_length=500)
    version: int | None = None


class FindBody(BaseModel):
    text: str = Field(max_length=100)


class CardShape(BaseModel):
    number: str
    sex: str
    birth_date: date


class KnownShape(BaseModel):
    patient_id: str
    name: str
    sex: str | None
    birth_date: date | None
    card: str | None
    phone: str


class FoundShape(BaseModel):
    """`card` is what a card's number says; `mistyped`: it has the form of one and its check digit is wrong."""

    card: CardShape | None
    mistyped: bool
    patients: list[KnownShape]


class OrderableShape(BaseModel):
    panels: list[dict[str, Any]]
    items: list[dict[str, Any]]


@router.get("/orderable")
def list_orderable(caller: EitherDep, runtime: RuntimeDep) -> OrderableShape:
    """What can be ordered, as the desk needs it."""
    with runtime.reading() as session:
        panels = session.scalars(
            select(LabPanel).where(LabPanel.enabled).order_by(LabPanel.position, LabPanel.code)
        )
        items = session.scalars(
            select(LabItem).where(LabItem.enabled).order_by(LabItem.position, LabItem.code)
        )
        shared = ("code", "name", "name_en", "initials", "section", "specimen")
        return OrderableShape(
            panels=[{name: getattr(one, name) for name in (*shared, "tube", "items")} for one in panels],
            items=[{name: getattr(one, name) for name in (*shared, "abbreviation")} for one in items],
        )


@router.post("/patients/find")
def find_patients(body: FindBody, caller: TownshipDep, runtime: RuntimeDep) -> FoundShape:
    """Not a GET: a card's number has no place in an address."""
    text = body.text.strip()
    card = read_card(text, local_date(runtime.now()))
    found = collecting.find_patients(runtime, who_is(caller), text)
    return FoundShape(
        card=CardShape(number=card.number, sex=card.sex, birth_date=card.birth_date) if card else None,
        mistyped=card is None and len(text) == 18 and text[:17].isdigit(),
        patients=[_known(one) for one in found],
    )


@router.post("/specimens", status_code=201)
def register(body: RegisterBody, caller: TownshipDep, runtime: RuntimeDep) -> RegisteredShape:
    ids = collecting.register(runtime, who_is(caller), _registration(body))
    with runtime.reading() as session:
        specimens = find_in_order(session, caller.subject, ids)
        shown = Shown(session, caller.subject, specimens, runtime.now())
        return RegisteredShape(specimens=[shown.shape(one) for one in specimens])


@router.get("/specimens")
def list_specimens(
    caller: EitherDep,
    runtime: RuntimeDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
    state: Annotated[list[SpecimenState] | None, Query()] = None,
    q: Annotated[str, Query(max_length=100)] = "",
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    asked_anew: bool = False,
) -> Page[SpecimenShape]:
    """The last registered first. `asked_anew`: those for which another specimen is wanted and none is there yet."""
    asked = [
        specimens_visible_to(caller.subject),
        *on_days(LabSpecimen.registered_at, first, last),
        *_typed(q),
    ]
    narrowed = [*asked, LabSpecimen.state.in_(state)] if state else asked
    if asked_anew:
        narrowed = [*narrowed, wanted_anew()]
    with runtime.reading() as session:
        query = with_all_beside().where(*narrowed)
        rows = session.scalars(NEWEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        page = rows[:limit]
        shown = Shown(session, caller.subject, page, runtime.now())
        return Page(
            items=[shown.shape(one) for one in page],
            next_cursor=_after(page[-1]) if len(rows) > limit else None,
            counts=_counts(session, asked) if cursor is None else None,
        )


@router.get("/specimens/labels", responses={200: {"content": {"application/pdf": {}}}})
def read_labels(
    ids: Annotated[list[uuid.UUID], Query(max_length=collecting.MOST_LABELS)],
    caller: EitherDep,
    runtime: RuntimeDep,
    language: LabelLanguage = None,
) -> Response:
    return _labels(runtime, caller, ids, language)


@router.get("/specimens/{specimen_id}")
def read_specimen(specimen_id: uuid.UUID, caller: EitherDep, runtime: RuntimeDep) -> SpecimenDetail:
    collecting.open_specimen(runtime, who_is(caller), specimen_id)
    return _detail(runtime, caller, specimen_id)


@router.get("/specimens/{specimen_id}/label", responses={200: {"content": {"application/pdf": {}}}})
def read_label(
    specimen_id: uuid.UUID, caller: EitherDep, runtime: RuntimeDep, language: LabelLanguage = None
) -> Response:
    return _labels(runtime, caller, [specimen_id], language)


@router.post("/specimens/{specimen_id}/cancel")
def cancel(
    specimen_id: uuid.UUID, body: DecisionBody, caller: TownshipDep, runtime: RuntimeDep
) -> SpecimenDetail:
    collecting.cancel(runtime, who_is(caller), specimen_id, body.reason, body.version)
    return _detail(runtime, caller, specimen_id)


@router.post("/specimens/{specimen_id}/take-back")
def take_back(
    specimen_id: uuid.UUID, body: DecisionBody, caller: TownshipDep, runtime: RuntimeDep
) -> SpecimenDetail:
    collecting.take_back(runtime, who_is(caller), specimen_id, body.version)
    return _detail(runtime, caller, specimen_id)


@router.post("/specimens/{specimen_id}/reject")
def reject(
    specimen_id: uuid.UUID, body: DecisionBody, caller: LaboratoryDep, runtime: RuntimeDep
) -> SpecimenDetail:
    receiving.reject(runtime, who_is(caller), specimen_id, body.reason, body.version)
    return _detail(runtime, caller, specimen_id)


def _registration(body: RegisterBody) -> Registration:
    if body.barcode and body.barcodes:
        raise FieldsRefused({"barcode": "barcode_count"}, tubes=len(body.barcodes))
    stated = body.patient
    return Registration(
        patient=PatientIdentity(
            patient_id=stated.patient_id.strip(),
            name=stated.name.strip(),
            sex=stated.sex,
            birth_date=stated.birth_date,
            national_id=(stated.national_id or "").strip() or None,
            phone=stated.phone.strip(),
        ),
        barcodes=[body.barcode] if body.barcode else body.barcodes,
        **body.model_dump(
            include={
                "panels", "items", "priority", "kind", "clinical_information", "requester", "department", "bed",
                "collected_at", "replaces_id",
            }
        ),
    )  # fmt: skip


def _known(patient: Patient) -> KnownShape:
    return KnownShape(
        patient_id=patient.patient_id,
        name=patient.display_name,
        sex=patient.sex,
        birth_date=patient.birth_date,
        card=masked_number(patient.national_id),
        phone=patient.phone,
    )


def _detail(runtime: RuntimeDep, caller: Caller, specimen_id: uuid.UUID) -> SpecimenDetail:
    with runtime.reading() as session:
        [specimen] = find_in_order(session, caller.subject, [specimen_id])
        return show_detail(Shown(session, caller.subject, [specimen], runtime.now()), specimen)


def _labels(runtime: RuntimeDep, caller: Caller, ids: list[uuid.UUID], language: str | None) -> Response:
    with runtime.reading() as session:
        specimens = find_in_order(session, caller.subject, ids)
        from gateway.lab.labelling import print_labels  # noqa: PLC0415 (typesetting: 25 MB for who prints)

        pdf = print_labels(runtime, session, specimens, language or caller.language)
    collecting.note_labels(runtime, who_is(caller), ids)
    return Response(
        pdf,
        media_type="application/pdf",
        headers={"Content-Disposition": 'inline; filename="labels.pdf"', "Cache-Control": "no-store"},
    )


def _typed(q: str) -> list[ColumnElement[bool]]:
    """Every word is in the barcode or the order's number, or finds the patient."""
    found: list[ColumnElement[bool]] = []
    for word in q.split():
        named = select(Patient.id).where(*matches(word))
        found.append(
            or_(
                LabSpecimen.barcode.startswith(word, autoescape=True),
                LabSpecimen.barcode.endswith(word, autoescape=True),
                LabSpecimen.order_number == word,
                LabSpecimen.patient_id.in_(named),
            )
        )
    return found


def _counts(session: Session, asked: list[ColumnElement[bool]]) -> dict[str, int]:
    """Of each state, counted no further than anybody reads: they are kept for years."""
    conditions = {state.value: LabSpecimen.state == state for state in SpecimenState}
    return {
        name: count_up_to_limit(session, select(LabSpecimen).where(*asked, condition))
        for name, condition in {**conditions, "asked_anew": wanted_anew()}.items()
    }


def _after(last: LabSpecimen) -> str:
    return write_cursor(NEWEST_FIRST.key_of((last.registered_at, last.id)))
