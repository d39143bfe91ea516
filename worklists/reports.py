"""Reports: what was signed, never changed again, and whom it came back to."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    UniqueConstraint,
    and_,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Mapper, Session, mapped_column, relationship

from worklists.base import Base, local_date, new_id, only_where
from worklists.directory import Centre, Institution, Kind, Person
from worklists.drafts import Draft
from worklists.ecg_statements import critical_statements, with_wording
from worklists.errors import NotFound
from worklists.examinations import Examination, IdentityChange
from worklists.positive import is_positive
from worklists.reading import ReadingTask, TaskState
from worklists.recognition import Mark

# What the manifest says of a key image: the picture that was shown, and the version of the original that it shows.
_OF_A_KEY_IMAGE = ("sha256", "sop_instance_uid", "original_sha256", "frame", "window", "snapshot", "caption")


class ReportState(StrEnum):
    SIGNED = "signed"
    SUPERSEDED = "superseded"
    VOID = "void"


FINAL = "final"  # what a final report says of itself as the amendment of a preliminary one


class ReturnState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"


class ReturnNotice(StrEnum):
    """What a return tells its recipient."""

    REPORT = "report"
    VOID = "void"  # the report that they had says nothing any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """One original that the reader had before them when they signed."""

    sop_instance_uid: str
    sha256: str
    size_bytes: int


_COUNTED = (
    "writer_id", "signed_by_id", "modality", "taken_min", "in_time", "positive", "weight", "rank", "reviewed",
    "preliminary", "state",
)  # fmt: skip


class Report(Base):
    """One signed version. Text, marks and manifest are as they were at the signature; only `state` moves on."""

    __tablename__ = "report"
    # What figures read of a report lies in each of two orders, so that none of them looks at a report itself.
    __table_args__ = (
        UniqueConstraint("examination_id", "version"),
        Index("ix_report_of_centre", "centre_id", "signed_at", "institution_id", *_COUNTED),
        Index("ix_report_of_institution", "institution_id", "signed_at", "centre_id", *_COUNTED),
        Index("ix_report_void", "id", **only_where("state = 'void'")),
        Index(
            "ix_report_preliminary", "centre_id", "examination_id",
            sqlite_where=text("preliminary = 1 AND state = 'signed'"),
            postgresql_where=text("preliminary AND state = 'signed'"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), index=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"))
    number: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int]
    state: Mapped[ReportState] = mapped_column(default=ReportState.SIGNED)
    findings: Mapped[str]
    impression: Mapped[str]
    clinical_information: Mapped[str] = mapped_column(default="")
    content: Mapped[
        dict[str, Any] | None
    ]  # of an ECG measurements, statements and their words; of a specimen results; else templates and scores
    patient: Mapped[dict[str, Any]]
    critical: Mapped[bool]
    preliminary: Mapped[bool]
    writer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    signed_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    written_at: Mapped[datetime]
    signed_at: Mapped[datetime]
    marks: Mapped[list[Any]]
    manifest: Mapped[str]
    verification_code: Mapped[str] = mapped_column(unique=True)
    pdf_sha256: Mapped[str | None]
    amendment: Mapped[dict[str, Any] | None]  # kind, reason and version of what it amends
    # What was read, for whom, and how long it took, as of the signature: an examination and its task move on.
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    modality: Mapped[str]
    rank: Mapped[int]
    weight: Mapped[float]
    reviewed: Mapped[bool]  # somebody else wrote it
    taken_min: Mapped[int | None]  # of the first version: whole minutes in which there was something to read
    in_time: Mapped[bool | None]  # of the first version, where it was due by some time
    positive: Mapped[bool | None]  # something was found; not known of what was signed before this was kept
    key_images: Mapped[list[Any]] = mapped_column(default=list)  # what it shows, as `KeyImage.as_signed`

    examination: Mapped[Examination] = relationship()
    centre: Mapped[Centre] = relationship()
    writer: Mapped[Person] = relationship(foreign_keys=[writer_id])
    signed_by: Mapped[Person] = relationship(foreign_keys=[signed_by_id])
    returns: Mapped[list["ReportReturn"]] = relationship(back_populates="report")

    @property
    def reviewer(self) -> Person | None:
        """The second person, where there was one."""
        return self.signed_by if self.signed_by_id != self.writer_id else None

    @property
    def manifest_sha256(self) -> str:
        return hashlib.sha256(self.manifest.encode()).hexdigest()


class ReportImmutable(Exception):
    """A signed report was about to be changed: a fault in our own code, never in what a person asked."""


@event.listens_for(Report, "before_update")
def _refuse_change(_mapper: Mapper[Report], _connection: Connection, report: Report) -> None:
    state = inspect(report)
    changed = {a.key for a in state.mapper.column_attrs if state.attrs[a.key].history.has_changes()}
    first_pdf = state.attrs["pdf_sha256"].history.deleted in ((), [None])
    allowed = {"state", "pdf_sha256"} if first_pdf else {"state"}
    if changed - allowed:
        raise ReportImmutable(report.id, sorted(changed - allowed))


class ReportReturn(Base):
    """A signed report on its way back to one institution, and how far it came."""

    __tablename__ = "report_return"
    __table_args__ = (
        UniqueConstraint("report_id", "recipient_id", "notice"),
        Index("ix_report_return_inbox", "recipient_id", "delivered_at", "id"),
        Index("ix_report_return_state", "state", "recipient_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report.id"))
    recipient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    notice: Mapped[ReturnNotice] = mapped_column(default=ReturnNotice.REPORT)
    state: Mapped[ReturnState] = mapped_column(default=ReturnState.PENDING)
    delivered_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    opened_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))

    report: Mapped[Report] = relationship(back_populates="returns", lazy="joined")
    recipient: Mapped[Institution] = relationship()
    opened_by: Mapped[Person | None] = relationship(foreign_keys=[opened_by_id])
    acknowledged_by: Mapped[Person | None] = relationship(foreign_keys=[acknowledged_by_id])

    def deliver(self, now: datetime) -> None:
        if self.state is ReturnState.PENDING:
            self.state, self.delivered_at = ReturnState.DELIVERED, now

    def open(self, person: Person, now: datetime) -> None:
        if self.opened_at is None and self.delivered_at is not None:
            self.opened_at, self.opened_by_id = now, person.id
        if self.state is ReturnState.DELIVERED:
            self.state = ReturnState.OPENED

    def acknowledge(self, person: Person, now: datetime) -> None:
        """Repeating it changes nothing: the first acknowledgement stands."""
        if self.state is ReturnState.PENDING:
            raise NotFound("return")
        self.open(person, now)
        if self.acknowledged_at is None:
            self.state = ReturnState.ACKNOWLEDGED
            self.acknowledged_at, self.acknowledged_by_id = now, person.id


def sign_report(
    session: Session,
    task: ReadingTask,
    *,
    signer: Person,
    marks: Sequence[Mark],
    originals: Sequence[Original],
    now: datetime,
    results: Mapping[str, Any] | None = None,
    critical: bool = False,
    key_images: Sequence[Mapping[str, Any]] = (),
    preliminary_until: datetime | None = None,
) -> Report:
    """Sign what the task's draft says, and a specimen's `results`. Raises AssertionError for a specimen without them.

    With `preliminary_until` it is a preliminary report, which a second person makes final by then.
    Marks and manifest are kept as they are now (decision table 1, row 10).
    """
    if (task.examination.kind is Kind.LABORATORY) is (results is None):
        raise AssertionError("a specimen is signed with its results, and nothing else is")
    draft = task.sign(signer, now) if preliminary_until is None else task.sign_preliminary(signer, now)
    examination = task.examination
    if task.centre_id is None:
        raise NotFound("centre")
    version = _supersede_earlier(session, examination.id) + 1
    report = Report(
        id=new_id(),
        examination_id=examination.id,
        task_id=task.id,
        centre_id=task.centre_id,
        number=f"{local_date(now):%Y%m%d}{secrets.randbelow(10**8):08d}",
        version=version,
        state=ReportState.SIGNED,
        findings=draft.findings,
        impression=draft.impression,
        clinical_information=examination.clinical_information,
        patient=examination.patient.identity.as_json(),
        content=dict(results) if results is not None else with_wording(session, draft.content),
        critical=critical or draft.critical or bool(critical_statements(session, draft.content)),
        preliminary=preliminary_until is not None,
        writer_id=draft.writer_id,
        signed_by_id=signer.id,
        written_at=draft.saved_at,
        signed_at=now,
        marks=[mark.as_json() for mark in marks],
        amendment=_amendment(task, version - 1),
        key_images=[dict(one) for one in key_images],
        manifest=_manifest(examination, originals, key_images),
        verification_code=secrets.token_urlsafe(12),
        **_of_its_making(session, task, draft, signer, version, results, now),
    )
    if preliminary_until is not None:
        task.due_at = preliminary_until  # from now on; what it was due by until now was in time or not
    session.add(report)
    session.flush()
    _address(session, report, examination)
    return report


def _of_its_making(
    session: Session,
    task: ReadingTask,
    draft: Draft,
    signer: Person,
    version: int,
    results: Mapping[str, Any] | None,
    now: datetime,
) -> dict[str, Any]:
    """What the figures ask of it. A later version answers nothing that somebody waited for since the examination."""
    examination, first = task.examination, version == 1
    return {
        "institution_id": examination.institution_id,
        "modality": examination.modality,
        "rank": task.rank,
        "weight": task.weight,
        "reviewed": signer.id != draft.writer_id,
        "taken_min": int(task.taken(now).total_seconds() // 60) if first else None,
        "in_time": now <= task.due_at if first and task.due_at is not None else None,
        "positive": is_positive(
            session, examination.kind, said=draft.positive, impression=draft.impression,
            content=results if results is not None else draft.content,
        ),
    }  # fmt: skip


def deliver(session: Session, report: Report, *, pdf_sha256: str, now: datetime) -> None:
    """The signed document is kept: it now stands in every recipient's inbox."""
    report.pdf_sha256 = pdf_sha256
    for row in report.returns:
        row.deliver(now)


def unread_since(before: datetime) -> ColumnElement[bool]:
    """A predicate over `ReportReturn` and its `Report`: delivered before then, not opened yet, and it still counts."""
    return and_(
        ReportReturn.state == ReturnState.DELIVERED,
        ReportReturn.delivered_at <= before,
        Report.state == ReportState.SIGNED,
    )


def address_anew(session: Session, examination: Examination, now: datetime) -> Sequence[Report]:
    """The examination has another recipient: the report that stands goes there too, at once when it is kept.

    Answers those that stand.
    """
    query = select(Report).where(Report.examination_id == examination.id, Report.state == ReportState.SIGNED)
    standing = session.scalars(query).all()
    for report in standing:
        for row in _address(session, report, examination):
            if report.pdf_sha256 is not None:
                row.deliver(now)
    return standing


def find_renamed(session: Session, reports: Sequence[Report]) -> set[uuid.UUID]:
    """Those of the reports whose patient was corrected to somebody else than they name, after their signature."""
    corrections = session.scalars(
        select(IdentityChange)
        .where(IdentityChange.examination_id.in_({report.examination_id for report in reports}))
        .order_by(IdentityChange.changed_at, IdentityChange.id)
    )
    latest = {change.examination_id: change for change in corrections}
    found = set()
    for report in reports:
        change = latest.get(report.examination_id)
        if change is not None and change.changed_at >= report.signed_at and change.after != report.patient:
            found.add(report.id)
    return found


def get_report(session: Session, report_id: uuid.UUID) -> Report:
    report = session.get(Report, report_id)
    if report is None:
        raise NotFound("report")
    return report


def _address(session: Session, report: Report, examination: Examination) -> list[ReportReturn]:
    """A return to everybody who gets the report and has none yet."""
    recipients = {examination.institution_id, examination.village_id} - {None}
    known = session.scalars(select(ReportReturn.recipient_id).where(ReportReturn.report_id == report.id))
    rows = [
        ReportReturn(id=new_id(), report=report, recipient_id=recipient_id, state=ReturnState.PENDING)
        for recipient_id in recipients - set(known)
    ]
    session.add_all(rows)
    return rows


def _amendment(task: ReadingTask, of_version: int) -> dict[str, Any] | None:
    if task.amends_id is None:
        final = of_version > 0 and task.preliminary_at is not None and task.state is TaskState.SIGNED
        return {"kind": FINAL, "reason": "", "of_version": of_version} if final else None
    return {"kind": task.amendment_kind, "reason": task.amendment_reason, "of_version": of_version}


def _supersede_earlier(session: Session, examination_id: uuid.UUID) -> int:
    """One version stands at a time. Answers the number of the last one."""
    earlier = session.scalars(select(Report).where(Report.examination_id == examination_id)).all()
    for report in earlier:
        if report.state is ReportState.SIGNED:
            report.state = ReportState.SUPERSEDED
    return max((report.version for report in earlier), default=0)


def _manifest(
    examination: Examination, originals: Sequence[Original], key_images: Sequence[Mapping[str, Any]]
) -> str:
    """Canonical JSON: sorted keys, no blanks, one entry per original in the order of its UID.

    Key images stand in the order of the report; a report without any says nothing of them, as before there were any.
    """
    content: dict[str, Any] = {
        "examination_id": str(examination.id),
        "study_instance_uid": examination.study_instance_uid,
        "originals": [
            {"sop_instance_uid": o.sop_instance_uid, "sha256": o.sha256, "size_bytes": o.size_bytes}
            for o in sorted(originals, key=lambda o: o.sop_instance_uid)
        ],
    }
    if key_images:
        content["key_images"] = [{name: one[name] for name in _OF_A_KEY_IMAGE} for one in key_images]
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
