"""Many rows at once: what is written is what is read, on both databases."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from tests.builders import County
from worklists import bulk
from worklists.base import new_id
from worklists.laboratory.dictionary import LabItem, LabRange
from worklists.patients import Patient

AT = datetime(2026, 11, 21, 6, 30, 1, 250_000, tzinfo=UTC)
NASTY = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "a,b",
    "'",
    "仇^明",
    "𠮷",
    "a\nb\r\tc",
    "%s",
    "🩸\\N",
]


def patient(county: County, name: str, **fields: object) -> dict[str, object]:
    own_id = new_id()
    return {
        "id": own_id, "master_id": own_id, "institution_id": county.east.id, "patient_id": name, "name": name,
        "sex": None, "birth_date": None, "search_text": "", "issuer": "", "phone": "", "proposed_name": "",
        "matched_at": None, **fields,
    }  # fmt: skip


def test_text_comes_back_as_it_was(session: Session, county: County) -> None:
    rows = [patient(county, text) for text in NASTY]
    bulk.insert_rows(session, Patient, rows)
    bulk.update_rows(session, Patient, [{"id": row["id"], "phone": row["name"]} for row in rows])

    ids = [row["id"] for row in rows]
    found = {one.id: one for one in session.scalars(select(Patient).where(Patient.id.in_(ids)))}
    assert [found[row["id"]].name for row in rows] == NASTY
    assert [found[row["id"]].phone for row in rows] == NASTY


def test_times_days_and_what_is_missing(session: Session, county: County) -> None:
    known = patient(county, "A", sex="M", birth_date=date(1970, 1, 31), matched_at=AT)
    bulk.insert_rows(session, Patient, [known, patient(county, "B"), {**known, "id": new_id()}])

    found = session.scalars(
        select(Patient).where(Patient.patient_id.in_(["A", "B"])).order_by(Patient.patient_id)
    )
    assert [(one.sex, one.birth_date, one.matched_at) for one in found] == [
        ("M", date(1970, 1, 31), AT), ("M", date(1970, 1, 31), AT), (None, None, None),
    ]  # fmt: skip


def test_numbers_truths_and_lists(session: Session) -> None:
    item = LabItem(code="X", name="X")
    session.add(item)
    session.flush()
    numbers = [0.1, -1.5e-20, 1e300, None, 3.0]
    bulk.insert_rows(
        session,
        LabRange,
        [
            {
                "id": new_id(), "item_code": "X", "position": place, "sex": "", "from_days": 0, "to_days": None,
                "low": number, "high": None, "text": "", "critical_low": None, "critical_high": None,
                "critical_values": NASTY, "source": "", "unconfirmed": bool(place % 2),
            }
            for place, number in enumerate(numbers)
        ],
    )  # fmt: skip

    found = session.scalars(
        select(LabRange).where(LabRange.item_code == "X").order_by(LabRange.position)
    ).all()
    assert [one.low for one in found] == numbers
    assert [one.unconfirmed for one in found] == [False, True, False, True, False]
    assert all(one.critical_values == NASTY for one in found)


def test_what_postgresql_cannot_hold_is_an_error_of_the_value(session: Session, county: County) -> None:
    if session.get_bind().dialect.name != "postgresql":
        pytest.skip("SQLite keeps every character")
    with pytest.raises(DataError):
        bulk.insert_rows(session, Patient, [patient(county, "a\0b")])
