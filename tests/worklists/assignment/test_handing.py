"""Whose a task is: reserved, handed over with a note, taken over with a reason; and clocks that stand still."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, waiting_task, write_draft
from worklists.errors import Invalid, NotAllowed
from worklists.offering import offers_of
from worklists.reading import TaskReserved, TaskState, TaskStateForbids


def test_what_is_reserved_is_claimed_by_whose_it_is(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.assign(county.li, {"reasons": ["least_load"]}, reserved=True, now=NOW)

    with pytest.raises(TaskReserved) as refused:
        task.claim(county.wang, NOW)
    assert refused.value.claimed_by == "李医师"
    assert not offers_of(task, county.wang, NOW).claim
    task.claim(county.li, NOW)
    assert task.claimed_by_id == county.li.id


def test_what_is_only_proposed_anybody_may_claim(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.assign(county.li, {"reasons": ["least_load"]}, reserved=False, now=NOW)

    task.claim(county.wang, NOW)

    assert task.claimed_by_id == county.wang.id


def test_a_task_is_handed_over_with_a_note_and_its_draft(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)

    task.hand_over(county.wang, county.li, " 请看左肺尖 ", NOW)

    assert (task.state, task.assigned_to_id, task.reserved) == (TaskState.WAITING, county.li.id, True)
    assert (task.handed_over_by_id, task.hand_over_note) == (county.wang.id, "请看左肺尖")
    task.claim(county.li, NOW)
    assert task.draft is not None
    assert task.draft.findings == "双肺野清晰。"


def test_nothing_is_handed_to_who_does_not_read_there(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)

    with pytest.raises(NotAllowed):
        task.hand_over(county.wang, county.ecg_reader, "", NOW)
    with pytest.raises(Invalid):
        task.hand_over(county.wang, county.wang, "", NOW)
    assert task.claimed_by_id == county.wang.id


def test_taking_over_needs_a_reason_and_somebody_whose_it_was(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    with pytest.raises(TaskStateForbids):
        task.take_over(county.li, "抢救", NOW)
    task.claim(county.wang, NOW)

    with pytest.raises(Invalid):
        task.take_over(county.li, " ", NOW)
    assert task.take_over(county.li, "抢救", NOW) == county.wang
    assert task.claimed_by_id == county.li.id


def test_a_paused_clock_is_not_counted(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    due = task.due_at
    assert due is not None
    task.claim(county.wang, NOW)

    task.pause(county.wang, "等待既往影像", NOW)
    assert not task.is_overdue(due + timedelta(hours=1))
    task.resume(county.li, NOW + timedelta(minutes=40))

    assert task.due_at == due + timedelta(minutes=40)
    assert [(pause.reason, pause.ended_at - pause.began_at) for pause in task.pauses] == [
        ("等待既往影像", timedelta(minutes=40))
    ]
    with pytest.raises(TaskStateForbids):
        task.resume(county.li, NOW)


def test_a_signed_task_is_not_paused_any_more(session: Session, county: County) -> None:
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)
    task.pause(county.wang, "等待补充临床资料", NOW)

    task.submit(county.wang, NOW + timedelta(minutes=5))

    assert task.paused_at is None
    assert len(task.pauses) == 1
