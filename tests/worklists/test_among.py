"""One of many ids: the same rows on both databases, however many there are."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import County, identity
from worklists.among import among
from worklists.base import new_id
from worklists.patients import Patient, get_or_create


def test_those_and_nobody_else_are_found(session: Session, county: County) -> None:
    ids = [
        get_or_create(session, county.east.id, identity(patient_id=f"P{number}")).id for number in range(5)
    ]
    session.flush()

    def found(wanted: list[object]) -> set[object]:
        return set(session.scalars(select(Patient.id).where(among(session, Patient.id, wanted))))  # type: ignore[arg-type]

    assert found(ids[1:3]) == set(ids[1:3])
    assert found([ids[0], *(new_id() for _ in range(40_000))]) == {ids[0]}
    assert found([]) == set()
