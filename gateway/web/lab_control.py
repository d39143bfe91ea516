"""Internal quality control: `/api/v1/lab/control`. Control material is nobody's: no patient is in any answer."""

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from gateway.lab import control as use_cases
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.shapes import PersonShape
from gateway.web.tasks import who_is
from worklists.directory import Device, Person, Role
from worklists.errors import NotFound
from worklists.laboratory import targets
from worklists.laboratory.control import ControlMaterial, ControlResult, Verdict
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.holding_back import Settled
from worklists.laboratory.targets import ENOUGH, Target

router = APIRouter(prefix="/api/v1/lab/control", tags=["laboratory"])

SeesDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.ADMIN))]
DecidesDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER))]
SetsDep = Annotated[Caller, Depends(require(Role.REVIEWER, Role.ADMIN))]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class BenchShape(BaseModel):
    id: uuid.UUID
    name: str
    institution: str


class ControlItemShape(BaseModel):
    code: str
    name: str
    name_en: str
    abbreviation: str
    unit: str
    decimals: int | None


class MaterialShape(BaseModel):
    id: uuid.UUID
    device_id: uuid.UUID
    item_code: str
    level: str
    lot: str
    name: str
    mean: float
    sd: float
    unit: str
    every_hours: int | None
    valid_from: date
    valid_to: date | None
    enabled: bool


class ControlResultShape(BaseModel):
    id: uuid.UUID
    level: str
    lot: str
    material_id: uuid.UUID | None
    value: str
    number: float | None
    unit: str
    z: float | None
    verdict: Verdict
    rules: list[str]
    observed_at: datetime
    received_at: datetime
    message_id: uuid.UUID | None
    excluded: bool
    excluded_at: datetime | None
    excluded_by: PersonShape | None
    exclusion_reason: str
    comment: str
    released_at: datetime | None
    released_by: PersonShape | None
    release_reason: str


class ChartShape(BaseModel):
    device: BenchShape
    item: ControlItemShape
    materials: list[MaterialShape]
    results: list[ControlResultShape]
    held_back: int
    may_decide: bool
    may_set: bool


class LineShape(BaseModel):
    device: BenchShape
    item: ControlItemShape
    level: str
    lot: str
    material_id: uuid.UUID | None
    state: str
    open: int
    due_at: datetime | None
    last: ControlResultShape | None


class OverviewShape(BaseModel):
    items: list[LineShape]
    counts: dict[str, int]
    may_decide: bool
    may_set: bool


class SettledShape(BaseModel):
    """What the decision did: the result as it is now, how many patients' results were held, how many specimens
    the rules look at anew now."""

    result: ControlResultShape
    held_back: int
    to_judge: int


class ProposalShape(BaseModel):
    count: int
    enough: bool
    mean: float | None
    sd: float | None
    first_at: datetime | None
    last_at: datetime | None


class ReasonBody(BaseModel):
    reason: Reason


class ExcludeBody(BaseModel):
    reason: Reason
    excluded: bool = True


class CommentBody(BaseModel):
    comment: Annotated[str, Field(max_length=500)]


class MaterialPatch(BaseModel):
    mean: float | None = None
    sd: float | None = None
    name: str | None = None
    every_hours: int | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    enabled: bool | None = None


class NewMaterial(BaseModel):
    device_id: uuid.UUID
    item_code: str
    level: str
    lot: str = ""
    mean: float
    sd: float
    name: str = ""
    every_hours: int | None = None
    valid_from: date
    valid_to: date | None = None
    enabled: bool = True


@router.get("/overview")
def show_overview(caller: SeesDep, runtime: RuntimeDep) -> OverviewShape:
    """Every analyser × item × level with its latest result and what it says, the worst countable at a glance."""
    now, who = runtime.now(), who_is(caller)
    with runtime.reading() as session:
        lines = use_cases.overview(session, who, now)
        items = [_line(one, now) for one in lines]
        counts: dict[str, int] = {}
        for item in items:
            counts[item.state] = counts.get(item.state, 0) + 1
        return OverviewShape(
            items=items,
            counts=counts,
            may_decide=use_cases.may_decide(session, who.subject),
            may_set=use_cases.may_set(session, who.subject),
        )


@router.get("")
def show_chart(
    caller: SeesDep,
    runtime: RuntimeDep,
    device_id: uuid.UUID,
    item_code: Annotated[str, Query(max_length=64)],
    begin: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
) -> ChartShape:
    """All levels of one item on one analyser, oldest first; a month when no time is given."""
    who = who_is(caller)
    until = end or runtime.now()
    with runtime.reading() as session:
        device = use_cases.get_bench(session, who, device_id)
        item = session.get(LabItem, item_code)
        if item is None:
            raise NotFound("item")
        results = use_cases.find_results(
            session, device_id, item_code, begin=begin or until - use_cases.SHOWN, end=until
        )
        return ChartShape(
            device=_bench(device),
            item=_item(item),
            materials=[
                _material(one)
                for one in use_cases.find_materials(session, who, device_id=device_id, item_code=item_code)
            ],
            results=[_result(one) for one in results],
            held_back=use_cases.count_held_back(session, device_id, item_code),
            may_decide=use_cases.may_decide(session, who.subject),
            may_set=use_cases.may_set(session, who.subject),
        )


@router.post("/results/{result_id}/release")
def release(result_id: uuid.UUID, body: ReasonBody, caller: DecidesDep, runtime: RuntimeDep) -> SettledShape:
    """Patients' results may be released again: they are judged anew by the rules."""
    settled = use_cases.release(runtime, who_is(caller), result_id, reason=body.reason)
    return _settled(runtime, result_id, settled)


@router.post("/results/{result_id}/exclude")
def exclude(result_id: uuid.UUID, body: ExcludeBody, caller: DecidesDep, runtime: RuntimeDep) -> SettledShape:
    """It says nothing of the analyser (or does so after all, with `excluded` false)."""
    settled = use_cases.exclude(
        runtime, who_is(caller), result_id, excluded=body.excluded, reason=body.reason
    )
    return _settled(runtime, result_id, settled)


@router.post("/results/{result_id}/comment")
def comment(result_id: uuid.UUID, body: CommentBody, caller: SeesDep, runtime: RuntimeDep) -> SettledShape:
    use_cases.comment(runtime, who_is(caller), result_id, text=body.comment)
    return _settled(runtime, result_id, Settled())


@router.get("/materials")
def list_materials(
    caller: SeesDep,
    runtime: RuntimeDep,
    device_id: uuid.UUID | None = None,
    item_code: Annotated[str | None, Query(max_length=64)] = None,
) -> list[MaterialShape]:
    with runtime.reading() as session:
        found = use_cases.find_materials(session, who_is(caller), device_id=device_id, item_code=item_code)
        return [_material(one) for one in found]


@router.post("/materials", status_code=201)
def add_material(body: NewMaterial, caller: SetsDep, runtime: RuntimeDep) -> MaterialShape:
    """A target. Results of its days that had none are judged by it; another target counts from the next one on."""
    given = body.model_dump(exclude={"device_id", "item_code", "level", "lot"})
    material_id = use_cases.add_material(
        runtime, who_is(caller), device_id=body.device_id, item_code=body.item_code, level=body.level, lot=body.lot,
        target=Target(**given),
    )  # fmt: skip
    return _show_material(runtime, material_id)


@router.patch("/materials/{material_id}")
def change_material(
    material_id: uuid.UUID, body: MaterialPatch, caller: SetsDep, runtime: RuntimeDep
) -> MaterialShape:
    may_be_empty = {"every_hours", "valid_to"}
    given = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name in may_be_empty}
    use_cases.change_material(runtime, who_is(caller), material_id, changes)
    return _show_material(runtime, material_id)


@router.get("/proposal")
def propose(
    caller: SeesDep,
    runtime: RuntimeDep,
    device_id: uuid.UUID,
    item_code: Annotated[str, Query(max_length=64)],
    level: Annotated[str, Query(max_length=100)],
    lot: Annotated[str, Query(max_length=100)] = "",
    last: Annotated[int, Query(ge=2, le=500)] = ENOUGH,
) -> ProposalShape:
    """Mean and standard deviation of the last results, for a person to confirm; it changes nothing."""
    with runtime.reading() as session:
        use_cases.get_bench(session, who_is(caller), device_id)
        found = targets.propose(
            session, device_id=device_id, item_code=item_code, level=level, lot=lot, last=last
        )
    return ProposalShape(
        count=found.count,
        enough=found.count >= ENOUGH,
        mean=found.mean,
        sd=found.sd,
        first_at=found.first_at,
        last_at=found.last_at,
    )


def _line(line: use_cases.Line, now: datetime) -> LineShape:
    return LineShape(
        device=_bench(line.device),
        item=_item(line.item),
        level=line.level,
        lot=line.material.lot if line.material else line.last.lot if line.last else "",
        material_id=line.material.id if line.material else None,
        state=line.state(now),
        open=line.open,
        due_at=line.due_at,
        last=_result(line.last) if line.last else None,
    )


def _bench(device: Device) -> BenchShape:
    return BenchShape(id=device.id, name=device.name or device.ae_title, institution=device.institution.name)


def _item(item: LabItem) -> ControlItemShape:
    return ControlItemShape.model_validate(item, from_attributes=True)


def _material(material: ControlMaterial) -> MaterialShape:
    return MaterialShape.model_validate(material, from_attributes=True)


def _result(row: ControlResult) -> ControlResultShape:
    names = set(ControlResultShape.model_fields) - {"excluded_by", "released_by"}
    return ControlResultShape(
        **{name: getattr(row, name) for name in names},
        excluded_by=_person(row.excluded_by),
        released_by=_person(row.released_by),
    )


def _person(person: Person | None) -> PersonShape | None:
    return PersonShape(id=person.id, name=person.name) if person is not None else None


def _settled(runtime: RuntimeDep, result_id: uuid.UUID, settled: Settled) -> SettledShape:
    with runtime.reading() as session:
        row = session.get_one(ControlResult, result_id)
        return SettledShape(result=_result(row), held_back=settled.held_back, to_judge=len(settled.to_judge))


def _show_material(runtime: RuntimeDep, material_id: uuid.UUID) -> MaterialShape:
    with runtime.reading() as session:
        return _material(session.get_one(ControlMaterial, material_id))
