"""What the books of assignment say of an examination: where it goes, how urgent it is, by when, how heavy."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, add_agreement, arrive, task_of, waiting_task
from worklists.assignment.books import ASSIGNMENT, ROUTING, default_assignment, default_routing
from worklists.base import new_id
from worklists.directory import Kind
from worklists.duty import Duty
from worklists.examinations import Priority
from worklists.rule_books import COUNTY, NotADraft, NotTried, go_live, live_content, make_version


def let_live(session: Session, book: str, scope: str, content: dict[str, Any]) -> None:
    row = make_version(session, book, scope, content=content, note="", person=None, now=NOW)
    row.keep_dry_run(content, {})
    go_live(session, row, person=None, now=NOW)
    session.flush()


def centre_book(county: County, session: Session, **changed: Any) -> None:
    let_live(session, ASSIGNMENT, str(county.imaging.id), {**default_assignment(Kind.IMAGING), **changed})


def route(**fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"modalities": [], "body_parts": [], "institutions": [], "words": []}
    return {**empty, "kind": "imaging", "centre": "lead", "subspecialty": "", **fields}


@pytest.mark.parametrize(
    ("modality", "priority", "minutes"),
    [
        ("DX", Priority.ROUTINE, 120),
        ("CT", Priority.ROUTINE, 24 * 60),
        ("CT", Priority.URGENT, 30),
        ("CT", Priority.CRITICAL, 20),
        ("CT", Priority.CHEST_PAIN, 10),
        ("CT\\DX", Priority.ROUTINE, 120),  # the shortest of its modalities
    ],
)
def test_without_a_book_the_usual_times_count(
    session: Session, county: County, modality: str, priority: Priority, minutes: int
) -> None:
    task = waiting_task(session, county, modality=modality, priority=priority)

    assert task.due_at == task.waiting_since + timedelta(minutes=minutes)


def test_a_centre_has_its_own_times(session: Session, county: County) -> None:
    centre_book(
        county,
        session,
        turnaround=[{"priority": "routine", "modality": "", "minutes": 90}],
    )

    assert waiting_task(session, county).due_at == NOW + timedelta(minutes=90)


def test_words_make_an_examination_more_urgent_and_never_less(session: Session, county: County) -> None:
    centre_book(county, session, urgencies=[{**_anything(), "words": ["外伤"], "priority": "urgent"}])

    hurt = waiting_task(session, county, description="头颅 外伤后")
    calm = waiting_task(session, county, description="头颅")

    assert (hurt.examination.priority, hurt.due_at) == (Priority.URGENT, NOW + timedelta(minutes=30))
    assert calm.examination.priority is Priority.ROUTINE


def _anything() -> dict[str, Any]:
    return {"modalities": [], "body_parts": [], "institutions": [], "words": []}


def test_a_route_names_the_sub_specialty_and_the_first_that_fits_counts(
    session: Session, county: County
) -> None:
    routes = [
        route(modalities=["CT", "MR"], body_parts=["HEAD"], subspecialty="神经"),
        route(body_parts=["HEAD"], subspecialty="头颈"),
    ]
    let_live(session, ROUTING, COUNTY, {**default_routing(), "routes": routes})

    assert waiting_task(session, county, modality="CT", body_part="HEAD").subspecialty == "神经"
    assert waiting_task(session, county, modality="DX", body_part="HEAD").subspecialty == "头颈"
    assert waiting_task(session, county, modality="DX", body_part="CHEST").subspecialty == ""


def test_a_route_to_another_centre_needs_an_agreement(session: Session, county: County) -> None:
    there = str(county.other_imaging.id)
    let_live(
        session, ROUTING, COUNTY, {**default_routing(), "routes": [route(modalities=["CT"], centre=there)]}
    )

    without = waiting_task(session, county, modality="CT")
    add_agreement(session, county.other_lead, county.east)
    with_one = waiting_task(session, county, modality="CT")

    assert (without.centre_id, without.waiting_reason) == (None, "no_agreement")
    assert with_one.centre_id == county.other_imaging.id


def test_what_is_too_much_for_one_centre_goes_to_the_other(session: Session, county: County) -> None:
    add_agreement(session, county.other_lead, county.east)
    rule = {
        "from": str(county.imaging.id), "to": str(county.other_imaging.id), "waiting": 2, "oldest_minutes": None,
        "nobody_on_duty": False,
    }  # fmt: skip
    let_live(session, ROUTING, COUNTY, {**default_routing(), "overflows": [rule]})

    centres = [waiting_task(session, county).centre_id for _ in range(4)]

    assert centres == [county.imaging.id] * 3 + [county.other_imaging.id]


def test_nobody_on_duty_is_too_much_for_a_centre(session: Session, county: County) -> None:
    add_agreement(session, county.other_lead, county.east)
    rule = {
        "from": str(county.imaging.id), "to": str(county.other_imaging.id), "waiting": None,
        "oldest_minutes": None, "nobody_on_duty": True,
    }  # fmt: skip
    let_live(session, ROUTING, COUNTY, {**default_routing(), "overflows": [rule]})

    unmanned = arrive(session, county)
    session.add(
        Duty(
            id=new_id(), centre_id=county.imaging.id, person_id=county.wang.id, position=1, weekdays="",
            begins="", ends="",
        )
    )  # fmt: skip
    session.flush()
    manned = arrive(session, county)

    assert task_of(session, unmanned).centre_id == county.other_imaging.id
    assert task_of(session, manned).centre_id == county.imaging.id


def test_weight_is_the_heaviest_modality_and_the_number_of_images(session: Session, county: County) -> None:
    task = waiting_task(session, county, modality="CT", instances=400)

    assert task.weight == pytest.approx(2.0 + 0.5 * 4)


def test_a_version_is_tried_before_it_counts_and_one_counts_at_a_time(
    session: Session, county: County
) -> None:
    first = make_version(session, ROUTING, COUNTY, content={"a": 1}, note="", person=county.admin, now=NOW)
    with pytest.raises(NotTried):
        go_live(session, first, person=county.admin, now=NOW)
    first.keep_dry_run({"a": 1}, {"tasks": 0})
    go_live(session, first, person=county.admin, now=NOW)
    second = make_version(session, ROUTING, COUNTY, content={"a": 2}, note="", person=county.admin, now=NOW)
    second.keep_dry_run({"a": 2}, {"tasks": 0})
    go_live(session, second, person=county.admin, now=NOW)
    session.flush()

    assert (first.state.value, second.state.value, second.version) == ("retired", "live", 2)
    assert live_content(session, ROUTING) == {"a": 2}
    with pytest.raises(NotADraft):
        second.rewrite({"a": 3}, "", revision=second.revision, person=county.admin, now=NOW)


def test_a_draft_that_was_rewritten_must_be_tried_again(session: Session, county: County) -> None:
    row = make_version(session, ROUTING, COUNTY, content={"a": 1}, note="", person=None, now=NOW)
    row.keep_dry_run({"a": 1}, {"tasks": 0})
    row.rewrite({"a": 2}, "两个", revision=row.revision, person=None, now=NOW)

    with pytest.raises(NotTried):
        go_live(session, row, person=None, now=NOW)
