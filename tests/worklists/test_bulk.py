"""Many rows at once: what is written is what is read, on both databases."""

from collections.abc import Iterable
from dataclasses import make_dataclass
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from tests.builders import County
from tests.laboratory import register
from worklists import bulk
from worklists.base import new_id
from worklists.laboratory.dictionary import LabItem, LabRange
from worklists.laboratory.specimens import LabSpecimen
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


def said(county: County, names: Iterable[str]) -> list[object]:
    """The same as values of a class."""
    rows = [patient(county, name) for name in names]
    kind = make_dataclass("Said", list(rows[0]), slots=True)
    return [kind(**row) for row in rows]


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


def test_what_all_rows_have_in_common_comes_back_in_each(session: Session, county: County) -> None:
    """And in those of a set that is too small, or where one is different."""
    rows = [
        patient(county, f"{number}", sex="M", phone="仇", birth_date=date(1970, 1, 31), matched_at=AT)
        for number in range(bulk.FEWEST_IN_COMMON)
    ]
    rows[-1]["phone"] = ""
    bulk.insert_rows(session, Patient, rows)

    found = session.scalars(select(Patient).where(Patient.id.in_([row["id"] for row in rows])))
    read = [(one.name, one.sex, one.phone, one.birth_date, one.matched_at) for one in found]
    assert sorted(read) == sorted((row["name"], "M", row["phone"], date(1970, 1, 31), AT) for row in rows)


def test_what_is_sent_is_there_when_its_sender_is_left(session: Session, county: County) -> None:
    def count(pattern: str) -> int | None:
        return session.scalar(select(func.count()).where(Patient.patient_id.like(pattern)))

    with bulk.Sender(session=session) as sender:
        sender.insert_values(Patient, said(county, (f"A{n}" for n in range(30))))
        assert count("A%") == 30
        sender.insert_values(Patient, said(county, (f"AB{n}" for n in range(30))))
        bulk.insert_rows(session, Patient, [patient(county, "AC")])
    assert count("A%") == 61


def test_what_was_wrong_with_what_is_sent_is_heard(session: Session, county: County) -> None:
    [one] = said(county, ["A"])
    with pytest.raises(IntegrityError), bulk.Sender(session=session) as sender:
        sender.insert_values(Patient, [one, one])


def test_a_row_that_somebody_else_changed_is_not_written_over(session: Session, county: County) -> None:
    rows = [register(session, county, barcode) for barcode in ("1", "2")]
    changes = [{"id": one.id, "version": 1, "reason": "x"} for one in rows]
    bulk.update_versions(session, LabSpecimen, changes)
    with pytest.raises(StaleDataError):
        bulk.update_versions(session, LabSpecimen, [changes[0], {**changes[1], "version": 2}])
