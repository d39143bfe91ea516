"""Reading: the work on one examination, from its first object to its signature, and the draft that grows on it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, and_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.directory import Centre, Kind, Person, Role
from worklists.drafts import Draft, DraftChanged, DraftState
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.examinations import Examination, Priority
from worklists.sent_back import SentBack

CLAIM_LEASE = timedelta(
    minutes=15
)  # renewed by the open reading room; short enough that a closed one frees it


class TaskState(StrEnum):
    ARRIVING = "arriving"
    WAITING = "waiting"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    SIGNED = "signed"
    SENT_BACK = "sent_back"
    CANCELLED = "cancelled"


OPEN_STATES = (TaskState.ARRIVING, TaskState.WAITING, TaskState.CLAIMED, TaskState.SUBMITTED)


class Purpose(StrEnum):
    READ = "read"
    ADDITIONAL_IMAGES = "additional_images"


class TaskAlreadyClaimed(Conflict):
    """Somebody else has the task; carries who."""

    def __init__(self, task_id: uuid.UUID, claimed_by: str):
        super().__init__(task_id, claimed_by)
        self.claimed_by = claimed_by


class TaskReserved(TaskAlreadyClaimed):
    """It is somebody's by the rules or by hand; whoever takes it all the same says why."""


class TaskStateForbids(Conflict):
    """The task is in a state in which this cannot be done; carries the state."""

    def __init__(self, state: TaskState):
        super().__init__(state)
        self.state = state


class PreliminaryNotAllowed(Conflict):
    """The centre's book does not let one reader sign a preliminary report of this, or not at this hour."""


class WriterCannotReview(Conflict):
    """Where a centre requires review, the writer's own signature does not count."""


class ReportIncomplete(Invalid):
    """The report lacks something without which it cannot be handed on; carries the field."""

    def __init__(self, field: str):
        super().__init__(field)
        self.field = field


class ReadingTask(Base):
    """The work of reading one examination, from its first image to its signature."""

    __tablename__ = "reading_task"
    __table_args__ = (
        Index("ix_reading_task_next", "centre_id", "state", "rank", "waiting_since"),
        Index("ix_reading_task_state", "state", "claimed_until"),
        Index("ix_reading_task_holder", "claimed_by_id", "state"),
        Index(
            "ix_reading_task_examination",
            "examination_id",
            "centre_id",
            "state",
            "purpose",
            "amends_id",
            "id",
        ),
        Index("ix_reading_task_lane", "state", "rank", "waiting_since"),
        Index("ix_reading_task_assigned", "assigned_to_id", "state"),
        Index(
            "ix_reading_task_preliminary", "centre_id", "state", **only_where("preliminary_at IS NOT NULL")
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"))
    centre_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("centre.id"))
    purpose: Mapped[Purpose] = mapped_column(default=Purpose.READ)
    state: Mapped[TaskState] = mapped_column(default=TaskState.ARRIVING)
    waiting_reason: Mapped[str] = mapped_column(default="")
    rank: Mapped[int] = mapped_column(default=Priority.ROUTINE.rank)
    waiting_since: Mapped[datetime]
    due_at: Mapped[datetime | None]
    claimed_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    claimed_at: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    late_instances: Mapped[int] = mapped_column(default=0)
    sent_back_reason: Mapped[str] = mapped_column(default="")
    subspecialty: Mapped[str] = mapped_column(default="")
    weight: Mapped[float] = mapped_column(default=1.0)
    assigned_to_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    assigned_at: Mapped[datetime | None]
    assigned_because: Mapped[dict[str, Any] | None]  # why it is theirs, or why it is nobody's
    reserved: Mapped[bool] = mapped_column(default=False)  # for whom it is assigned to
    handed_over_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    hand_over_note: Mapped[str] = mapped_column(default="")
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str] = mapped_column(default="")
    amends_id: Mapped[uuid.UUID | None]  # the report; that one refers to its own task already
    amendment_kind: Mapped[str] = mapped_column(default="")
    amendment_reason: Mapped[str] = mapped_column(default="")
    preliminary_at: Mapped[datetime | None]  # a preliminary report was signed then: the final one is due
    version: Mapped[int] = mapped_column()

    examination: Mapped[Examination] = relationship(lazy="joined")
    centre: Mapped[Centre | None] = relationship(lazy="joined")
    claimed_by: Mapped[Person | None] = relationship(lazy="joined", foreign_keys=[claimed_by_id])
    assigned_to: Mapped[Person | None] = relationship(lazy="joined", foreign_keys=[assigned_to_id])
    handed_over_by: Mapped[Person | None] = relationship(foreign_keys=[handed_over_by_id])
    draft: Mapped[Draft | None] = relationship(back_populates="task", lazy="selectin")
    pauses: Mapped[list["Pause"]] = relationship(order_by="Pause.began_at")
    sent_back: Mapped[list[SentBack]] = relationship(order_by=SentBack.at)

    # Two readers who claim at once both read the same version; only one update finds it still there.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (SQLAlchemy reads it from the class)

    def claim(self, reader: Person, now: datetime) -> None:
        """Take the task, also while its images still arrive, or from a holder whose lease ran out."""
        self._require_reader(reader)
        if self.state is TaskState.CLAIMED and self.claimed_by_id == reader.id:
            return self.renew(reader, now)
        if self.state is TaskState.CLAIMED and self.is_held(now):
            raise TaskAlreadyClaimed(self.id, self.claimed_by.name if self.claimed_by else "")
        self._require(TaskState.ARRIVING, TaskState.WAITING, TaskState.CLAIMED)
        if self.reserved and self.assigned_to is not None and self.assigned_to_id != reader.id:
            raise TaskReserved(self.id, self.assigned_to.name)
        self._give_to(reader, now)
        return None

    def take_over(self, reader: Person, reason: str, now: datetime) -> Person | None:
        """Take what is another's, by claim or by assignment; the draft stays. Answers whose it was."""
        self._require_reader(reader)
        if not reason.strip():
            raise Invalid("reason")
        self._require(TaskState.ARRIVING, TaskState.WAITING, TaskState.CLAIMED)
        before = self.claimed_by if self.state is TaskState.CLAIMED else self.assigned_to
        if before is None or before.id == reader.id:
            raise TaskStateForbids(self.state)
        self._unassign()
        self._give_to(reader, now)
        return before

    def hand_over(self, reader: Person, colleague: Person, note: str, now: datetime) -> None:
        """Give it to a colleague, whose it is from now on; the draft stays."""
        self._require_holder(reader)
        if colleague.id == reader.id or not colleague.enabled:
            raise Invalid("to_person_id")
        self._require_reader(colleague)
        self._free()
        self.assign(colleague, {"reasons": ["handed_over"]}, reserved=True, now=now)
        self.handed_over_by, self.handed_over_by_id, self.hand_over_note = reader, reader.id, note.strip()

    def assign(self, person: Person, because: Mapping[str, Any], *, reserved: bool, now: datetime) -> None:
        """It is to be this person's. `reserved`: nobody else's without a reason."""
        self.assigned_to, self.assigned_to_id, self.assigned_at = person, person.id, now
        self.assigned_because, self.reserved = dict(because), reserved

    def leave_in_pool(self, because: Mapping[str, Any], now: datetime) -> None:
        """It is anybody's, and why; `assigned_at` is when that was judged."""
        self._unassign()
        self.assigned_because, self.assigned_at = dict(because), now

    def pause(self, reader: Person, reason: str, now: datetime) -> None:
        """Its clock stands still: what keeps it from being read is not the reader's."""
        self._require_holder(reader)
        if not reason.strip():
            raise Invalid("reason")
        if self.paused_at is not None:
            raise TaskStateForbids(self.state)
        self.paused_at, self.pause_reason = now, reason.strip()

    def resume(self, reader: Person, now: datetime) -> None:
        """The clock goes on; what it stood still is not counted."""
        self._require_reader(reader)
        if self.paused_at is None:
            raise TaskStateForbids(self.state)
        self._end_pause(now)

    def _end_pause(self, now: datetime) -> None:
        if self.paused_at is None:
            return
        if self.due_at is not None:
            self.due_at += now - self.paused_at
        self.pauses.append(
            Pause(id=new_id(), began_at=self.paused_at, ended_at=now, reason=self.pause_reason)
        )
        self.paused_at, self.pause_reason = None, ""

    def is_overdue(self, now: datetime) -> bool:
        return self.due_at is not None and self.paused_at is None and self.due_at < now

    def _unassign(self) -> None:
        self.assigned_to, self.assigned_to_id, self.assigned_at, self.assigned_because = (
            None,
            None,
            None,
            None,
        )
        self.reserved, self.handed_over_by, self.handed_over_by_id, self.hand_over_note = (
            False,
            None,
            None,
            "",
        )

    def renew(self, reader: Person, now: datetime) -> None:
        """Keep the lease: the reading room is still open."""
        self._require_holder(reader)
        if self.claimed_until is not None:
            self.claimed_until = now + CLAIM_LEASE

    def release(self, reader: Person, now: datetime) -> None:
        """Give the task back to the pool; the draft stays for whoever reads on."""
        self._require_holder(reader)
        self._free()
        if self.assigned_to_id == reader.id:
            self.leave_in_pool({"released_by": str(reader.id)}, now)

    def release_expired(self, now: datetime) -> bool:
        """Free a claim whose lease ran out. Says whether it did."""
        if self.state is TaskState.CLAIMED and not self.is_held(now):
            self._free()
            return True
        return False

    def send_back(self, reader: Person, reason: str, now: datetime) -> None:
        """Return the examination to the township: it must be made again, and why."""
        self._require_reading(reader)
        if not reason.strip():
            raise Invalid("reason")
        if self.preliminary_at is not None:
            raise TaskStateForbids(self.state)  # somebody has a report of it
        self.note_sent_back(reader, reason.strip(), now)
        self._free()
        self.state, self.sent_back_reason, self.late_instances = TaskState.SENT_BACK, reason.strip(), 0
        self._unassign()
        self.paused_at, self.pause_reason = None, ""

    def return_unread(self, person: Person, reason: str, now: datetime) -> None:
        """What was to be read cannot be tested: back to the township, unless somebody else is at it already."""
        if self.state is TaskState.CLAIMED and self.claimed_by_id != person.id:
            raise TaskAlreadyClaimed(self.id, self.claimed_by.name if self.claimed_by else "")
        self._require(TaskState.ARRIVING, TaskState.WAITING, TaskState.CLAIMED)
        self.note_sent_back(person, reason, now)
        self._free()
        self.state, self.sent_back_reason, self.late_instances = TaskState.SENT_BACK, reason, 0

    def note_sent_back(self, person: Person, reason: str, now: datetime) -> None:
        """Another row of the times that it went back."""
        self.sent_back.append(
            SentBack(
                id=new_id(), examination_id=self.examination.id, centre_id=self.centre_id,
                institution_id=self.examination.institution_id,
                modality=self.examination.modality, at=now, by_id=person.id, reason=reason,
            )
        )  # fmt: skip

    def cancel(self, reader: Person) -> None:
        """What was begun is not to be done."""
        self._require_reading(reader)
        self._free()
        self._unassign()
        self.paused_at, self.pause_reason = None, ""
        self.state = TaskState.CANCELLED

    def submit(self, writer: Person, now: datetime) -> None:
        """Hand the draft to the reviewer."""
        self._require_reading(writer)
        self._hand_on(writer, now)

    def sign_preliminary(self, writer: Person, now: datetime) -> Draft:
        """One reader says what they see, and it goes out; a second person makes it final."""
        self._require_reading(writer)
        if not self.may_be_preliminary():
            raise TaskStateForbids(self.state)
        draft = self._hand_on(writer, now)
        self.preliminary_at = now
        return draft

    def may_be_preliminary(self) -> bool:
        """Once, of what is read for the first time. Results of a specimen are released one by one anyway."""
        first = self.preliminary_at is None and self.amends_id is None
        return first and self.purpose is Purpose.READ and self.examination.kind is not Kind.LABORATORY

    def withdraw(self) -> None:
        """What was to be made final is void: there is nothing to review."""
        self._free()
        self._unassign()
        self.paused_at, self.pause_reason, self.state = None, "", TaskState.CANCELLED

    def _hand_on(self, writer: Person, now: datetime) -> Draft:
        draft = self._complete_draft(writer, now)
        draft.note_writer(writer)
        draft.state, draft.rejection_reason, draft.preliminary = DraftState.SUBMITTED, "", False
        self._end_pause(now)
        self.state, self.claimed_until, self.waiting_since = TaskState.SUBMITTED, None, now
        return draft

    def reject(self, reviewer: Person, reason: str, now: datetime) -> None:
        """Hand the report back to its writer, who has the task again."""
        self._require_reviewer(reviewer)
        self._require(TaskState.SUBMITTED)
        if not reason.strip():
            raise Invalid("reason")
        draft = self._existing_draft()
        draft.state = DraftState.DRAFT
        draft.rejection_reason, draft.rejected_by_id, draft.rejected_at = reason.strip(), reviewer.id, now
        self._give_to(draft.writer, now)

    def sign(self, signer: Person, now: datetime) -> Draft:
        """Make the draft the report: a second person where the centre requires review, the writer where not."""
        if self.awaits_review():
            self._require_reviewer(signer)
            self._require(TaskState.SUBMITTED)
        else:
            self._require_reading(signer)
        draft = self._complete_draft(signer, now)
        self._end_pause(now)
        self.state, self.claimed_until, self.claimed_at = TaskState.SIGNED, None, self.claimed_at or now
        return draft

    def require_review_of(self, reviewer: Person) -> None:
        """The reviewer may correct what was handed on; whoever wrote it stays its writer."""
        self._require(TaskState.SUBMITTED)
        if self.examination.kind is Kind.LABORATORY or self._existing_draft().was_written_by(reviewer):
            raise TaskStateForbids(self.state)
        self._require_reviewer(reviewer)

    def note_late_instances(self, instances: int, now: datetime) -> None:
        """More arrived while somebody was reading: they must look before they go on."""
        if self.state is TaskState.SUBMITTED and self.draft is not None:
            self.draft.state = DraftState.DRAFT
            self._give_to(self.draft.writer, now)
        if self.state is TaskState.CLAIMED:
            self.late_instances += instances

    def confirm_late_instances(self, reader: Person) -> None:
        """The reader has seen the late ones. Additional images need no more than that."""
        self._require_holder(reader)
        self.late_instances = 0
        if self.purpose is Purpose.ADDITIONAL_IMAGES:
            self.state, self.claimed_until = TaskState.SIGNED, None

    def note_arriving(self, now: datetime) -> None:
        """Objects arrived for work that nobody has begun, or that was sent back to be made again."""
        if self.state is TaskState.WAITING:
            self.state = TaskState.ARRIVING
        if self.state is TaskState.SENT_BACK:
            self.state, self.sent_back_reason, self.waiting_since = TaskState.ARRIVING, "", now
            for one in self.sent_back[-1:]:
                one.remade_at = one.remade_at or now

    @property
    def began_at(self) -> datetime:
        """When there was something to read: what was sent back counts from the next attempt on."""
        remade = [one.remade_at for one in self.sent_back if one.remade_at is not None]
        return max([self.examination.received_at, *remade])

    def taken(self, now: datetime) -> timedelta:
        """How long it took until now, without what its clock stood still."""
        stood_still = sum((one.ended_at - one.began_at for one in self.pauses), timedelta())
        return max(now - self.began_at - stood_still, timedelta())

    def note_complete(self) -> None:
        """Nothing more is expected. For a task that is not written yet: see the function of this name."""
        if self.state is TaskState.ARRIVING:
            self.state = TaskState.WAITING

    def set_priority(self, priority: Priority) -> None:
        self.rank = priority.rank

    def require_shown(self, revision: int | None) -> None:
        """What is decided about is the text that was shown; None does not ask. Raises DraftChanged."""
        if revision is not None and revision != (self.draft.revision if self.draft is not None else 0):
            raise DraftChanged(self.draft)

    def require_report_of_its_own(self) -> None:
        if self.purpose is not Purpose.READ:
            raise NotAllowed("additional images have no report of their own")

    def is_held(self, now: datetime) -> bool:
        return self.claimed_by_id is not None and (self.claimed_until is None or self.claimed_until > now)

    def _give_to(self, reader: Person, now: datetime) -> None:
        self.state, self.claimed_by, self.claimed_at = TaskState.CLAIMED, reader, now
        self.claimed_by_id, self.claimed_until = reader.id, now + CLAIM_LEASE

    def _free(self) -> None:
        self.state = TaskState.WAITING if self.examination.complete else TaskState.ARRIVING
        self.claimed_by, self.claimed_by_id, self.claimed_at, self.claimed_until = None, None, None, None

    def _require(self, *states: TaskState) -> None:
        if self.state not in states:
            raise TaskStateForbids(self.state)

    def _require_holder(self, reader: Person) -> None:
        self._require(TaskState.CLAIMED)
        if self.claimed_by_id != reader.id:
            raise TaskAlreadyClaimed(self.id, self.claimed_by.name if self.claimed_by else "")

    def _require_reading(self, reader: Person) -> None:
        """Additional images are only looked at; what is written, handed on or sent back is the examination."""
        self._require_holder(reader)
        self.require_report_of_its_own()

    def awaits_review(self) -> bool:
        """What was submitted is reviewed, even when the centre stopped requiring it since."""
        return self.state is TaskState.SUBMITTED or (self.centre is not None and self.centre.review_required)

    def _require_reader(self, reader: Person) -> None:
        if self.centre_id is None or not (reader.centre_ids() & {self.centre_id}):
            raise NotAllowed("reader of the centre")

    def _require_reviewer(self, reviewer: Person) -> None:
        # A writer without the reviewer's role hears the same as one with it: the rule is about the writer.
        if self.draft is not None and self.draft.was_written_by(reviewer):
            raise WriterCannotReview
        if not reviewer.has_role(Role.REVIEWER, self.centre_id):
            raise NotAllowed("reviewer of the centre")

    def begin_draft(
        self,
        writer: Person,
        now: datetime,
        *,
        findings: str = "",
        impression: str = "",
        critical: bool = False,
        content: Mapping[str, Any] | None = None,
    ) -> Draft:
        """A draft that is empty, or that begins with words that were signed before."""
        self.draft = Draft(
            task_id=self.id, findings=findings, impression=impression, critical=critical, preliminary=False,
            content=dict(content) if content is not None else None, state=DraftState.DRAFT, saved_at=now,
            rejection_reason="",
        )  # fmt: skip
        self.draft.note_writer(writer)
        return self.draft

    def _existing_draft(self) -> Draft:
        if self.draft is None:
            raise ReportIncomplete("findings")
        return self.draft

    def _complete_draft(self, writer: Person, now: datetime) -> Draft:
        """What a specimen's report says are its results: a comment on them is written only where there is one."""
        if self.examination.kind is Kind.LABORATORY:
            draft = self.draft or self.begin_draft(writer, now)
        else:
            draft = self._existing_draft()
            for field in ("findings", "impression"):
                if not getattr(draft, field).strip():
                    raise ReportIncomplete(field)
        if self.late_instances:
            raise ReportIncomplete("late_instances")
        return draft


class Pause(Base):
    """A time in which the clock of a task stood still, and why."""

    __tablename__ = "task_pause"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), index=True)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    reason: Mapped[str]


def awaits_final() -> ColumnElement[bool]:
    """A predicate over `ReadingTask`: a preliminary report is out, and nobody has made it final."""
    return and_(ReadingTask.preliminary_at.is_not(None), ReadingTask.state.in_(OPEN_STATES))


def tasks_of(*examination_ids: uuid.UUID) -> Select[ReadingTask]:
    return select(ReadingTask).where(ReadingTask.examination_id.in_(examination_ids)).order_by(ReadingTask.id)


def note_complete(session: Session, examination_ids: Sequence[uuid.UUID]) -> None:
    """Tasks whose images all arrived wait for a reader. In one statement: whoever claims meanwhile keeps the claim."""
    session.execute(
        update(ReadingTask)
        .where(ReadingTask.examination_id.in_(examination_ids), ReadingTask.state == TaskState.ARRIVING)
        .values(state=TaskState.WAITING, version=ReadingTask.version + 1)
    )


def get_task(session: Session, task_id: uuid.UUID) -> ReadingTask:
    """Raises NotFound. Whether the caller may see it is access.py's question."""
    task = session.get(ReadingTask, task_id)
    if task is None:
        raise NotFound("task")
    return task
