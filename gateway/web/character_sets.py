"""Text in a character set that was probably declared wrongly: `/api/v1/character-sets`."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from gateway import character_sets as use_cases
from gateway.finding import Order
from gateway.text_doubts import DoubtState, TextDoubt
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import DeviceShape, Page, PersonShape, SiteShape
from gateway.web.showing import show_device, show_person, show_site
from gateway.web.tasks import who_is
from worklists.directory import Role
from worklists.examinations import Examination
from worklists.names import display_name

router = APIRouter(prefix="/api/v1/character-sets", tags=["character sets"])

NEWEST_FIRST = Order(
    keys=[(TextDoubt.found_at, True), (TextDoubt.id, True)], readers=(datetime.fromisoformat, uuid.UUID)
)
LooksAfterDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.IT))]


class Scope(StrEnum):
    STUDY = "study"
    DEVICE = "device"


class ConfirmBody(BaseModel):
    scope: Scope


class DoubtItem(BaseModel):
    """The names are null for who sees none."""

    id: uuid.UUID
    examination_id: uuid.UUID | None
    site: SiteShape
    device: DeviceShape | None
    device_character_set: str | None
    declared: str
    proposed: str
    name_as_declared: str | None
    name_as_proposed: str | None
    alike: int  # other examinations of the device that wait with the same proposal
    state: DoubtState
    for_device: bool
    found_at: datetime
    decided_at: datetime | None
    decided_by: PersonShape | None


@router.get("")
def list_doubts(
    caller: LooksAfterDep,
    runtime: RuntimeDep,
    state: DoubtState = DoubtState.OPEN,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[DoubtItem]:
    """What waits; to IT one line for each device and proposal, without names."""
    who = who_is(caller)
    with runtime.reading() as session:
        query = (
            select(TextDoubt)
            .where(use_cases.shown_to(who), TextDoubt.state == state)
            .options(
                joinedload(TextDoubt.device),
                joinedload(TextDoubt.decided_by),
                joinedload(TextDoubt.examination).joinedload(Examination.institution),
            )
        )
        if not use_cases.sees_names(who):
            query = query.where(use_cases.first_of_device())
        rows = session.scalars(NEWEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        shown = rows[:limit]
        alike = use_cases.count_alike(session, shown)
        states = session.execute(
            select(TextDoubt.state, func.count()).where(use_cases.shown_to(who)).group_by(TextDoubt.state)
        )
        counts = {row[0].value: row[1] for row in states}
        last = shown[-1] if shown else None
        return Page(
            items=[_show(row, alike[row.id], names=use_cases.sees_names(who)) for row in shown],
            next_cursor=write_cursor(NEWEST_FIRST.key_of((last.found_at, last.id)))
            if last is not None and len(rows) > limit
            else None,
            counts={one.value: counts.get(one.value, 0) for one in DoubtState},
        )


@router.get("/{doubt_id}")
def read_doubt(doubt_id: uuid.UUID, caller: LooksAfterDep, runtime: RuntimeDep) -> DoubtItem:
    who = who_is(caller)
    with runtime.reading() as session:
        doubt = use_cases.get_doubt(session, who, doubt_id)
        alike = use_cases.count_alike(session, [doubt])
        return _show(doubt, alike[doubt.id], names=use_cases.sees_names(who))


@router.post("/{doubt_id}/confirm")
def confirm(doubt_id: uuid.UUID, body: ConfirmBody, caller: LooksAfterDep, runtime: RuntimeDep) -> DoubtItem:
    use_cases.confirm(runtime, who_is(caller), doubt_id, for_device=body.scope is Scope.DEVICE)
    return read_doubt(doubt_id, caller, runtime)


@router.post("/{doubt_id}/reject")
def reject(doubt_id: uuid.UUID, caller: LooksAfterDep, runtime: RuntimeDep) -> DoubtItem:
    use_cases.reject(runtime, who_is(caller), doubt_id)
    return read_doubt(doubt_id, caller, runtime)


@router.post("/{doubt_id}/undo")
def undo(doubt_id: uuid.UUID, caller: LooksAfterDep, runtime: RuntimeDep) -> DoubtItem:
    use_cases.undo(runtime, who_is(caller), doubt_id)
    return read_doubt(doubt_id, caller, runtime)


def _show(doubt: TextDoubt, alike: int, *, names: bool) -> DoubtItem:
    return DoubtItem(
        id=doubt.id,
        examination_id=doubt.examination_id if names else None,
        site=show_site(doubt.examination.institution),
        device=show_device(doubt.device),
        device_character_set=doubt.device.character_set if doubt.device else None,
        declared=doubt.overridden or doubt.declared,
        proposed=doubt.proposed,
        name_as_declared=display_name(doubt.name_as_declared) if names else None,
        name_as_proposed=display_name(doubt.name_as_proposed) if names else None,
        alike=alike,
        state=doubt.state,
        for_device=doubt.decided_with_id is not None,
        found_at=doubt.found_at,
        decided_at=doubt.decided_at,
        decided_by=show_person(doubt.decided_by),
    )
