"""Two readers at the same moment, on both databases: exactly one has the task, and nothing is lost."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from tests.builders import NOW, SHA, add_person, build_county, submitted_task, waiting_task, write_draft
from worklists.directory import Person, Role
from worklists.drafts import Draft, DraftChanged
from worklists.reading import ReadingTask, TaskAlreadyClaimed, TaskState, TaskStateForbids, get_task
from worklists.reports import Original, Report, sign_report

Deed = Callable[[Session, ReadingTask, Person], object]


def _at_once(sessions: sessionmaker[Session], task_id: UUID, people: list[UUID], deed: Deed) -> list[str]:
    """Each in a transaction of their own; what came of it."""
    barrier = threading.Barrier(len(people))
    outcomes: list[str] = []

    def attempt(person_id: UUID) -> None:
        barrier.wait()
        try:
            with sessions.begin() as session:
                deed(session, get_task(session, task_id), session.get_one(Person, person_id))
            outcomes.append("done")
        except (StaleDataError, TaskAlreadyClaimed, TaskStateForbids) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=attempt, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("_round", range(3))
def test_of_two_claims_at_once_exactly_one_wins(sessions: sessionmaker[Session], _round: int) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        task_id = waiting_task(session, county).id
    outcomes = _at_once(
        sessions, task_id, [county.wang.id, county.li.id], lambda _, task, reader: task.claim(reader, NOW)
    )

    assert sorted(outcomes)[-1] == "done"
    assert outcomes.count("done") == 1
    with sessions() as session:
        task = get_task(session, task_id)
        assert task.state is TaskState.CLAIMED
        assert task.claimed_by_id in {county.wang.id, county.li.id}


def test_of_two_hundred_claims_at_once_exactly_one_wins(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        task_id = waiting_task(session, county).id
        readers = [
            add_person(session, f"reader{n}", f"医师{n}", county.lead, Role.READER, county.imaging).id
            for n in range(200)
        ]
    outcomes = _at_once(sessions, task_id, readers, lambda _, task, reader: task.claim(reader, NOW))

    assert len(outcomes) == 200
    assert outcomes.count("done") == 1


def test_of_two_signatures_at_once_exactly_one_stands(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        task_id = submitted_task(session, county).id
    originals = [Original(sop_instance_uid="1.2.3", sha256=SHA, size_bytes=11)]

    def sign(session: Session, task: ReadingTask, signer: Person) -> Report:
        return sign_report(session, task, signer=signer, marks=[], originals=originals, now=NOW)

    outcomes = _at_once(sessions, task_id, [county.reviewer.id] * 3, sign)

    assert outcomes.count("done") == 1
    with sessions() as session:
        assert session.query(Report).count() == 1


def test_of_two_saves_of_the_same_revision_one_is_told(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        task = waiting_task(session, county)
        task.claim(county.wang, NOW)
        write_draft(session, task, county.wang)
        task_id = task.id

    def save(session: Session, task: ReadingTask, writer: Person) -> None:
        try:
            write_draft(session, task, writer, findings=threading.current_thread().name, revision=1)
        except DraftChanged as error:
            raise StaleDataError from error

    outcomes = _at_once(sessions, task_id, [county.wang.id] * 2, save)

    assert sorted(outcomes) == ["StaleDataError", "done"]
    with sessions() as session:
        assert session.get_one(Draft, task_id).revision == 2
