"""What comes after the signature: an addendum, a correction, or a report that is void. What was signed stays as it was.

An amendment is read work like any other: a task that begins with the words of the report that stands, and whose
signature makes the next version. A void report has no successor; whoever had it is told.
"""

import difflib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Kind, Person, Role
from worklists.errors import Conflict, Invalid, NotAllowed
from worklists.key_images import copy_key_images
from worklists.reading import OPEN_STATES, Purpose, ReadingTask, TaskState, tasks_of
from worklists.recognising.following import adopters_of
from worklists.reports import Report, ReportReturn, ReportState, ReturnNotice, ReturnState

# A word of a script that has blanks, or one sign of one that has none: what a difference is shown in.
_WORD = re.compile(r"[A-Za-z0-9.]+|\s+|.", re.DOTALL)


class AmendmentKind(StrEnum):
    ADDENDUM = "addendum"  # 补充: what was said stands, and something is added
    CORRECTION = "correction"  # 更正: something that was said was wrong


class AfterVoid(StrEnum):
    """What becomes of the examination."""

    READ_AGAIN = "read_again"
    SENT_BACK = "sent_back"  # it must be made again
    NOTHING = "nothing"  # it was nobody's, or entered twice


class ReportNotStanding(Conflict):
    """Only the version that stands is amended or made void; carries the state of this one."""

    def __init__(self, state: ReportState):
        super().__init__(state)
        self.state = state


class AmendmentUnderWay(Conflict):
    """Somebody is at it already; carries who."""

    def __init__(self, claimed_by: str):
        super().__init__(claimed_by)
        self.claimed_by = claimed_by


class ReportVoid(Base):
    """A report is void, since when, by whom and why. The report itself is not touched."""

    __tablename__ = "report_void"

    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    reason: Mapped[str]
    after: Mapped[AfterVoid]
    voided_at: Mapped[datetime]
    voided_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))

    voided_by: Mapped[Person] = relationship()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A piece of a text: what both have, or what stands in the place of what."""

    before: str
    after: str

    @property
    def is_same(self) -> bool:
        return self.before == self.after


def begin_amendment(
    session: Session, report: Report, person: Person, *, kind: AmendmentKind, reason: str, now: datetime
) -> ReadingTask:
    """Another task with the words of the report, in the hands of whoever asked. The report stands until it is signed.

    Raises NotAllowed, Invalid, ReportNotStanding, AmendmentUnderWay.
    """
    if report.centre_id not in person.centre_ids():
        raise NotAllowed(Role.READER)
    if not reason.strip():
        raise Invalid("reason", "required")
    _require_standing(report)
    for task in session.scalars(tasks_of(report.examination_id)):
        if task.state in OPEN_STATES and task.purpose is Purpose.READ:
            raise AmendmentUnderWay(task.claimed_by.name if task.claimed_by else "")
    task = ReadingTask(
        id=new_id(),
        examination_id=report.examination_id,
        examination=report.examination,
        centre_id=report.centre_id,
        centre=report.centre,
        purpose=Purpose.READ,
        state=TaskState.WAITING,
        rank=report.examination.priority.rank,
        waiting_since=now,
        late_instances=0,
        sent_back_reason="",
        amends_id=report.id,
        amendment_kind=kind.value,
        amendment_reason=reason.strip(),
    )
    session.add(task)
    task.claim(person, now)
    task.begin_draft(
        person, now, findings=report.findings, impression=report.impression, critical=report.critical,
        content=_content_of(report),
    )  # fmt: skip
    session.flush()
    copy_key_images(session, report.task_id, task, person, now)
    return task


def give_up_amendment(task: ReadingTask, person: Person) -> None:
    """It is not amended after all; the report stands as it did."""
    if task.amends_id is None:
        raise Conflict("not an amendment")
    task.cancel(person)


def require_addendum_keeps(report: Report, findings: str, impression: str) -> None:
    """An addendum adds behind what was said. Raises Invalid."""
    for name, said, now_says in (
        ("findings", report.findings, findings),
        ("impression", report.impression, impression),
    ):
        if not now_says.startswith(said.rstrip()):
            raise Invalid(name, "addendum_changes")


def make_void(
    session: Session, report: Report, person: Person, *, reason: str, after: AfterVoid, now: datetime
) -> ReportVoid:
    """It says nothing any more; everybody who had or adopted it has a notice. Raises as `begin_amendment`."""
    if not person.has_role(Role.REVIEWER, report.centre_id):
        raise NotAllowed(Role.REVIEWER)
    if not reason.strip():
        raise Invalid("reason", "required")
    _require_standing(report)
    report.state = ReportState.VOID
    task = session.get_one(ReadingTask, report.task_id)
    if report.preliminary and task.state in OPEN_STATES:
        task.withdraw()
    void = ReportVoid(
        report_id=report.id,
        reason=reason.strip(),
        after=after,
        voided_at=now,
        voided_by=person,
        voided_by_id=person.id,
    )
    session.add(void)
    had_it = {row.recipient_id for row in report.returns} | adopters_of(session, report.examination_id)
    for recipient_id in had_it:
        session.add(
            ReportReturn(
                id=new_id(), report_id=report.id, recipient_id=recipient_id, notice=ReturnNotice.VOID,
                state=ReturnState.DELIVERED, delivered_at=now,
            )
        )  # fmt: skip
    session.flush()
    return void


def find_void(session: Session, report: Report) -> ReportVoid | None:
    return session.get(ReportVoid, report.id) if report.state is ReportState.VOID else None


def version_before(session: Session, report: Report) -> Report | None:
    return session.scalars(
        select(Report)
        .where(Report.examination_id == report.examination_id, Report.version < report.version)
        .order_by(Report.version.desc())
        .limit(1)
    ).first()


def difference(before: str, after: str) -> list[Change]:
    """Piece by piece, in words where the script has them and in signs where it has none."""
    left, right = _WORD.findall(before), _WORD.findall(after)
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    return [
        Change(before="".join(left[i1:i2]), after="".join(right[j1:j2]))
        for _, i1, i2, j1, j2 in matcher.get_opcodes()
    ]


def _content_of(report: Report) -> dict[str, Any] | None:
    """What a draft may hold of it: results and the words of statements are made anew at the signature."""
    if report.content is None or report.examination.kind is Kind.LABORATORY:
        return None
    return {name: value for name, value in report.content.items() if name != "wording"}


def _require_standing(report: Report) -> None:
    if report.state is not ReportState.SIGNED:
        raise ReportNotStanding(report.state)
