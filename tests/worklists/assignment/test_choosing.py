"""Who gets a task, and why."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, add_role, identity, signed_report, waiting_task
from worklists.assignment.books import CentreRules
from worklists.assignment.choosing import Choice, Chooser
from worklists.assignment.qualifications import ReaderQualification
from worklists.base import new_id
from worklists.directory import Person, Role
from worklists.duty import Absence, Duty
from worklists.reading import ReadingTask


def put_on_duty(session: Session, county: County, *people: Person) -> None:
    for position, person in enumerate(people, start=1):
        session.add(
            Duty(
                id=new_id(), centre_id=county.imaging.id, person_id=person.id, position=position, weekdays="",
                begins="", ends="",
            )
        )  # fmt: skip
    session.flush()


def qualify(session: Session, county: County, person: Person, **fields: Any) -> None:
    values = {"modalities": [], "subspecialties": [], **fields}
    session.add(ReaderQualification(id=new_id(), centre_id=county.imaging.id, person_id=person.id, **values))
    session.flush()


def choose(session: Session, county: County, *tasks: ReadingTask, **rules: Any) -> list[Choice]:
    chooser = Chooser(session=session, centre=county.imaging, rules=CentreRules(**rules), now=NOW)
    return [choice for _, choice in chooser.choose(tasks)]


def test_work_is_shared_by_what_each_has_in_hand(session: Session, county: County) -> None:
    put_on_duty(session, county, county.wang, county.li)
    in_hand = waiting_task(session, county, modality="CT", instances=0)
    in_hand.claim(county.wang, NOW)
    session.flush()
    tasks = [
        waiting_task(session, county, instances=0, patient=identity(patient_id=str(n))) for n in range(4)
    ]

    chosen = choose(session, county, *tasks)

    # 王 has a CT of two points: the first two are 李's, then both take turns by the order of the roster.
    assert [choice.person for choice in chosen] == [county.li, county.li, county.wang, county.li]
    assert chosen[0].because == {
        "reasons": ["of_the_centre", "on_duty", "least_load"],
        "load": 0,
        "considered": 2,
    }


@pytest.mark.parametrize(
    ("line", "able"),
    [
        ({"modalities": ["CT"]}, False),
        ({"modalities": ["DX"]}, True),
        ({"subspecialties": ["神经"]}, False),
        ({"subspecialties": ["胸部"]}, True),
        ({"valid_to": date(2026, 11, 20)}, False),
        ({"valid_from": date(2026, 11, 22)}, False),
        ({"valid_from": date(2026, 11, 21), "valid_to": date(2026, 11, 21)}, True),
    ],
)
def test_only_who_is_qualified_today(
    session: Session, county: County, line: dict[str, Any], able: bool
) -> None:
    put_on_duty(session, county, county.wang)
    qualify(session, county, county.wang, **line)
    task = waiting_task(session, county)
    task.subspecialty = "胸部"

    [choice] = choose(session, county, task)

    assert choice.person == (county.wang if able else None)
    assert able or choice.because == {"nobody": "nobody_qualified"}


def test_who_may_have_made_the_images_does_not_read_them(session: Session, county: County) -> None:
    put_on_duty(session, county, county.wang, county.li)
    county.wang.institution_id = county.east.id
    add_role(session, county.wang, Role.RADIOGRAPHER)

    [choice] = choose(session, county, waiting_task(session, county))

    assert choice.person == county.li


def test_who_knows_the_patient_comes_before_who_has_less_to_do(session: Session, county: County) -> None:
    put_on_duty(session, county, county.li, county.wang)
    signed_report(session, county)  # written by 王
    again = waiting_task(session, county)

    [known] = choose(session, county, again)
    [unknown] = choose(session, county, again, continuity=False)

    assert (known.person, known.because["reasons"][-1]) == (county.wang, "knows_the_patient")
    assert unknown.person == county.li


def test_who_stands_in_has_the_place_of_who_is_away(session: Session, county: County) -> None:
    put_on_duty(session, county, county.wang)
    session.add(
        Absence(
            id=new_id(), centre_id=county.imaging.id, person_id=county.wang.id, cover_id=county.li.id,
            first_day=date(2026, 11, 20), last_day=date(2026, 11, 21),
        )
    )  # fmt: skip
    session.flush()

    [choice] = choose(session, county, waiting_task(session, county))

    assert choice.person == county.li
    assert choice.because["covers_for"] == "王医师"


def test_nobody_has_more_in_hand_than_the_centre_says(session: Session, county: County) -> None:
    put_on_duty(session, county, county.wang)
    tasks = [
        waiting_task(session, county, instances=0, patient=identity(patient_id=str(n))) for n in range(3)
    ]

    chosen = choose(session, county, *tasks, most_open=2.0)

    assert [choice.person for choice in chosen] == [county.wang, county.wang, None]
    assert chosen[-1].because == {"nobody": "all_full"}


def test_without_a_roster_it_stays_in_the_pool(session: Session, county: County) -> None:
    [choice] = choose(session, county, waiting_task(session, county))

    assert choice.because == {"nobody": "nobody_on_duty"}


def test_who_gave_it_back_does_not_get_it_again(session: Session, county: County) -> None:
    put_on_duty(session, county, county.wang, county.li)
    task = waiting_task(session, county)
    task.assign(county.wang, {"reasons": []}, reserved=True, now=NOW)
    task.claim(county.wang, NOW)
    task.release(county.wang, NOW + timedelta(minutes=1))
    session.flush()

    [choice] = choose(session, county, task)

    assert choice.person == county.li
