"""Mutual recognition at the order: `/api/v1/recognition/…`, for a township's people and machines of an institution."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from adapters.xlsx import MEDIA_TYPE, Cell, Share, write_workbook
from gateway import recognising
from gateway.runtime import Runtime
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.messages import pick
from gateway.web.tasks import who_is
from worklists.access import shows_result
from worklists.cards import masked_number
from worklists.directory import Institution, Kind
from worklists.recognising.deciding import Asker, Decided
from worklists.recognising.figures import Figures, total_of
from worklists.recognising.proposing import RESIDENT_CARD, WhoIsAsked, result_of
from worklists.recognising.rows import Choice, Outcome, RecognitionMatch
from worklists.recognition import RecognitionItem
from worklists.reports import ReportState

router = APIRouter(prefix="/api/v1/recognition", tags=["recognition"])

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class By(StrEnum):
    INSTITUTION = "institution"
    MONTH = "month"


class PatientBody(BaseModel):
    """As the patient's document says: all of it has to agree."""

    model_config = ConfigDict(extra="forbid")

    id_type: Said = RESIDENT_CARD
    number: Said
    name: Said
    sex: Literal["M", "F", "O"]
    birth_date: date


class EncounterBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["outpatient", "emergency", "inpatient"] = "outpatient"
    number: Said
    department: Word = ""
    doctor: Word = ""


class QuestionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    patient: PatientBody
    items: Annotated[list[Said], Field(min_length=1, max_length=100)]
    encounter: EncounterBody


class DecisionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    match_id: uuid.UUID
    decision: Choice
    reason_code: Word | None = None
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    told_patient: bool = False


class DecisionsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decisions: Annotated[list[DecisionBody], Field(max_length=100)]
    doctor: Word = ""
    department: Word = ""


class CitationBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    match_id: uuid.UUID
    doctor: Word = ""
    department: Word = ""


class ItemShape(BaseModel):
    code: str
    name: str
    kind: Kind
    valid_days: int | None
    unconfirmed: bool


class ReasonShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    name_en: str
    counts_as_refusal: bool
    note_required: bool
    unconfirmed: bool


class ChoicesShape(BaseModel):
    items: list[ItemShape]
    reasons: list[ReasonShape]


class SourceShape(BaseModel):
    code: str
    name: str


class ResultShape(BaseModel):
    """Of a test its value, of an image or tracing what was read."""

    value: str = ""
    unit: str = ""
    range: str = ""
    abnormal: str = ""
    findings: str = ""
    impression: str = ""


class MatchDecision(BaseModel):
    decision: Choice
    reason_code: str | None
    note: str
    told_patient: bool
    doctor: str
    department: str
    decided_at: datetime
    saved: Decimal


class MatchShape(BaseModel):
    """`outcome` none: there is nothing, and so no id."""

    item: ItemShape
    outcome: Outcome
    id: uuid.UUID | None = None
    mark: str | None = None
    reported_at: datetime | None = None
    examined_at: datetime | None = None
    source: SourceShape | None = None
    standing: bool | None = None
    result: ResultShape | None = None
    decision: MatchDecision | None = None
    cited_at: datetime | None = None


class GroupShape(BaseModel):
    id: uuid.UUID
    patient: dict[str, Any]
    encounter: dict[str, Any]
    asked_at: datetime
    asked_by: str
    decided_at: datetime | None
    matches: list[MatchShape]


class FiguresShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    asked: int
    reminders: int
    references: int
    adopted: int
    declined: int
    excused: int
    told: int
    adopted_references: int
    cited: int
    saved: Decimal
    adoption_rate: float | None
    reasons: dict[str, int]


class FiguresLine(FiguresShape):
    key: str
    name: str


class StatisticsShape(BaseModel):
    by: By
    first: date
    last: date
    items: list[FiguresLine]
    total: FiguresShape


@router.get("/choices")
def read_choices(caller: CallerDep, runtime: RuntimeDep) -> ChoicesShape:
    """The items that can be asked for, and the reasons for declining."""
    with runtime.reading() as session:
        found = recognising.find_choices(runtime, session, caller.subject)
        return ChoicesShape(
            items=[_item(one) for one in found.items],
            reasons=[ReasonShape.model_validate(one) for one in found.reasons],
        )


@router.post("/matches", status_code=201)
def ask(body: QuestionBody, caller: CallerDep, runtime: RuntimeDep) -> GroupShape:
    """What is recognised of the ordered items. It proposes and never blocks."""
    encounter = body.encounter
    group_id = recognising.ask(
        runtime, who_is(caller), WhoIsAsked(**body.patient.model_dump()), body.items,
        encounter=encounter.model_dump(), asker=_asker(caller, encounter.doctor, encounter.department),
    )  # fmt: skip
    return _answer(runtime, caller, group_id)


@router.get("/matches/{group_id}")
def read_group(group_id: uuid.UUID, caller: CallerDep, runtime: RuntimeDep) -> GroupShape:
    recognising.look_again(runtime, who_is(caller), group_id)
    return _answer(runtime, caller, group_id)


@router.post("/matches/{group_id}/decisions")
def decide(group_id: uuid.UUID, body: DecisionsBody, caller: CallerDep, runtime: RuntimeDep) -> GroupShape:
    """All reminders of the group at once. The same said again succeeds; something else is a conflict."""
    said = [
        Decided(
            match_id=one.match_id, choice=one.decision, reason_code=one.reason_code or None, note=one.note,
            told_patient=one.told_patient,
        )
        for one in body.decisions
    ]  # fmt: skip
    asker = _asker(caller, body.doctor, body.department)
    recognising.decide(runtime, who_is(caller), group_id, said, asker=asker)
    return _answer(runtime, caller, group_id)


@router.post("/matches/{group_id}/citations")
def cite(group_id: uuid.UUID, body: CitationBody, caller: CallerDep, runtime: RuntimeDep) -> GroupShape:
    """An adopted result was written into the record of the encounter."""
    asker = _asker(caller, body.doctor, body.department)
    recognising.cite(runtime, who_is(caller), group_id, body.match_id, asker=asker)
    return _answer(runtime, caller, group_id)


@router.get("/statistics", responses={200: {"content": {MEDIA_TYPE: {}}}}, response_model=StatisticsShape)
def read_statistics(
    caller: CallerDep,
    runtime: RuntimeDep,
    first: Annotated[date, Query(alias="from")],
    last: Annotated[date, Query(alias="to")],
    by: By = By.INSTITUTION,
    format: Literal["json", "xlsx"] = "json",
) -> Any:
    """A township its own, an administrator the county's. Days as the county counts them, both ends among them."""
    recognising.check_span(first, last)
    with runtime.reading() as session:
        shown = _statistics(session, caller, by, first, last)
    if format == "json":
        return shown
    name = f"recognition-{by.value}-{first}-{last}.xlsx"
    disposition = f'attachment; filename="{name}"'
    return Response(
        write_workbook({pick(_SHEET, caller.language): _rows(shown, caller.language)}),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": disposition},
    )


def _statistics(session: Session, caller: Caller, by: By, first: date, last: date) -> StatisticsShape:
    if by is By.MONTH:
        months = recognising.read_by_month(session, caller.subject, first, last)
        lines = [(month, month, one) for month, one in months.items()]
    else:
        found = recognising.read_by_institution(session, caller.subject, first, last)
        places = {key: session.get_one(Institution, key) for key in found}
        lines = sorted((places[key].code, places[key].name, one) for key, one in found.items())
    return StatisticsShape(
        by=by,
        first=first,
        last=last,
        items=[FiguresLine(key=key, name=name, **_figures(one)) for key, name, one in lines],
        total=FiguresShape(**_figures(total_of([one for _, _, one in lines]))),
    )


def _figures(one: Figures) -> dict[str, Any]:
    return FiguresShape.model_validate(one).model_dump()


_SHEET = ("互认统计", "Recognition")
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("key", "机构编码/月份", "Institution or month"),
    ("name", "名称", "Name"),
    ("asked", "查询次数", "Questions"),
    ("reminders", "提醒", "Reminders"),
    ("references", "可参考", "References"),
    ("adopted", "采纳", "Adopted"),
    ("declined", "不采纳", "Declined"),
    ("excused", "不计入不采纳", "Declined, not counted"),
    ("told", "已告知患者", "Patient told"),
    ("adoption_rate", "采纳率", "Adoption rate"),
    ("adopted_references", "采纳可参考结果", "References adopted"),
    ("cited", "引用", "Cited"),
    ("saved", "节约费用（元）", "Saved (yuan)"),
)


def _rows(shown: StatisticsShape, language: str) -> list[list[Cell]]:
    english = language == "en"
    total = {**shown.total.model_dump(), "key": "Total" if english else "合计", "name": ""}
    head: list[Cell] = [name_en if english else name for _, name, name_en in _COLUMNS]
    lines = [*(one.model_dump() for one in shown.items), total]
    return [head, *([_cell(name, line[name]) for name, _, _ in _COLUMNS] for line in lines)]


def _cell(name: str, value: Cell) -> Cell:
    return Share(value) if name == "adoption_rate" and isinstance(value, float) else value


def _asker(caller: Caller, doctor: str, department: str) -> Asker:
    """A person signs with their name unless they enter it for another doctor; a machine says whose it is."""
    own = caller.name if caller.person_id is not None else ""
    return Asker(doctor=doctor or own, department=department, person_id=caller.person_id)


def _answer(runtime: Runtime, caller: Caller, group_id: uuid.UUID) -> GroupShape:
    with runtime.reading() as session:
        group = recognising.get_group(session, caller.subject, group_id)
        matches = {match.item_code: match for match in group.matches}
        return GroupShape(
            id=group.id,
            patient={**group.patient, "number": masked_number(group.patient["number"])},
            encounter=group.encounter,
            asked_at=group.asked_at,
            asked_by=group.asked_by,
            decided_at=group.decided_at,
            matches=[_line(session, code, matches.get(code)) for code in cast("list[str]", group.items)],
        )


def _line(session: Session, code: str, match: RecognitionMatch | None) -> MatchShape:
    item = _item(session.get_one(RecognitionItem, code))
    if match is None:
        return MatchShape(item=item, outcome=Outcome.NONE)
    examination = match.report.examination
    return MatchShape(
        item=item,
        outcome=match.outcome,
        id=match.id,
        mark=match.mark,
        reported_at=match.report.signed_at,
        examined_at=examination.studied_at or examination.received_at,
        source=SourceShape(code=match.source.code, name=match.source.name),
        standing=match.report.state is ReportState.SIGNED,
        result=_result(match) if shows_result(match) else None,
        decision=_decision(match),
        cited_at=match.citation.cited_at if match.citation else None,
    )


def _result(match: RecognitionMatch) -> ResultShape:
    line = result_of(match.report, match.item_code)
    if line is None:
        return ResultShape(findings=match.report.findings, impression=match.report.impression)
    return ResultShape(
        value=line["value"], unit=line["unit"], range=_range(line["range"]), abnormal=line["abnormal"]
    )


def _range(said: Mapping[str, Any]) -> str:
    """As a report prints it: 3.5–9.5, ≥ 3.5, or its words."""
    low, high = said["low"], said["high"]
    if said["text"] or (low is None and high is None):
        return str(said["text"])
    if low is None or high is None:
        return f"≤ {high:g}" if low is None else f"≥ {low:g}"
    return f"{low:g}–{high:g}"


def _decision(match: RecognitionMatch) -> MatchDecision | None:
    one = match.decision
    if one is None:
        return None
    return MatchDecision(
        decision=one.choice, reason_code=one.reason_code, note=one.note, told_patient=one.told_patient,
        doctor=one.doctor, department=one.department, decided_at=one.decided_at, saved=one.saved,
    )  # fmt: skip


def _item(item: RecognitionItem) -> ItemShape:
    return ItemShape(
        code=item.code, name=item.name, kind=item.kind, valid_days=item.valid_days,
        unconfirmed=item.unconfirmed,
    )  # fmt: skip
