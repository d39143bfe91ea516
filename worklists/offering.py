"""What a person could do with a task at a moment: what a page offers. The transition itself decides."""

from dataclasses import dataclass
from datetime import datetime

from worklists.directory import Kind, Person, Role
from worklists.reading import Purpose, ReadingTask, TaskState

_UNCLAIMED = frozenset({TaskState.ARRIVING, TaskState.WAITING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    claim: bool
    release: bool
    edit: bool
    submit: bool
    reject: bool
    sign: bool
    sign_preliminary: bool
    send_back: bool
    hand_over: bool
    take_over: bool
    pause: bool
    resume: bool


def offers_of(task: ReadingTask, person: Person, now: datetime) -> Offers:
    """By role, state and holder. Whether a book allows it, as for a preliminary report at night, is not asked here."""
    mine = task.state is TaskState.CLAIMED and task.claimed_by_id == person.id
    writes = mine and task.purpose is Purpose.READ
    reads_there = task.centre_id in person.centre_ids()
    reviewed, may_review = task.awaits_review(), _may_review(task, person)
    return Offers(
        claim=reads_there and _is_free(task, person, now),
        release=mine,
        edit=writes or (may_review and task.examination.kind is not Kind.LABORATORY),
        submit=writes and reviewed,
        reject=may_review,
        sign=may_review if reviewed else writes,
        sign_preliminary=mine and task.may_be_preliminary(),
        send_back=writes and task.preliminary_at is None,
        hand_over=mine,
        take_over=reads_there and _is_of_another(task, person),
        pause=mine and task.paused_at is None,
        resume=reads_there and task.paused_at is not None,
    )


def _is_free(task: ReadingTask, person: Person, now: datetime) -> bool:
    if task.reserved and task.assigned_to_id != person.id:
        return False
    return task.state in _UNCLAIMED or (task.state is TaskState.CLAIMED and not task.is_held(now))


def _may_review(task: ReadingTask, person: Person) -> bool:
    if task.state is not TaskState.SUBMITTED or not person.has_role(Role.REVIEWER, task.centre_id):
        return False
    return task.draft is None or not task.draft.was_written_by(person)


def _is_of_another(task: ReadingTask, person: Person) -> bool:
    if task.state is TaskState.CLAIMED:
        return task.claimed_by_id != person.id
    return task.state in _UNCLAIMED and task.assigned_to_id not in {None, person.id}
