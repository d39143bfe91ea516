"""What arrives, and when: late objects in every state, completeness, routing, priority."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import (
    NOW,
    County,
    add_agreement,
    arrival,
    arrive,
    build_county,
    late,
    signed_report,
    submitted_task,
    task_of,
    waiting_task,
    write_draft,
)
from worklists import routing
from worklists.directory import Kind
from worklists.drafts import DraftState
from worklists.errors import NotAllowed
from worklists.examinations import (
    Association,
    Examination,
    Priority,
    add_alias,
    age_text,
    get_examination,
    is_whole,
    note_arrivals,
    settle_times,
)
from worklists.offering import offers_of
from worklists.reading import Purpose, ReadingTask, ReportIncomplete, TaskState
from worklists.reports import ReportState

QUIET, LONG_QUIET = timedelta(seconds=5), timedelta(seconds=60)


def _settles_in(session: Session, examination: Examination) -> timedelta:
    times = settle_times(session, [examination], quiet_period=QUIET, unreleased_quiet_period=LONG_QUIET)
    return times[examination.id] - examination.last_received_at


def _association(session: Session, name: str, *, how: str = "", closed_after_s: float | None = None) -> str:
    closed_at = NOW + timedelta(seconds=closed_after_s) if closed_after_s is not None else None
    session.add(Association(id=name, opened_at=NOW, closed_at=closed_at, how=how))
    session.flush()
    return name


def test_the_task_is_there_from_the_first_object(session: Session, county: County) -> None:
    task = task_of(session, arrive(session, county, instances=1))

    assert (task.state, task.centre, task.waiting_reason) == (TaskState.ARRIVING, county.imaging, "")
    assert task.examination.instances == 1


def test_late_objects_of_a_waiting_examination_make_it_arriving_again(
    session: Session, task: ReadingTask
) -> None:
    since = task.waiting_since
    late_task = routing.route_arrival(session, task.examination, instances=3, now=NOW + timedelta(hours=1))

    assert late_task is task
    assert (task.state, task.late_instances, task.waiting_since) == (TaskState.ARRIVING, 0, since)


def test_late_objects_while_reading_must_be_confirmed_before_going_on(
    session: Session, county: County, task: ReadingTask
) -> None:
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)
    late(session, county, task.examination, instances=3)

    assert (task.state, task.late_instances) == (TaskState.CLAIMED, 3)
    with pytest.raises(ReportIncomplete) as refusal:
        task.submit(county.wang, NOW)
    assert refusal.value.field == "late_instances"
    task.confirm_late_instances(county.wang)
    task.submit(county.wang, NOW)


def test_late_objects_while_submitted_give_it_back_to_its_writer(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    late(session, county, task.examination, instances=2)

    assert (task.state, task.claimed_by, task.late_instances) == (TaskState.CLAIMED, county.wang, 2)
    assert task.draft is not None
    assert task.draft.state is DraftState.DRAFT


def test_late_objects_after_signing_leave_the_report_and_give_its_signer_a_task(
    session: Session, county: County
) -> None:
    report = signed_report(session, county)
    extra = late(session, county, report.examination, instances=4)

    assert report.state is ReportState.SIGNED
    assert extra.id != report.task_id
    assert (extra.purpose, extra.state) == (Purpose.ADDITIONAL_IMAGES, TaskState.CLAIMED)
    assert (extra.claimed_by_id, extra.late_instances) == (county.reviewer.id, 4)
    assert not extra.release_expired(NOW + timedelta(days=3))
    extra.confirm_late_instances(county.reviewer)
    assert extra.state is TaskState.SIGNED


def test_additional_images_have_no_report_and_cannot_be_sent_back(session: Session, county: County) -> None:
    extra = late(session, county, signed_report(session, county).examination)

    with pytest.raises(NotAllowed):
        write_draft(session, extra, county.reviewer)
    with pytest.raises(NotAllowed):
        extra.send_back(county.reviewer, "重拍", NOW)
    offers = offers_of(extra, county.reviewer, NOW)
    assert not any((offers.edit, offers.submit, offers.sign, offers.send_back))


def test_more_additional_images_join_the_open_task(session: Session, county: County) -> None:
    examination = signed_report(session, county).examination
    first = late(session, county, examination, instances=1)
    second = late(session, county, examination, instances=2)

    assert first is second
    assert first.late_instances == 3


def test_what_was_sent_back_arrives_anew_with_a_new_clock(
    session: Session, county: County, task: ReadingTask
) -> None:
    task.claim(county.wang, NOW)
    task.send_back(county.wang, "移动伪影", NOW)
    later = NOW + timedelta(hours=5)
    again = routing.route_arrival(session, task.examination, instances=1, now=later)

    assert again is task
    assert (task.state, task.sent_back_reason, task.waiting_since) == (TaskState.ARRIVING, "", later)
    assert task.due_at == later + timedelta(hours=2)


def test_the_quiet_period_begins_at_the_last_release(session: Session, county: County) -> None:
    one = _association(session, "a", how="released", closed_after_s=2)
    two = _association(session, "b", how="released", closed_after_s=7)
    examination = arrive(session, county, association_ids=frozenset({one, two}))

    assert _settles_in(session, examination) == timedelta(seconds=7) + QUIET


@pytest.mark.parametrize(("how", "closed_after_s"), [("", None), ("aborted", 1), ("lost", 1)])
def test_an_association_that_was_not_released_waits_longer(
    session: Session, county: County, how: str, closed_after_s: float | None
) -> None:
    one = _association(session, "a", how="released", closed_after_s=2)
    two = _association(session, "b", how=how, closed_after_s=closed_after_s)
    examination = arrive(session, county, association_ids=frozenset({one, two}))

    assert _settles_in(session, examination) == LONG_QUIET


def test_an_association_that_the_journal_has_not_told_of_yet_waits_longer(
    session: Session, county: County
) -> None:
    examination = arrive(session, county, association_ids=frozenset({"unheard-of"}))

    assert _settles_in(session, examination) == LONG_QUIET


def test_an_upload_settles_after_the_quiet_period(session: Session, county: County) -> None:
    assert _settles_in(session, arrive(session, county)) == QUIET


def test_a_stated_total_makes_an_examination_whole(session: Session, county: County) -> None:
    examination = arrive(session, county, instances=2, expected_instances=3)
    assert not is_whole(examination)

    late(session, county, examination)
    assert is_whole(examination)


def test_without_a_total_nothing_is_whole_by_count(session: Session, county: County) -> None:
    assert not is_whole(arrive(session, county, instances=100))


def test_modalities_of_a_study_are_joined_and_blanks_are_filled_later(
    session: Session, county: County
) -> None:
    examination = arrive(session, county, modality="CT", description="")
    late_arrival = arrival(county, modality="SR\\CT", description="胸部平扫")
    note_arrivals(session, [(late_arrival, examination)])

    assert (examination.modality, examination.description) == ("CT\\SR", "胸部平扫")


def test_an_id_minted_at_the_door_still_finds_the_examination_that_it_joined(
    session: Session, county: County
) -> None:
    examination = arrive(session, county)
    minted = arrival(county).examination_id
    add_alias(session, minted, examination)
    add_alias(session, minted, examination)  # the drain may say it twice

    assert get_examination(session, minted) is examination


def test_without_an_agreement_it_waits_and_says_why(session: Session) -> None:
    county = build_county(session, agreements=False)
    task = waiting_task(session, county)

    assert (task.state, task.centre_id, task.waiting_reason) == (TaskState.WAITING, None, "no_agreement")


def test_an_agreement_that_comes_later_routes_it(session: Session) -> None:
    county = build_county(session, agreements=False)
    task = waiting_task(session, county)
    add_agreement(session, county.lead, county.east)
    routing.assign_centre(session, task, NOW)

    assert (task.centre, task.waiting_reason) == (county.imaging, "")


@pytest.mark.parametrize(
    ("kind", "valid_from", "valid_to", "routed"),
    [
        (None, date(2026, 1, 1), None, True),
        (Kind.IMAGING, date(2026, 11, 21), date(2026, 11, 21), True),  # both ends inclusive
        (Kind.ECG, date(2026, 1, 1), None, False),
        (None, date(2026, 11, 22), None, False),
        (None, date(2026, 1, 1), date(2026, 11, 20), False),
    ],
)
def test_an_agreement_counts_for_its_kind_and_its_days(
    session: Session, kind: Kind | None, valid_from: date, valid_to: date | None, routed: bool
) -> None:
    county = build_county(session, agreements=False)
    add_agreement(session, county.lead, county.east, kind=kind, valid_from=valid_from, valid_to=valid_to)

    assert (waiting_task(session, county).centre is county.imaging) is routed


def test_the_day_of_an_agreement_is_the_countys_day(session: Session) -> None:
    """At 17:00 UTC it is already the next morning in the county."""
    county = build_county(session, agreements=False)
    add_agreement(session, county.lead, county.east, valid_from=date(2026, 11, 22))
    task = waiting_task(session, county)
    routing.assign_centre(session, task, NOW.replace(hour=17))

    assert task.centre is county.imaging


def test_another_lead_hospitals_agreement_does_not_count(session: Session) -> None:
    county = build_county(session, agreements=False)
    add_agreement(session, county.other_lead, county.east)

    assert waiting_task(session, county).waiting_reason == "no_agreement"


def test_each_kind_goes_to_its_centre_and_a_missing_one_is_said(session: Session, county: County) -> None:
    assert waiting_task(session, county, kind=Kind.ECG).centre is county.ecg
    assert waiting_task(session, county, kind=Kind.PATHOLOGY).waiting_reason == "no_centre"


def test_a_disabled_centre_gets_nothing(session: Session, county: County) -> None:
    county.imaging.enabled = False
    session.flush()

    assert waiting_task(session, county).waiting_reason == "no_centre"


def test_a_township_without_a_lead_hospital_says_so(session: Session, county: County) -> None:
    county.east.lead_id = None
    session.flush()

    assert waiting_task(session, county).waiting_reason == "no_lead_hospital"


def test_a_lead_hospitals_own_examinations_need_no_agreement(session: Session) -> None:
    county = build_county(session, agreements=False)

    assert waiting_task(session, county, institution_id=county.lead.id).centre is county.imaging


def test_an_urgent_examination_moves_up_and_is_due_sooner(session: Session, task: ReadingTask) -> None:
    routing.set_priority(session, task.examination, Priority.CHEST_PAIN)

    assert task.rank < Priority.URGENT.rank < Priority.ROUTINE.rank
    assert task.due_at == task.waiting_since + timedelta(minutes=10)


def test_the_priority_of_what_was_sent_back_holds_when_it_comes_again(
    session: Session, county: County, task: ReadingTask
) -> None:
    task.claim(county.wang, NOW)
    task.send_back(county.wang, "移动伪影", NOW)
    routing.set_priority(session, task.examination, Priority.URGENT)
    late(session, county, task.examination)

    assert (task.rank, task.due_at) == (Priority.URGENT.rank, NOW + timedelta(minutes=30))


@pytest.mark.parametrize(
    ("born", "text"),
    [
        (date(2026, 11, 21), "0天"),
        (date(2026, 11, 18), "3天"),
        (date(2026, 6, 1), "5月"),
        (date(2024, 11, 20), "24月"),
        (date(2023, 11, 22), "35月"),
        (date(2023, 11, 21), "3岁"),
        (date(1979, 11, 22), "46岁"),
        (date(2027, 1, 1), None),
        (None, None),
    ],
)
def test_ages_read_as_chinese_reports_print_them(born: date | None, text: str | None) -> None:
    assert age_text(born, date(2026, 11, 21)) == text
