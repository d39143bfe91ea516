"""Image quality grades (图像质量 甲/乙/丙): what whoever reads says of what the township made, in one click.

A grade is a row that is never changed; the last one of an examination counts. Tracings and specimens are graded the
same, each with reasons of their kind. The reasons are data that a county edits.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, event, inspect, or_, select, update
from sqlalchemy.orm import Mapped, Mapper, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Kind, Person
from worklists.errors import Invalid, NotAllowed
from worklists.examinations import Examination
from worklists.reading import ReadingTask


class Grade(StrEnum):
    """甲 can be read well, 乙 can be read with reservations, 丙 is not of diagnostic quality."""

    A = "A"
    B = "B"
    C = "C"


class GradeReason(Base):
    """What may be wrong with what was made. Without a kind or modality it fits any; never deleted, but disabled."""

    __tablename__ = "grade_reason"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    kind: Mapped[Kind | None]
    modalities: Mapped[str] = mapped_column(default="")  # divided by blanks
    position: Mapped[int] = mapped_column(default=0)
    enabled: Mapped[bool] = mapped_column(default=True)

    def fits(self, kind: Kind, modality: str) -> bool:
        wanted = set(self.modalities.split())
        return self.kind in {None, kind} and (not wanted or bool(wanted & set(modality.split("\\"))))


class ImageGrade(Base):
    """One grading. Where the examination was made and read is kept with it: what is counted need not be looked up."""

    __tablename__ = "image_grade"
    __table_args__ = (
        Index("ix_image_grade_examination", "examination_id", "counts"),
        Index(
            "ix_image_grade_centre",
            "centre_id", "graded_at", "counts", "grade", "institution_id", "modality", "person_id",
        ),
        Index(
            "ix_image_grade_institution", "institution_id", "graded_at", "counts", "grade", "centre_id", "modality"
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"))
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"))
    modality: Mapped[str]
    grade: Mapped[Grade]
    reasons: Mapped[list[Any]]  # codes
    note: Mapped[str] = mapped_column(default="")
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    graded_at: Mapped[datetime]
    counts: Mapped[bool] = mapped_column(default=True)  # until another one of the examination does

    person: Mapped[Person] = relationship()
    examination: Mapped[Examination] = relationship()


class GradeImmutable(Exception):
    """A grade was about to be changed: a fault in our own code."""


@event.listens_for(ImageGrade, "before_update")
def _refuse_change(_mapper: Mapper[ImageGrade], _connection: Connection, grade: ImageGrade) -> None:
    state = inspect(grade)
    if any(state.attrs[a.key].history.has_changes() for a in state.mapper.column_attrs if a.key != "counts"):
        raise GradeImmutable(grade.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """What somebody said of what was made."""

    grade: Grade
    reasons: tuple[str, ...] = ()
    note: str = ""


def grade(session: Session, task: ReadingTask, person: Person, said: Grading, now: datetime) -> ImageGrade:
    """The last one counts. 乙 and 丙 need a reason. Raises Invalid, NotAllowed for who reads elsewhere."""
    if task.centre_id is None or task.centre_id not in person.centre_ids():
        raise NotAllowed("reader of the centre")
    examination = task.examination
    _require_reasons(session, examination, said)
    session.execute(
        update(ImageGrade)
        .where(ImageGrade.examination_id == examination.id, ImageGrade.counts)
        .values(counts=False)
    )
    row = ImageGrade(
        id=new_id(), examination_id=examination.id, institution_id=examination.institution_id,
        centre_id=task.centre_id, modality=examination.modality, grade=said.grade, reasons=list(said.reasons),
        note=said.note.strip(), person_id=person.id, graded_at=now, counts=True,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def grades_of(session: Session, examination_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, ImageGrade]:
    """The grade that counts of each."""
    rows = session.scalars(
        select(ImageGrade).where(ImageGrade.examination_id.in_(examination_ids), ImageGrade.counts)
    )
    return {row.examination_id: row for row in rows}


def reasons_for(session: Session, kind: Kind, modality: str) -> list[GradeReason]:
    """What may be wrong with one of these, in the county's order."""
    rows = session.scalars(
        select(GradeReason)
        .where(GradeReason.enabled, or_(GradeReason.kind.is_(None), GradeReason.kind == kind))
        .order_by(GradeReason.position, GradeReason.code)
    )
    return [row for row in rows if row.fits(kind, modality)]


def _require_reasons(session: Session, examination: Examination, said: Grading) -> None:
    """Known ones, each once; a word of one's own will do as well."""
    known = {row.code for row in reasons_for(session, examination.kind, examination.modality)}
    if len(set(said.reasons)) != len(said.reasons) or not set(said.reasons) <= known:
        raise Invalid("reasons", "unknown")
    if said.grade is Grade.A and said.reasons:
        raise Invalid("reasons", "grade_a_has_none")
    if said.grade is not Grade.A and not said.reasons and not said.note.strip():
        raise Invalid("reasons", "required")


# Code, words, English words, kind, modalities. After the usual sheets of township film reviews (甲级片评价标准).
REASONS: Sequence[tuple[str, str, str, Kind | None, str]] = (
    ("positioning", "体位不正", "Positioning", Kind.IMAGING, ""),
    ("exposure", "曝光不当", "Exposure", Kind.IMAGING, "DX CR DR MG RF PX IO"),
    ("motion", "运动伪影", "Motion", Kind.IMAGING, ""),
    ("artefact", "设备伪影", "Artefact of the device", Kind.IMAGING, ""),
    ("foreign-object", "异物遮挡", "Foreign object", Kind.IMAGING, "DX CR DR MG RF CT MR PX"),
    ("coverage", "范围不全", "Coverage incomplete", Kind.IMAGING, ""),
    ("missing-view", "缺体位或序列", "View or series missing", Kind.IMAGING, ""),
    ("side-marker", "左右标记错误或缺失", "Side marker wrong or missing", Kind.IMAGING, "DX CR DR MG RF PX"),
    ("inspiration", "吸气或屏气不足", "Inspiration or breath hold", Kind.IMAGING, "DX CR DR CT MR"),
    ("window", "层厚、算法或窗宽不当", "Slice, kernel or window", Kind.IMAGING, "CT MR"),
    ("gain", "增益或深度不当", "Gain or depth", Kind.IMAGING, "US"),
    ("lead-off", "导联脱落", "Lead off", Kind.ECG, ""),
    ("lead-reversal", "导联接反", "Leads reversed", Kind.ECG, ""),
    ("baseline", "基线漂移", "Baseline drift", Kind.ECG, ""),
    ("mains", "工频或肌电干扰", "Mains or muscle noise", Kind.ECG, ""),
    ("too-short", "记录过短", "Recording too short", Kind.ECG, ""),
    ("haemolysis", "溶血", "Haemolysis", Kind.LABORATORY, ""),
    ("lipaemia", "脂血", "Lipaemia", Kind.LABORATORY, ""),
    ("clotted", "凝块", "Clotted", Kind.LABORATORY, ""),
    ("volume", "标本量不足", "Volume too small", Kind.LABORATORY, ""),
    ("container", "容器错误", "Wrong container", Kind.LABORATORY, ""),
    ("delayed", "送检超时或温度不符", "Too long or too warm on the way", Kind.LABORATORY, ""),
    ("fixation", "固定不良", "Fixation", Kind.PATHOLOGY, ""),
    ("section", "取材、切片或染色不良", "Sampling, section or staining", Kind.PATHOLOGY, ""),
    ("focus", "扫描失焦", "Scan out of focus", Kind.PATHOLOGY, ""),
    ("labelling", "姓名、编号或标签有误", "Name, number or label", None, ""),
    ("request", "申请信息不全", "Request incomplete", None, ""),
)  # fmt: skip


def seed_grade_reasons(session: Session) -> None:
    """Whatever of the usual reasons is not there yet; what a county changed stays."""
    known = set(session.scalars(select(GradeReason.code)))
    session.add_all(
        GradeReason(
            code=code, name=name, name_en=name_en, kind=kind, modalities=modalities, position=10 * place,
            enabled=True,
        )
        for place, (code, name, name_en, kind, modalities) in enumerate(REASONS, 1)
        if code not in known
    )  # fmt: skip
    session.flush()
