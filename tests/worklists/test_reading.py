"""Claiming, writing, reviewing, signing: who may do what to a task, and when."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import (
    NOW,
    County,
    add_role,
    arrive,
    build_county,
    submitted_task,
    task_of,
    waiting_task,
    write_draft,
)
from worklists.directory import Role
from worklists.drafting import save_draft
from worklists.drafts import DraftChanged, DraftState
from worklists.errors import Invalid, NotAllowed
from worklists.offering import offers_of
from worklists.reading import (
    CLAIM_LEASE,
    ReadingTask,
    ReportIncomplete,
    TaskAlreadyClaimed,
    TaskState,
    TaskStateForbids,
    WriterCannotReview,
)

LATER = NOW + CLAIM_LEASE + timedelta(seconds=1)


def test_a_claimed_task_has_a_holder_and_a_lease(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    assert (task.state, task.claimed_by, task.claimed_until) == (
        TaskState.CLAIMED,
        county.wang,
        NOW + CLAIM_LEASE,
    )


def test_a_second_reader_cannot_claim_and_hears_who_has_it(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    with pytest.raises(TaskAlreadyClaimed) as refusal:
        task.claim(county.li, NOW)
    assert refusal.value.claimed_by == county.wang.name
    assert task.claimed_by is county.wang


def test_claiming_again_is_renewing(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)
    task.claim(county.wang, NOW + timedelta(minutes=5))

    assert task.claimed_until == NOW + timedelta(minutes=5) + CLAIM_LEASE


def test_a_claim_whose_lease_ran_out_can_be_taken_over(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)
    task.claim(county.li, LATER)

    assert task.claimed_by is county.li
    with pytest.raises(TaskAlreadyClaimed):
        task.renew(county.wang, LATER)


def test_an_expired_claim_is_freed_and_a_live_one_is_not(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    assert not task.release_expired(NOW + CLAIM_LEASE - timedelta(seconds=1))
    assert task.release_expired(LATER)
    assert (task.state, task.claimed_by_id, task.claimed_until) == (TaskState.WAITING, None, None)


def test_a_renewed_lease_does_not_run_out_when_the_first_would(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)
    task.renew(county.wang, NOW + timedelta(minutes=14))

    assert not task.release_expired(LATER)


def test_releasing_keeps_the_draft_for_whoever_reads_on(
    session: Session, task: ReadingTask, county: County
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang, findings="左肺")
    task.release(county.wang, NOW)
    task.claim(county.li, NOW)

    assert task.draft is not None
    assert task.draft.findings == "左肺"


def test_a_task_that_still_arrives_can_be_claimed_and_goes_back_to_arriving(
    session: Session, county: County
) -> None:
    task = task_of(session, arrive(session, county))
    task.claim(county.wang, NOW)
    task.release(county.wang, NOW)

    assert task.state is TaskState.ARRIVING


@pytest.mark.parametrize("who", ["radiographer", "ecg_reader", "other_reader", "it", "admin", "auditor"])
def test_only_readers_of_the_centre_claim(task: ReadingTask, county: County, who: str) -> None:
    with pytest.raises(NotAllowed):
        task.claim(county.people[who], NOW)
    assert not offers_of(task, county.people[who], NOW).claim


def test_a_task_without_a_centre_cannot_be_claimed(session: Session) -> None:
    county = build_county(session, agreements=False)
    task = waiting_task(session, county)

    with pytest.raises(NotAllowed):
        task.claim(county.wang, NOW)


def test_only_the_holder_releases_renews_submits_and_sends_back(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    for attempt in (
        lambda: task.release(county.li, NOW),
        lambda: task.renew(county.li, NOW),
        lambda: task.submit(county.li, NOW),
        lambda: task.send_back(county.li, "移动伪影", NOW),
        lambda: task.confirm_late_instances(county.li),
    ):
        with pytest.raises(TaskAlreadyClaimed):
            attempt()


def test_sending_back_needs_a_reason(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    with pytest.raises(Invalid):
        task.send_back(county.wang, "  ", NOW)
    assert task.state is TaskState.CLAIMED


def test_sent_back_says_why_and_is_nobodys(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)
    task.send_back(county.wang, " 移动伪影，请重拍 ", NOW)

    assert (task.state, task.sent_back_reason) == (TaskState.SENT_BACK, "移动伪影，请重拍")
    assert task.claimed_by is None
    with pytest.raises(TaskStateForbids):
        task.claim(county.li, NOW)


@pytest.mark.parametrize("missing", ["findings", "impression"])
def test_an_incomplete_report_cannot_be_submitted(
    session: Session, task: ReadingTask, county: County, missing: str
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang, **{missing: "  \n"})

    with pytest.raises(ReportIncomplete) as refusal:
        task.submit(county.wang, NOW)
    assert refusal.value.field == missing
    assert task.state is TaskState.CLAIMED


def test_nothing_can_be_submitted_without_a_draft(task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)

    with pytest.raises(ReportIncomplete):
        task.submit(county.wang, NOW)


def test_a_reviewer_signs_what_another_wrote(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    draft = task.sign(county.reviewer, NOW)

    assert (task.state, draft.writer) == (TaskState.SIGNED, county.wang)


def test_a_rejected_report_is_its_writers_again_with_the_reason(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    task.reject(county.reviewer, "请描述左肺门", NOW)

    assert (task.state, task.claimed_by, task.claimed_until) == (
        TaskState.CLAIMED,
        county.wang,
        NOW + CLAIM_LEASE,
    )
    assert task.draft is not None
    assert (task.draft.state, task.draft.rejection_reason) == (DraftState.DRAFT, "请描述左肺门")
    task.submit(county.wang, NOW)
    assert task.draft.rejection_reason == ""


def test_rejecting_needs_a_reason(session: Session, county: County) -> None:
    task = submitted_task(session, county)

    with pytest.raises(Invalid):
        task.reject(county.reviewer, "", NOW)
    assert task.state is TaskState.SUBMITTED


def test_a_writer_who_is_also_a_reviewer_can_neither_sign_nor_reject_their_own(
    session: Session, county: County
) -> None:
    add_role(session, county.wang, Role.REVIEWER, county.imaging)
    task = submitted_task(session, county)

    with pytest.raises(WriterCannotReview):
        task.sign(county.wang, NOW)
    with pytest.raises(WriterCannotReview):
        task.reject(county.wang, "我自己", NOW)
    assert not offers_of(task, county.wang, NOW).sign
    assert offers_of(task, county.reviewer, NOW).sign


def test_the_writer_hears_the_rule_even_before_submitting(
    session: Session, task: ReadingTask, county: County
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)

    with pytest.raises(WriterCannotReview):
        task.sign(county.wang, NOW)


def test_everybody_who_wrote_on_a_report_is_its_writer(
    session: Session, task: ReadingTask, county: County
) -> None:
    """One begins, another finishes and submits: neither reviews it."""
    add_role(session, county.wang, Role.REVIEWER, county.imaging)
    add_role(session, county.li, Role.REVIEWER, county.imaging)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)
    task.release(county.wang, NOW)
    task.claim(county.li, NOW)
    task.submit(county.li, NOW)  # handed on as their own, without another save
    session.flush()

    for writer in (county.wang, county.li):
        with pytest.raises(WriterCannotReview):
            task.sign(writer, NOW)
    task.sign(county.reviewer, NOW)


@pytest.mark.parametrize("who", ["li", "ecg_reader", "other_reader", "radiographer", "admin"])
def test_only_a_reviewer_of_the_centre_signs_where_review_is_required(
    session: Session, county: County, who: str
) -> None:
    task = submitted_task(session, county)

    with pytest.raises(NotAllowed):
        task.sign(county.people[who], NOW)
    assert task.state is TaskState.SUBMITTED


def test_a_reviewer_of_another_centre_does_not_sign(session: Session, county: County) -> None:
    add_role(session, county.other_reader, Role.REVIEWER, county.other_imaging)
    task = submitted_task(session, county)

    with pytest.raises(NotAllowed):
        task.sign(county.other_reader, NOW)


def test_what_was_not_submitted_cannot_be_signed_where_review_is_required(
    session: Session, task: ReadingTask, county: County
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)

    with pytest.raises(TaskStateForbids):
        task.sign(county.reviewer, NOW)


def test_where_no_review_is_required_the_writer_signs(session: Session) -> None:
    county = build_county(session, review_required=False)
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)

    assert offers_of(task, county.wang, NOW).sign
    assert not offers_of(task, county.wang, NOW).submit
    task.sign(county.wang, NOW)
    assert task.state is TaskState.SIGNED


def test_where_no_review_is_required_nobody_signs_for_the_holder(session: Session) -> None:
    county = build_county(session, review_required=False)
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)

    with pytest.raises(TaskAlreadyClaimed):
        task.sign(county.reviewer, NOW)


def test_what_was_submitted_is_reviewed_even_when_the_centre_stopped_requiring_it(
    session: Session, county: County
) -> None:
    task = submitted_task(session, county)
    county.imaging.review_required = False

    with pytest.raises(WriterCannotReview):
        task.sign(county.wang, NOW)
    task.sign(county.reviewer, NOW)
    assert task.state is TaskState.SIGNED


def test_a_signed_task_is_not_signed_again(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    task.sign(county.reviewer, NOW)

    with pytest.raises(TaskStateForbids):
        task.sign(county.reviewer, NOW)


def test_each_save_raises_the_revision_and_an_older_one_is_told_the_newer(
    session: Session, task: ReadingTask, county: County
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang, revision=0)
    write_draft(session, task, county.wang, findings="第二次", revision=1)

    with pytest.raises(DraftChanged) as refusal:
        write_draft(session, task, county.wang, findings="旧页面", revision=1)
    assert refusal.value.current is not None
    assert (refusal.value.current.revision, refusal.value.current.findings) == (2, "第二次")


def test_saving_keeps_the_lease(session: Session, task: ReadingTask, county: County) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang, now=NOW + timedelta(minutes=10))

    assert task.claimed_until == NOW + timedelta(minutes=10) + CLAIM_LEASE


def test_a_submitted_draft_can_no_longer_be_edited(session: Session, county: County) -> None:
    task = submitted_task(session, county)

    with pytest.raises(TaskStateForbids):
        save_draft(
            session, task, writer=county.wang, findings="x", impression="y", critical=False, preliminary=False,
            revision=None, now=NOW,
        )  # fmt: skip
