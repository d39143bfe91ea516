"""What is typed finds the same however many it finds: the same as looking at every examination."""

import re
import uuid
from datetime import date

import pytest
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gateway.name_index import index_new
from gateway.runtime import Runtime
from gateway.typed import Limits, Size, read_typed
from tests.builders import County, arrive, build_county, identity
from worklists.access import Subject, visible_to
from worklists.examinations import Examination
from worklists.patients import Patient

CARD = "11010119900307653X"
PEOPLE = (
    ("E1", "Wang^XiaoDong=王^小东", "CT20261121-0015", None),
    ("E2", "王^小东", "DX20261121-0016", None),
    ("E3", "LI^MING=李^明", "A77", CARD),
    ("E4", "LIU^YING=刘^英", "77123", None),
    ("E5", "LI^YANG=李^阳", "", None),
    ("E6", "O'Brien^Sean", "P-77", None),
    ("E7", "欧阳^修", "100%", None),
)
ELSEWHERE = (
    ("W1", "QIN^QIONG=秦^琼", "W9"),
    ("W2", "LUO^CHENG=罗^成", "W10"),
    ("W3", "SHAN^XIONG=单^雄", "W11"),
)
TYPED = (
    "王", "xiaodong", "li", "ly", "l", "7", "77", "a77", "0015", "e3", "653x", "7653X", "秦琼", "luo", "罗", "shan",
    "李 77", "王 dong 0015", "li w10", "nobody", "100%", "o'b", "w9", "w1",
)  # fmt: skip
LIMITS = (Limits(), Limits(few=0), Limits(few=0, first=1), Limits(few=1, many=1))


@pytest.fixture
def county(runtime: Runtime) -> County:
    """People of the east; others of the west, of whom the first two are people of the east as well."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        own = [
            arrive(
                session, county, accession_number=accession,
                patient=identity(patient_id=number, name=name, national_id=card, birth_date=date(1970, 1, n)),
            ).patient
            for n, (number, name, accession, card) in enumerate(PEOPLE, 1)
        ]  # fmt: skip
        others = [
            arrive(
                session, county, institution_id=county.west.id, device_id=county.west_device.id,
                accession_number=accession, patient=identity(patient_id=number, name=name),
            ).patient
            for number, name, accession in ELSEWHERE
        ]  # fmt: skip
        others[0].master_id = own[0].master_id  # the west's is the linked one
        own[1].master_id = others[1].master_id  # the east's is
    return county


def _by_looking(session: Session, q: str, subject: Subject) -> set[uuid.UUID]:
    """Every examination of whom every word is true."""
    patients = {one.id: one for one in session.scalars(select(Patient))}
    known = set(session.scalars(select(Examination.patient_id).where(visible_to(subject))))
    return {
        one.id
        for one in session.scalars(select(Examination))
        if all(_is_of(word, one, patients, known) for word in q.lower().split())
    }


def _is_of(
    word: str, examination: Examination, patients: dict[uuid.UUID, Patient], known: set[uuid.UUID]
) -> bool:
    own = patients[examination.patient_id]
    linked = [one for one in patients.values() if one.master_id == own.master_id and one is not own]
    if _is_called(word, own) or any(_is_called(word, one) for one in linked if one.id in known):
        return True
    number = examination.accession_number.lower()
    digits = number.lstrip("abcdefghijklmnopqrstuvwxyz-_./# ")
    may_be_number = any(one.isdigit() for one in word)
    return may_be_number and (number.startswith(word) or digits.startswith(word) or number.endswith(word))


def _is_called(word: str, patient: Patient) -> bool:
    tail = re.fullmatch(r"[0-9]{3,17}[0-9x]", word) and (patient.national_id or "").endswith(word.upper())
    return word in patient.search_text or bool(tail)


def _found(session: Session, conditions: list[ColumnElement[bool]]) -> set[uuid.UUID]:
    return set(session.scalars(select(Examination.id).where(*conditions)))


@pytest.mark.parametrize("indexed", [True, False])
def test_each_way_finds_what_looking_at_everything_finds(
    runtime: Runtime, county: County, indexed: bool
) -> None:
    while indexed and index_new(runtime):
        pass
    for subject in (Subject.of(county.radiographer), Subject.of(county.other_reader)):
        with runtime.reading() as session:
            for q in TYPED:
                expected = _by_looking(session, q, subject)
                for limits in LIMITS:
                    typed = read_typed(session, q, subject, limits)
                    case = (q, limits)
                    assert (case, _found(session, typed.found)) == (case, expected)
                    assert (case, _found(session, typed.tested)) == (case, expected)
                    assert (case, _found(session, typed.listed)) == (case, expected)
                    assert (case, _found(session, typed.ways[-1]())) == (case, expected)
                    assert _found(session, typed.some) <= expected, case


@pytest.mark.parametrize("limits", [*LIMITS, Limits(few=4, many=5)])
def test_of_what_an_institution_made_its_own_people_are_enough(
    runtime: Runtime, county: County, limits: Limits
) -> None:
    while index_new(runtime):
        pass
    with runtime.reading() as session:
        for subject in (Subject.of(county.radiographer), Subject.of(county.other_reader)):
            for q in TYPED:
                typed = read_typed(session, q, subject, limits, made_at=county.east.id)
                own = select(Examination.id).where(Examination.institution_id == county.east.id)
                expected = _by_looking(session, q, subject) & set(session.scalars(own))
                for found in (typed.found, typed.tested, typed.listed):
                    assert (q, set(session.scalars(own.where(*found)))) == (q, expected)


def test_the_index_knows_how_many_are_called_so(runtime: Runtime, county: County) -> None:
    while index_new(runtime):
        pass
    subject = Subject.of(county.li)
    with runtime.reading() as session:

        def size(q: str, **limits: int) -> Size:
            return read_typed(session, q, subject, Limits(**limits)).size

        assert size("王") is Size.FEW
        assert size("王", few=1) is Size.MANY
        assert size("王", few=1, many=1) is Size.NEARLY_ALL
        assert size("l") is Size.NEARLY_ALL
        assert size("l 欧阳修") is Size.FEW
        assert size("77", few=0) is Size.MANY
        assert read_typed(session, " ", subject).words == ()


def test_another_name_of_the_same_person_finds_nothing_for_who_may_not_see_that_one(
    runtime: Runtime, county: County
) -> None:
    """The reader of the west knows 罗成, whom the east calls 王小东; the reader of the east does not."""
    with runtime.reading() as session:

        def found(reader: Subject) -> set[str]:
            typed = read_typed(session, "罗成", reader)
            query = select(Patient.patient_id).join(Examination, Examination.patient_id == Patient.id)
            return set(session.scalars(query.where(*typed.found)))

        assert found(Subject.of(county.other_reader)) == {"W2", "E2"}
        assert found(Subject.of(county.li)) == {"W2"}  # which a list of theirs does not show
