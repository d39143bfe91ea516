"""Profiles of analysers: made and changed by people, a version at each change, tried on a message before they are kept."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.lab.said import Message, StatedResult
from gateway import audit, live
from gateway.directory import FieldErrors
from gateway.lab.dictionary import require_setter
from gateway.lab.identity import identity_of
from gateway.lab.mapping import Profile, understand
from gateway.lab.meaning import Meaning, NoMeaning, find_meaning
from gateway.lab.profile_content import check_profile
from gateway.lab.rereading import read_again
from gateway.lab.rows import LabHeldReason, LabMessage
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.access import led_institutions
from worklists.base import local_date, new_id
from worklists.directory import Role
from worklists.errors import Conflict, NotFound
from worklists.laboratory.dictionary import AnyItem, LabItem
from worklists.laboratory.interpretation import Bearer, Interpreted
from worklists.laboratory.profiles import AnalyserProfile, ProfileVersion

HEAD = ("name", "manufacturer", "models", "wire", "source", "unconfirmed", "enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one result of a message would become: an item's value, nothing (`left_out`), or held with its reason."""

    specimen_number: int
    result: StatedResult
    item: AnyItem | None = None
    interpreted: Interpreted | None = None
    held: LabHeldReason | None = None
    detail: Mapping[str, str] | None = None
    left_out: str = ""  # "ignored", "flag", "empty"
    taken_unit: str = ""  # what the profile says a value without a unit is in


def find_profiles(session: Session) -> Sequence[AnalyserProfile]:
    return session.scalars(
        select(AnalyserProfile).order_by(AnalyserProfile.manufacturer, AnalyserProfile.code)
    ).all()


def get_profile(session: Session, code: str) -> AnalyserProfile:
    """Raises NotFound."""
    row = session.get(AnalyserProfile, code)
    if row is None:
        raise NotFound("analyser_profile")
    return row


def find_versions(session: Session, code: str) -> Sequence[ProfileVersion]:
    """The newest first. Raises NotFound."""
    get_profile(session, code)
    return session.scalars(
        select(ProfileVersion)
        .where(ProfileVersion.profile_code == code)
        .order_by(ProfileVersion.version.desc())
    ).all()


def make_profile(
    runtime: Runtime, who: Who, code: str, head: Mapping[str, Any], content: Mapping[str, Any]
) -> None:
    """Raises NotAllowed, FieldErrors."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        if session.get(AnalyserProfile, code) is not None:
            raise FieldErrors({"code": "taken"})
        check_content(session, content)
        row = AnalyserProfile(
            code=code,
            version=1,
            content=dict(content),
            changed_at=runtime.now(),
            **{k: head[k] for k in HEAD},
        )
        session.add(row)
        session.flush()
        _keep_version(runtime, session, who, row, None, "")


def change_profile(
    runtime: Runtime,
    who: Who,
    code: str,
    *,
    head: Mapping[str, Any],
    content: Mapping[str, Any],
    seen_version: int,
    note: str,
) -> int:
    """Another version; answers its number. Raises NotAllowed, NotFound, Conflict when it moved on, FieldErrors."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        row = session.get(AnalyserProfile, code, with_for_update=True)
        if row is None:
            raise NotFound("analyser_profile")
        if row.version != seen_version:
            raise Conflict("version")
        check_content(session, content)
        before = {**{name: getattr(row, name) for name in HEAD}, "content": row.content}
        for name in HEAD:
            setattr(row, name, head[name])
        if row.content != content:
            row.content, row.version = dict(content), row.version + 1
        row.changed_at = runtime.now()
        session.flush()
        _keep_version(runtime, session, who, row, before, note)
        return row.version


def preview(
    runtime: Runtime, who: Who, message_id: uuid.UUID, content: Mapping[str, Any]
) -> tuple[list[Outcome], bool]:
    """What each result of a message would become, and whether the caller may see values. Raises as reading does."""
    with runtime.reading() as session:
        check_content(session, content)
        row = session.get(LabMessage, message_id)
        named = get_seen(session, who, row) if row is not None else None
        if row is None or named is None:
            raise NotFound("lab_message")
        received_at = row.received_at
    said = read_again(runtime, message_id, content=content)
    with runtime.reading() as session:
        items = {one.code: one for one in session.scalars(select(LabItem).where(LabItem.enabled))}
        profile = understand(0, content)
        on = local_date(received_at)
        return outcomes_of(said, profile, items, on), named


def outcomes_of(said: Message, profile: Profile, items: Mapping[str, LabItem], on: date) -> list[Outcome]:
    """In the order of the message."""
    found = []
    for number, specimen in enumerate(said.specimens):
        patient = identity_of(specimen.patient) if specimen.patient is not None else None
        bearer = (
            Bearer.of(patient.sex, patient.birth_date, on) if patient else Bearer(sex=None, age_days=None)
        )
        for result in specimen.results:
            meaning = find_meaning(profile, items.get, result, bearer)
            if isinstance(meaning, Meaning):
                one = Outcome(
                    specimen_number=number, result=result, item=meaning.item, interpreted=meaning.interpreted,
                    taken_unit="" if result.unit.strip() else profile.unit(result),
                )  # fmt: skip
            elif isinstance(meaning, NoMeaning):
                one = Outcome(
                    specimen_number=number, result=result, held=meaning.reason, detail=meaning.detail
                )
            else:
                one = Outcome(specimen_number=number, result=result, left_out=profile.why_left_out(result))
            found.append(one)
    return found


def get_seen(session: Session, who: Who, row: LabMessage) -> bool | None:
    """Whether the caller may see whose results a message brought; None where it is none of their business at all."""
    if _may_see_values(session, who, row):
        return True
    return False if who.subject.roles & {Role.ADMIN, Role.IT} else None


def _may_see_values(session: Session, who: Who, row: LabMessage) -> bool:
    subject = who.subject
    if row.institution_id is None:
        return False
    if Role.RADIOGRAPHER in subject.roles and row.institution_id == subject.institution_id:
        return True
    return any(row.institution_id in set(session.scalars(led)) for led in led_institutions(subject))


def check_content(session: Session, content: Mapping[str, Any]) -> None:
    """Raises FieldErrors."""
    items = {one.code: one for one in session.scalars(select(LabItem).where(LabItem.enabled))}
    reasons = check_profile(content, items)
    if reasons:
        raise FieldErrors(reasons)


def _keep_version(
    runtime: Runtime,
    session: Session,
    who: Who,
    row: AnalyserProfile,
    before: Mapping[str, Any] | None,
    note: str,
) -> None:
    known = select(ProfileVersion.id).where(
        ProfileVersion.profile_code == row.code, ProfileVersion.version == row.version
    )
    if session.scalars(known).first() is None:
        session.add(
            ProfileVersion(
                id=new_id(), profile_code=row.code, version=row.version, content=row.content,
                changed_at=row.changed_at, changed_by_id=who.actor.person_id, note=note,
            )
        )  # fmt: skip
    audit.record(
        session, "analyser_profile_changed", actor=who.actor, now=runtime.now(),
        detail={"code": row.code, "version": row.version, "made": before is None},
    )  # fmt: skip
    live.bump(session, "lab")
