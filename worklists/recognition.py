"""Mutual recognition (互认): which mark an item of an examination carries on the day it is signed.

The catalogue, the qualifications and the mapping of examinations to items are data that a county edits.
Rules: 《医疗机构检查检验结果互认管理办法》 (国卫医发〔2022〕6号); a rule that is not confirmed in the
primary text stands in the data as `unconfirmed`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base, new_id
from worklists.control import ControlState
from worklists.device_control.standing import Stand, stand_of_examination
from worklists.directory import Kind
from worklists.examinations import Examination


class ScopeLevel(StrEnum):
    """How far a qualification reaches, the widest first."""

    NATIONAL = "national"
    JOINT = "joint"
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    COMMUNITY = "community"


class QualificationResult(StrEnum):
    PASS = "pass"  # noqa: S105 (a result, not a secret)
    FAIL = "fail"
    SUSPENDED = "suspended"
    NONE = "none"


class NoMark(StrEnum):
    """Why an item carries no mark (decision table 1)."""

    NOT_IN_CATALOGUE = "not_in_catalogue"
    NEGATIVE_LIST = "negative_list"
    NOT_QUALIFIED = "not_qualified"
    OUT_OF_CONTROL = "out_of_control"  # the control material of the analyser
    DEVICE_OUT_OF_CONTROL = "device_out_of_control"
    DEVICE_CHECK_LATE = "device_check_late"  # only where the county's data say so
    COMMUNITY_ONLY = "community_only"


class RecognitionItem(Base):
    """An item of the catalogue of recognisable examinations and tests."""

    __tablename__ = "recognition_item"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[Kind]
    negative_list: Mapped[bool] = mapped_column(default=False)
    valid_days: Mapped[int | None]
    source: Mapped[str] = mapped_column(default="")
    unconfirmed: Mapped[bool] = mapped_column(default=True)
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]


class Qualification(Base):
    """What a quality-control body found of an institution for an item, for how long, and how far it reaches."""

    __tablename__ = "qualification"
    __table_args__ = (Index("ix_qualification_held", "institution_id", "item_code"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("recognition_item.code"))
    scope_level: Mapped[ScopeLevel]
    scope_label: Mapped[str]
    result: Mapped[QualificationResult]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    programme: Mapped[str] = mapped_column(default="")
    unconfirmed: Mapped[bool] = mapped_column(default=False)


class ItemMapping(Base):
    """Which catalogue item an examination is. An empty field matches anything; the highest priority wins."""

    __tablename__ = "item_mapping"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[Kind]
    modality: Mapped[str] = mapped_column(default="")
    body_part: Mapped[str] = mapped_column(default="")
    procedure_code: Mapped[str] = mapped_column(default="")
    item_code: Mapped[str] = mapped_column(ForeignKey("recognition_item.code"))
    priority: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The mark of one item as it stood at the signature. `text` None means none, and `reason` says why."""

    item_code: str
    item_name: str
    text: str | None
    scope: str | None
    remark: str
    reason: str | None
    qualification_ids: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "qualification_ids": list(self.qualification_ids)}


def marks_for(
    session: Session,
    examination: Examination,
    *,
    on: date,
    print_community_mark: bool = False,
) -> tuple[Mark, ...]:
    """Decision table 1 for each item of an examination, on the day it was made.

    What is recognised is the image or tracing, so the qualification that counts is that of the institution
    which made it, and the quality control that of the device. `print_community_mark` is off unless the local
    authority says otherwise (unconfirmed).
    """
    doubted = _doubt_of(stand_of_examination(session, examination))
    return tuple(
        mark_item(
            item,
            _held(session, examination.institution_id, item.code),
            on=on,
            print_community_mark=print_community_mark,
            doubted=doubted,
        )
        for item in find_items(session, examination, on=on)
    )


def mark_item(
    item: RecognitionItem,
    held: Sequence[Qualification],
    *,
    on: date,
    print_community_mark: bool = False,
    doubted: NoMark | None = None,
) -> Mark:
    """Decision table 1, rows 2 to 9, for one item and the qualifications that its maker has ever held.

    `doubted` is what quality control says against it.
    """
    valid = sorted(
        (q for q in held if q.result is QualificationResult.PASS and q.valid_from <= on <= q.valid_to),
        key=lambda q: list(ScopeLevel).index(q.scope_level),
    )
    suspended = any(
        q.result in {QualificationResult.SUSPENDED, QualificationResult.FAIL}
        and q.valid_from <= on <= q.valid_to
        for q in held
    )
    if item.negative_list:
        return _unmarked(item, NoMark.NEGATIVE_LIST)
    if suspended or not valid:
        return _unmarked(item, NoMark.NOT_QUALIFIED)
    if doubted is not None:
        return _unmarked(item, doubted)
    widest = valid[0]
    ids = tuple(str(q.id) for q in valid)
    if widest.scope_level is ScopeLevel.COMMUNITY and not print_community_mark:
        remark = f"{widest.scope_label}内部互认"
        return _unmarked(item, NoMark.COMMUNITY_ONLY, remark=remark, qualification_ids=ids)
    return Mark(
        item_code=item.code,
        item_name=item.name,
        text=f"{widest.scope_label}HR",
        scope=widest.scope_level.value,
        remark="",
        reason=None,
        qualification_ids=ids,
    )


def _doubt_of(stand: Stand | None) -> NoMark | None:
    """Row 4, for a device."""
    if stand is None or not stand.takes_mark:
        return None
    failed = stand.state is ControlState.OUT_OF_CONTROL
    return NoMark.DEVICE_OUT_OF_CONTROL if failed else NoMark.DEVICE_CHECK_LATE


def not_in_catalogue(name: str) -> Mark:
    """Decision table 1, row 1: what the catalogue does not know is recognised nowhere."""
    return Mark(
        item_code="",
        item_name=name,
        text=None,
        scope=None,
        remark="",
        reason=NoMark.NOT_IN_CATALOGUE.value,
    )


def find_items(session: Session, examination: Examination, *, on: date) -> list[RecognitionItem]:
    """The catalogue items in force that an examination is: of the mappings that fit, those of highest priority."""
    modalities = examination.modality.split("\\")
    fitting = session.scalars(
        select(ItemMapping)
        .where(ItemMapping.kind == examination.kind)
        .where(or_(ItemMapping.modality == "", ItemMapping.modality.in_(modalities)))
        .where(or_(ItemMapping.body_part == "", ItemMapping.body_part == examination.body_part.upper()))
        .where(
            or_(ItemMapping.procedure_code == "", ItemMapping.procedure_code == examination.procedure_code)
        )
        .order_by(ItemMapping.priority.desc(), ItemMapping.item_code)
    ).all()
    chosen = [mapping.item_code for mapping in fitting if mapping.priority == fitting[0].priority]
    return list(
        session.scalars(
            select(RecognitionItem)
            .where(RecognitionItem.code.in_(chosen))
            .where(RecognitionItem.effective_from <= on)
            .where(or_(RecognitionItem.effective_to.is_(None), RecognitionItem.effective_to >= on))
            .order_by(RecognitionItem.code)
        )
    )


def _held(session: Session, institution_id: uuid.UUID, item_code: str) -> Sequence[Qualification]:
    return session.scalars(
        select(Qualification)
        .where(Qualification.institution_id == institution_id, Qualification.item_code == item_code)
        .order_by(Qualification.id)
    ).all()


def _unmarked(
    item: RecognitionItem, reason: NoMark, *, remark: str = "", qualification_ids: tuple[str, ...] = ()
) -> Mark:
    return Mark(
        item_code=item.code,
        item_name=item.name,
        text=None,
        scope=None,
        remark=remark,
        reason=reason.value,
        qualification_ids=qualification_ids,
    )
