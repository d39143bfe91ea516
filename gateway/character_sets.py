"""Text that was probably declared in a wrong character set: what is proposed, what a person says, and back again.

Nothing is repaired by itself. A study shows its text as declared, beside the proposal; a person of the institution
confirms it for the study, or for the device from now on (then its other studies with the same proposal follow), or
rejects it. The originals stay as they are; what the index and the worklists know is read from them again
(`rereading`), and every decision can be undone: of a device with all that it sent meanwhile. IT sees devices and
counts without names, and may decide for a device.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from gateway import audit, directory, live, rereading
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from gateway.snapshot import refresh_snapshot
from gateway.text_doubts import DoubtState, TextDoubt, schedule_reading
from worklists.directory import Role
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound


class AlreadyDecided(Conflict):
    """Somebody has decided about this text."""


def shown_to(who: Who) -> ColumnElement[bool]:
    """A predicate over TextDoubt: the township's own; to IT all of them, without names."""
    if Role.RADIOGRAPHER in who.subject.roles:
        return TextDoubt.institution_id == who.subject.institution_id
    if Role.IT in who.subject.roles:
        return TextDoubt.device_id.is_not(None)
    raise NotAllowed("character sets")


def sees_names(who: Who) -> bool:
    return Role.RADIOGRAPHER in who.subject.roles


def first_of_device() -> ColumnElement[bool]:
    """A predicate over TextDoubt: the newest of each device and proposal, for whoever decides about devices."""
    place = func.row_number().over(
        partition_by=[TextDoubt.device_id, TextDoubt.proposed, TextDoubt.state],
        order_by=(TextDoubt.found_at.desc(), TextDoubt.id.desc()),
    )
    placed = select(TextDoubt.id, place.label("place")).subquery()
    return TextDoubt.id.in_(select(placed.c.id).where(placed.c.place == 1))


def count_alike(session: Session, doubts: Sequence[TextDoubt]) -> dict[uuid.UUID, int]:
    """How many other examinations of its device wait with the same proposal, by the doubt."""
    rows = session.execute(
        select(TextDoubt.device_id, TextDoubt.proposed, func.count())
        .where(TextDoubt.device_id.in_({doubt.device_id for doubt in doubts}))
        .where(TextDoubt.state == DoubtState.OPEN)
        .group_by(TextDoubt.device_id, TextDoubt.proposed)
    )
    counts = {(device_id, proposed): count for device_id, proposed, count in rows}
    own = {doubt.id: int(doubt.state is DoubtState.OPEN) for doubt in doubts}
    return {
        doubt.id: max(0, counts.get((doubt.device_id, doubt.proposed), 0) - own[doubt.id]) for doubt in doubts
    }


def get_doubt(session: Session, who: Who, doubt_id: uuid.UUID, *, lock: bool = False) -> TextDoubt:
    """Raises NotFound."""
    query = select(TextDoubt).where(TextDoubt.id == doubt_id, shown_to(who))
    doubt = session.scalars(query.with_for_update(of=TextDoubt) if lock else query).one_or_none()
    if doubt is None:
        raise NotFound("character set")
    return doubt


def confirm(runtime: Runtime, who: Who, doubt_id: uuid.UUID, *, for_device: bool) -> None:
    """The proposal is right: for this study, or for its device from now on and all that waits for the same.

    Raises NotFound, AlreadyDecided, NotAllowed, Unavailable when the originals cannot be read.
    """
    if not for_device and not sees_names(who):
        raise NotAllowed("without names, about devices only")
    with runtime.reading() as session:
        seen = get_doubt(session, who, doubt_id)
        _require(seen, DoubtState.OPEN)
        if for_device and seen.device_id is None:
            raise Invalid("scope", "unknown")
    reread = rereading.read_again(runtime, seen.examination_id, seen.proposed)
    device_id = seen.device_id if for_device else None

    def deed(session: Session) -> None:
        now, person = runtime.now(), get_person(session, who)
        # The device first, as the drain does: what it has not committed by now is read as decided here.
        before = _set_device(session, device_id, reread.term, who, now)
        doubt = get_doubt(session, who, doubt_id, lock=True)
        _require(doubt, DoubtState.OPEN)
        if doubt.proposed != reread.term:
            raise Conflict("character set")
        doubt.decide(DoubtState.CONFIRMED, person, now, with_id=doubt.id if for_device else None)
        doubt.device_before = before
        rereading.apply(session, doubt.examination_id, reread, person, now)
        _note(session, who, "character_set_confirmed", doubt, now, for_device=for_device)
        for other in _alike(session, doubt) if for_device else ():
            other.decide(DoubtState.CONFIRMED, person, now, with_id=doubt.id)
            schedule_reading(session, other, person.id, now=now)
            _note(session, who, "character_set_confirmed", other, now, for_device=True)

    in_one(runtime, deed)
    refresh_snapshot(runtime)


def reject(runtime: Runtime, who: Who, doubt_id: uuid.UUID) -> None:
    """The text is right as it is declared. Raises NotFound, AlreadyDecided, NotAllowed."""
    if not sees_names(who):
        raise NotAllowed("names")

    def deed(session: Session) -> None:
        now = runtime.now()
        doubt = get_doubt(session, who, doubt_id, lock=True)
        _require(doubt, DoubtState.OPEN)
        doubt.decide(DoubtState.REJECTED, get_person(session, who), now)
        _note(session, who, "character_set_rejected", doubt, now)

    in_one(runtime, deed)


def undo(runtime: Runtime, who: Who, doubt_id: uuid.UUID) -> None:
    """Take a decision back; one about a device with all that it carried along. The question is open again.

    What the device sent while it was in force follows by itself. Raises NotFound, AlreadyDecided, Unavailable when
    the originals cannot be read.
    """
    with runtime.reading() as session:
        seen = get_doubt(session, who, doubt_id)
        if seen.state is DoubtState.OPEN:
            raise AlreadyDecided(doubt_id)
    confirmed, leading = seen.state is DoubtState.CONFIRMED, seen.decided_with_id == seen.id
    reread = rereading.read_again(runtime, seen.examination_id, seen.overridden or "") if confirmed else None
    device_id = seen.device_id if leading else None

    def deed(session: Session) -> None:
        now, person = runtime.now(), get_person(session, who)
        _set_device(session, device_id, seen.device_before, who, now)
        doubt = get_doubt(session, who, doubt_id, lock=True)
        if doubt.decided_at != seen.decided_at:
            raise AlreadyDecided(doubt_id)
        for other in _decided_with(session, doubt) if leading else ():
            other.reopen()
            schedule_reading(session, other, person.id, now=now)
            _note(session, who, "character_set_undone", other, now)
        doubt.reopen()
        if reread is not None:
            rereading.apply(session, doubt.examination_id, reread, person, now)
        _note(session, who, "character_set_undone", doubt, now)

    in_one(runtime, deed)
    refresh_snapshot(runtime)


def _set_device(
    session: Session, device_id: uuid.UUID | None, term: str | None, who: Who, now: datetime
) -> str | None:
    """Change the device, if there is one, undo included. Answers what was set before."""
    return directory.set_character_set(session, device_id, term, who.actor, now) if device_id else None


def _alike(session: Session, doubt: TextDoubt) -> Sequence[TextDoubt]:
    return session.scalars(
        select(TextDoubt)
        .where(TextDoubt.device_id == doubt.device_id, TextDoubt.proposed == doubt.proposed)
        .where(TextDoubt.state == DoubtState.OPEN, TextDoubt.id != doubt.id)
        .order_by(TextDoubt.id)
        .with_for_update(of=TextDoubt)
    ).all()


def _decided_with(session: Session, doubt: TextDoubt) -> Sequence[TextDoubt]:
    return session.scalars(
        select(TextDoubt)
        .where(TextDoubt.decided_with_id == doubt.id, TextDoubt.id != doubt.id)
        .order_by(TextDoubt.id)
        .with_for_update(of=TextDoubt)
    ).all()


def _require(doubt: TextDoubt, state: DoubtState) -> None:
    if doubt.state is not state:
        raise AlreadyDecided(doubt.id)


def _note(
    session: Session,
    who: Who,
    action: audit.Action,
    doubt: TextDoubt,
    now: datetime,
    *,
    for_device: bool = False,
) -> None:
    detail = {
        "declared": doubt.declared, "proposed": doubt.proposed, "device_id": str(doubt.device_id),
        "for_device": for_device,
    }  # fmt: skip
    audit.record(
        session, action, actor=who.actor, now=now, examination_id=doubt.examination_id, detail=detail
    )
    live.bump(session, "held", "worklist", "patients")
