"""Profiles of analysers: `/api/v1/lab/profiles`."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func, select

from gateway.lab import profiles as use_cases
from gateway.lab.dictionary import may_set
from gateway.lab.held import count_mendable
from gateway.lab.rows import LabHeldReason
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.lab_held import REASONS
from gateway.web.messages import pick
from gateway.web.shapes import PersonShape
from gateway.web.tasks import who_is
from worklists.directory import Device, Person, Role
from worklists.laboratory.defaults import is_behind_shipped
from worklists.laboratory.profiles import AnalyserProfile

router = APIRouter(prefix="/api/v1/lab/profiles", tags=["laboratory"])

SeesDep = Annotated[
    Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.ADMIN, Role.IT))
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class ProfileHead(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    manufacturer: Text = ""
    models: Text = ""
    wire: Annotated[str, Field(pattern="^(hl7|astm|file)?$")] = ""
    source: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    unconfirmed: bool = True
    enabled: bool = True


class ProfileLine(ProfileHead):
    code: str
    version: int
    changed_at: datetime
    devices: int
    mapped: int
    waiting: int  # messages that wait for what a profile may mend


class ProfileShape(ProfileLine):
    content: dict[str, Any]
    may_change: bool
    behind_shipped: bool  # it was edited here, and the product ships another one since


class NewProfileBody(ProfileHead):
    code: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
    content: dict[str, Any] = {}


class ChangeProfileBody(ProfileHead):
    """`version`: the one that was changed; another answers 409."""

    version: int
    content: dict[str, Any]
    note: Text = ""


class VersionShape(BaseModel):
    version: int
    content: dict[str, Any]
    changed_at: datetime
    changed_by: PersonShape | None
    note: str


class PreviewBody(BaseModel):
    message_id: uuid.UUID
    content: dict[str, Any]


class OutcomeShape(BaseModel):
    """`held` None and `item` None: left out, for the reason in `left_out`.

    `taken_unit`: the message says none, and the profile says that it is this one.
    """

    specimen_number: int
    position: int
    code: str
    text: str
    alternate: str
    value: str
    unit: str
    status: str
    item_code: str | None
    item_name: str
    item_name_en: str
    becomes: str
    becomes_unit: str
    abnormal: str
    low: float | None
    high: float | None
    range_text: str
    held: LabHeldReason | None
    held_text: str
    left_out: str
    taken_unit: str


@router.get("")
def list_profiles(caller: SeesDep, runtime: RuntimeDep) -> list[ProfileLine]:
    with runtime.reading() as session:
        rows: Any = session.execute(
            select(Device.profile_code, func.count())
            .where(Device.profile_code.is_not(None))
            .group_by(Device.profile_code)
        ).all()
        devices = dict(rows)
        return [
            _line(
                row, devices.get(row.code, 0), count_mendable(session, row.code) if row.code in devices else 0
            )
            for row in use_cases.find_profiles(session)
        ]


@router.post("", status_code=201)
def make_profile(body: NewProfileBody, caller: SeesDep, runtime: RuntimeDep) -> ProfileShape:
    head = body.model_dump(exclude={"code", "content"})
    use_cases.make_profile(runtime, who_is(caller), body.code, head, body.content)
    return _show(runtime, caller, body.code)


@router.post("/preview")
def preview(body: PreviewBody, caller: SeesDep, runtime: RuntimeDep) -> list[OutcomeShape]:
    """What each result of the message would become under this content; nothing is kept."""
    outcomes, named = use_cases.preview(runtime, who_is(caller), body.message_id, body.content)
    return [show_outcome(one, caller.language, named=named) for one in outcomes]


@router.get("/{code}")
def read_profile(code: str, caller: SeesDep, runtime: RuntimeDep) -> ProfileShape:
    return _show(runtime, caller, code)


@router.put("/{code}")
def change_profile(code: str, body: ChangeProfileBody, caller: SeesDep, runtime: RuntimeDep) -> ProfileShape:
    head = body.model_dump(exclude={"version", "content", "note"})
    use_cases.change_profile(
        runtime,
        who_is(caller),
        code,
        head=head,
        content=body.content,
        seen_version=body.version,
        note=body.note,
    )
    return _show(runtime, caller, code)


@router.get("/{code}/versions")
def list_versions(code: str, caller: SeesDep, runtime: RuntimeDep) -> list[VersionShape]:
    with runtime.reading() as session:
        found = []
        for row in use_cases.find_versions(session, code):
            person = session.get(Person, row.changed_by_id) if row.changed_by_id else None
            found.append(
                VersionShape(
                    version=row.version, content=row.content, changed_at=row.changed_at, note=row.note,
                    changed_by=PersonShape(id=person.id, name=person.name) if person else None,
                )
            )  # fmt: skip
        return found


def _show(runtime: Runtime, caller: Caller, code: str) -> ProfileShape:
    with runtime.reading() as session:
        row = use_cases.get_profile(session, code)
        devices = session.scalar(select(func.count()).select_from(Device).where(Device.profile_code == code))
        line = _line(row, devices or 0, count_mendable(session, code))
        return ProfileShape(
            **line.model_dump(), content=row.content, may_change=may_set(session, who_is(caller)),
            behind_shipped=is_behind_shipped(row, use_cases.find_versions(session, code)),
        )  # fmt: skip


def _line(row: AnalyserProfile, devices: int, waiting: int) -> ProfileLine:
    return ProfileLine(
        code=row.code, name=row.name, manufacturer=row.manufacturer, models=row.models, wire=row.wire,
        source=row.source, unconfirmed=row.unconfirmed, enabled=row.enabled, version=row.version,
        changed_at=row.changed_at, devices=devices, mapped=len(row.content.get("tests", {})), waiting=waiting,
    )  # fmt: skip


def show_outcome(one: use_cases.Outcome, language: str, *, named: bool) -> OutcomeShape:
    result, item, interpreted = one.result, one.item, one.interpreted
    return OutcomeShape(
        specimen_number=one.specimen_number,
        position=result.position,
        code=result.test.code,
        text=result.test.text,
        alternate=result.alternate.code if result.alternate else "",
        value=result.value if named else "",
        unit=result.unit,
        status=result.status,
        item_code=item.code if item else None,
        item_name=item.name if item else "",
        item_name_en=item.name_en if item else "",
        becomes=interpreted.value if interpreted and named else "",
        becomes_unit=interpreted.unit if interpreted else "",
        abnormal=interpreted.abnormal.value if interpreted and named else "",
        low=interpreted.range_low if interpreted else None,
        high=interpreted.range_high if interpreted else None,
        range_text=interpreted.range_text if interpreted else "",
        held=one.held,
        held_text=pick(REASONS[one.held], language) if one.held else "",
        left_out=one.left_out,
        taken_unit=one.taken_unit,
    )
