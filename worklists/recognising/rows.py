"""What a county edits about recognition at the order, and what was proposed, decided and cited.

Reasons, prices, the reach of scopes and the switch for one's own results are data; what is not confirmed in a
primary text says so. Groups, matches, decisions and citations are never changed once they are written.
"""

import uuid
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Dialect, ForeignKey, Index, Integer, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Institution
from worklists.recognition import RecognitionItem, ScopeLevel
from worklists.reports import Report


class Money(TypeDecorator[Decimal]):
    """Yuan with two decimals, kept as whole fen: sums are exact in every database."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int((value * 100).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-2)


class Outcome(StrEnum):
    """What decision table 2 says of an ordered item, the strongest first."""

    REMINDER = "reminder"  # row 6: the doctor chooses
    REFERENCE = "reference"  # row 5: 可参考, encouraged, no duty
    OLDER = "older"  # row 4: it is there, and too old
    NONE = "none"  # rows 1 to 3


class Choice(StrEnum):
    ADOPTED = "adopted"  # 采纳
    DECLINED = "declined"  # 不采纳


class RecognitionReason(Base):
    """Why a result was not adopted. Some are no refusal: nothing was received that could be recognised."""

    __tablename__ = "recognition_reason"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    counts_as_refusal: Mapped[bool] = mapped_column(default=True)
    note_required: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
    enabled: Mapped[bool] = mapped_column(default=True)
    unconfirmed: Mapped[bool] = mapped_column(default=True)


class RecognitionPrice(Base):
    """What an institution charges for an item, while the price is in force."""

    __tablename__ = "recognition_price"
    __table_args__ = (Index("ix_recognition_price_of", "institution_id", "item_code"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("recognition_item.code"))
    amount: Mapped[Decimal] = mapped_column(Money)
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


class RecognitionScope(Base):
    """How far a scope of one name reaches: each row adds the institutions of a region."""

    __tablename__ = "recognition_scope"
    __table_args__ = (UniqueConstraint("level", "label", "region"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    level: Mapped[ScopeLevel]
    label: Mapped[str]
    region: Mapped[str]
    unconfirmed: Mapped[bool] = mapped_column(default=True)


class OwnSource(Base):
    """Whether an institution is also reminded of its own results, and from which age on. No row: it is not."""

    __tablename__ = "recognition_own_source"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), unique=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    minimum_hours: Mapped[int] = mapped_column(default=24)


class RecognitionGroup(Base):
    """One question at an order: for whom, of which encounter, by whom. Its matches are decided together."""

    __tablename__ = "recognition_group"
    __table_args__ = (Index("ix_recognition_group_asked", "asked_at", "institution_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    patient: Mapped[dict[str, Any]]
    encounter: Mapped[dict[str, Any]]
    items: Mapped[list[Any]]  # codes, as they were asked for
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    asked_by: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_as: Mapped[dict[str, Any] | None]  # what was decided, as it was said: a repeat is known by it

    institution: Mapped[Institution] = relationship()
    matches: Mapped[list["RecognitionMatch"]] = relationship(
        back_populates="group", order_by="RecognitionMatch.position"
    )


class RecognitionMatch(Base):
    """One ordered item and the report that was found for it."""

    __tablename__ = "recognition_match"
    __table_args__ = (UniqueConstraint("group_id", "item_code"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    group_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recognition_group.id"))
    position: Mapped[int]
    item_code: Mapped[str] = mapped_column(ForeignKey("recognition_item.code"))
    outcome: Mapped[Outcome]
    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report.id"), index=True)
    source_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    mark: Mapped[str | None]

    group: Mapped[RecognitionGroup] = relationship(back_populates="matches")
    item: Mapped[RecognitionItem] = relationship()
    report: Mapped[Report] = relationship()
    source: Mapped[Institution] = relationship()
    decision: Mapped["RecognitionDecision | None"] = relationship(back_populates="match")
    citation: Mapped["RecognitionCitation | None"] = relationship(back_populates="match")


class RecognitionDecision(Base):
    """What the receiving doctor decided of one match; `saved` is the receiving side's price then."""

    __tablename__ = "recognition_decision"
    __table_args__ = (Index("ix_recognition_decision_at", "decided_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    match_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recognition_match.id"), unique=True)
    choice: Mapped[Choice]
    reason_code: Mapped[str | None] = mapped_column(ForeignKey("recognition_reason.code"))
    counts_as_refusal: Mapped[bool]  # as the reason said then
    note: Mapped[str] = mapped_column(default="")
    told_patient: Mapped[bool]
    doctor: Mapped[str]
    department: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime]
    decided_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    saved: Mapped[Decimal] = mapped_column(Money)

    match: Mapped[RecognitionMatch] = relationship(back_populates="decision")


class RecognitionCitation(Base):
    """An adopted result was written into the receiving side's record."""

    __tablename__ = "recognition_citation"
    __table_args__ = (Index("ix_recognition_citation_at", "cited_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    match_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recognition_match.id"), unique=True)
    cited_at: Mapped[datetime]
    doctor: Mapped[str]
    department: Mapped[str] = mapped_column(default="")

    match: Mapped[RecognitionMatch] = relationship(back_populates="citation")


# Code, words, English words, counts as refusal, note required: six of the Measures, two seen in provincial catalogues.
REASONS: tuple[tuple[str, str, str, bool, bool], ...] = (
    ("1", "病情变化，结果与临床表现或诊断不符", "The condition changed; the result does not fit it", True, False),
    ("2", "结果在疾病发展过程中变化较快", "The result changes fast in the course of the disease", True, False),
    ("3", "意义重大（手术、输血等重大医疗措施前）", "Of major significance: before surgery, transfusion", True, False),
    ("4", "急诊、急救等紧急状态", "Emergency or rescue", True, False),
    ("5", "司法、伤残及病退等鉴定", "Forensic, disability or retirement appraisal", True, False),
    ("6", "其他确需复查的情形", "Another case that does need re-examination", True, True),
    ("98", "未收到或未提供影像、结果", "Images or results were not received", False, False),
    ("99", "需连续性监测", "Continuous monitoring", False, False),
)  # fmt: skip


def seed_reasons(session: Session) -> None:
    """Whatever of the usual reasons is not there yet; none of them is confirmed in the county."""
    for place, (code, name, name_en, refusal, note) in enumerate(REASONS, 1):
        if session.get(RecognitionReason, code) is None:
            session.add(
                RecognitionReason(
                    code=code, name=name, name_en=name_en, counts_as_refusal=refusal, note_required=note,
                    position=10 * place, enabled=True, unconfirmed=True,
                )
            )  # fmt: skip
    session.flush()
