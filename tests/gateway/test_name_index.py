"""The index of names narrows who is compared, and changes nothing of who is found."""

import pytest
from sqlalchemy import ColumnElement, func, select

from gateway.dicomweb.matching import match_name, match_words
from gateway.name_index import TOGETHER, index_new
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS, schedule_standing
from tests.builders import County, build_county
from worklists import patients
from worklists.name_words import PatientWord
from worklists.patients import Patient, PatientIdentity, matches, may_be_called

CARD = "11010119900307653X"
NAMES = (
    "Wang^XiaoDong=王^小东", "王^小东", "LI^MING=李^明=り^めい", "LI  MING^^^^JR", "O'Brien^Seán", "单^于一=單^于一",
    "欧阳^修", "尉迟^恭=尉遲^恭", "ZHANG^SAN,B", "Müller^Ägidius", "A^B", "李明", "", "=仇^德海", "X" * 70, "100%^_",
)  # fmt: skip
_TYPED = (
    "王|小东|王小东|wang|xiaodong|dong|wxd|xd|li ming|ming li|p-1|-1|653x|7653X|0307653|é|müll|ller|gidius|brien|o'b"
    "|nobody|a|%|_|n,b|尉|恭 尉迟|り|め|欧阳修|1|12|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)
_ASKED = (
    "Wang*|WANG^XIAODONG|*xiaodong*|王^小东|王小东|*小东|王?东|王^*|LI^MING|li*|*MING*|り^めい|り*|?^B|O'BRIEN^*"
    "|o'brien^se?n|MÜLLER^*|*ägidius|LI MING*|*,B|ZHANG^SAN,B|100%*|X*|仇*|*德海|nobody|*^明|尉迟恭|*"
)


def _who(patient_id: str, name: str, card: str | None = None) -> PatientIdentity:
    return PatientIdentity(patient_id=patient_id, name=name, sex=None, birth_date=None, national_id=card)


@pytest.fixture
def county(runtime: Runtime) -> County:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        for number, name in enumerate(NAMES):
            identity = _who(f"P-{number}", name, CARD if number == 3 else None)
            patients.create(session, county.east.id, identity)
    return county


def _found(runtime: Runtime, *conditions: ColumnElement[bool]) -> list[str]:
    with runtime.reading() as session:
        return list(
            session.scalars(select(Patient.patient_id).where(*conditions).order_by(Patient.patient_id))
        )


def _asked(value: str) -> list[ColumnElement[bool]]:
    return [may_be_called(value), match_name(Patient.name, value, "PatientName")]


def _asked_fuzzily(value: str) -> list[ColumnElement[bool]]:
    return [may_be_called(value), match_words(Patient.search_text, value)]


def _indexed(runtime: Runtime) -> None:
    while index_new(runtime):
        pass


def test_the_index_finds_whoever_was_found_without_it(runtime: Runtime, county: County) -> None:
    typed, asked = _TYPED.split("|"), _ASKED.split("|")

    def answers() -> dict[str, list[str]]:
        return {
            **{f"typed {q}": _found(runtime, *matches(q)) for q in typed},
            **{f"asked {value}": _found(runtime, *_asked(value)) for value in asked},
            **{f"fuzzy {value}": _found(runtime, *_asked_fuzzily(value)) for value in (*asked, *typed)},
        }

    without = answers()
    _indexed(runtime)

    assert answers() == without
    assert without["typed xiaodong"] == ["P-0", "P-1"]
    assert without["typed 7653X"] == ["P-3"]
    assert without["asked *^明"] == ["P-2"]
    assert without["asked り*"] == ["P-2"]


def test_the_index_decides_who_is_compared_once_it_knows_somebody(runtime: Runtime, county: County) -> None:
    _indexed(runtime)
    with runtime.sessions.begin() as session:
        session.query(PatientWord).delete()

    assert _found(runtime, *matches("xiaodong")) == []
    assert _found(runtime, *_asked("王^小东")) == []


def test_who_is_called_otherwise_is_found_at_once_by_the_new_name_and_not_by_the_old(
    runtime: Runtime, county: County
) -> None:
    _indexed(runtime)
    with runtime.sessions.begin() as session:
        patient = session.scalars(select(Patient).where(Patient.patient_id == "P-0")).one()
        patients.rewrite(patient, _who("P-0", "Zhao^Lei=赵^雷"))

    for _ in range(2):
        assert _found(runtime, *matches("赵雷")) == ["P-0"]
        assert _found(runtime, *matches("xiaodong")) == ["P-1"]
        _indexed(runtime)


def test_the_standing_task_fills_it_in_some_at_a_time(runtime: Runtime, county: County) -> None:
    with runtime.sessions.begin() as session:
        for number in range(TOGETHER + 20):
            patients.create(session, county.east.id, _who(f"N{number}", "王^五"))
        schedule_standing(session, runtime)
    assert index_new(runtime)
    assert len(_found(runtime, Patient.worded_at.is_(None))) == len(NAMES) + 20
    sweep_once(runtime, TASKS)

    assert _found(runtime, Patient.worded_at.is_(None)) == []
    with runtime.reading() as session:
        assert (
            session.scalar(select(func.count()).where(PatientWord.word == "王五".encode())) == TOGETHER + 20
        )
