"""Patients: who is the same and who is not, how names are read, what finds somebody, and corrections."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, arrive, identity
from worklists.errors import Invalid
from worklists.examinations import Examination, IdentityChange, correct_identity
from worklists.names import display_name, masked_name, pinyin_of
from worklists.patients import Patient, contradictions, get_or_create, search_text


@pytest.mark.parametrize(
    ("known", "claimed"),
    [
        ("仇^明", "QIU^MING"),
        ("仇^明", "CHOU^MING"),  # read as an ordinary word: careless, not another person
        ("仇明", "MING^QIU"),
        ("QIU^MING=仇^明", "仇明"),
        ("QIU^MING=仇^明", "QIU MING"),
        ("ZHANG^XIAO MING", "ZHANG^XIAOMING"),
        ("ZHANG^SAN", "zhang^san^^"),
        ("ＺＨＡＮＧ＾ＳＡＮ", "ZHANG^SAN"),
        ("吕^布", "LV^BU"),
        ("吕^布", "LYU^BU"),
        ("吕^布", "LU^BU"),
        ("单^雄信", "SHAN^XIONGXIN"),
        ("曾^国藩", "ZENG^GUOFAN"),
        ("尉迟^恭", "YUCHI^GONG"),
        ("万俟^卨", "MOQI^XIE"),
        ("解^珍", "XIE^ZHEN"),
        ("查^良镛", "ZHA^LIANGYONG"),
        ("阿卜杜拉·买买提", "阿卜杜拉买买提"),
        ("", "ZHANG^SAN"),
        ("^^", "张三"),
    ],
)
def test_one_person_written_in_two_ways_is_no_contradiction(known: str, claimed: str) -> None:
    assert contradictions(identity(name=known), identity(name=claimed)) == ()
    assert contradictions(identity(name=claimed), identity(name=known)) == ()


@pytest.mark.parametrize(
    ("known", "claimed"),
    [
        ("仇^明", "WANG^MING"),
        ("仇^明", "王^明"),
        ("张^伟", "章^伟"),  # the same sound is not the same name
        ("ZHANG^WEI=张^伟", "ZHANG^WEI=章^伟"),
        ("ZHANG^SAN", "LI^SI"),
        ("吕^布", "LI^BU"),
        ("张^三", "ZHANG^SANFENG"),
    ],
)
def test_two_different_names_contradict(known: str, claimed: str) -> None:
    assert contradictions(identity(name=known), identity(name=claimed)) == ("name",)
    assert contradictions(identity(name=claimed), identity(name=known)) == ("name",)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"sex": None}, ()),
        ({"sex": "O"}, ()),
        ({"sex": ""}, ()),
        ({"birth_date": None}, ()),
        ({"sex": "F"}, ("sex",)),
        ({"birth_date": date(1979, 4, 3)}, ("birth_date",)),
        ({"sex": "F", "birth_date": date(1980, 1, 1), "name": "李^四"}, ("birth_date", "sex", "name")),
    ],
)
def test_what_is_unknown_contradicts_nothing(fields: dict[str, object], found: tuple[str, ...]) -> None:
    assert contradictions(identity(), identity(**fields)) == found


def test_the_same_number_of_the_same_issuer_is_the_same_patient(session: Session, county: County) -> None:
    first = get_or_create(session, county.east.id, identity(sex=None, birth_date=None))
    second = get_or_create(session, county.east.id, identity(name="QIU^MING"))

    assert second is first
    assert (first.sex, first.birth_date) == ("M", date(1979, 3, 4))  # completed by the later statement


def test_the_same_number_of_another_issuer_is_another_patient(session: Session, county: County) -> None:
    mine = get_or_create(session, county.east.id, identity())
    theirs = get_or_create(session, county.west.id, identity())

    assert mine is not theirs


def test_a_contradiction_makes_a_second_patient_and_each_is_found_again(
    session: Session, county: County
) -> None:
    ming = get_or_create(session, county.east.id, identity())
    li = get_or_create(session, county.east.id, identity(name="李^四", sex="F"))

    assert ming is not li
    assert get_or_create(session, county.east.id, identity()) is ming
    assert get_or_create(session, county.east.id, identity(name="李四", sex=None)) is li


def test_without_a_number_nobody_is_known_again(session: Session, county: County) -> None:
    first = get_or_create(session, county.east.id, identity(patient_id=""))

    assert get_or_create(session, county.east.id, identity(patient_id="")) is not first


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("QIU^MING=仇^明", "仇明"),
        ("仇^明", "仇明"),
        ("SMITH^JOHN", "SMITH JOHN"),
        ("SMITH^JOHN=", "SMITH JOHN"),
        ("=仇^明", "仇明"),
        ("", ""),
    ],
)
def test_names_are_shown_as_people_write_them(name: str, shown: str) -> None:
    assert display_name(name) == shown


@pytest.mark.parametrize(
    ("name", "masked"),
    [("仇^明", "仇**"), ("欧阳^修", "欧**"), ("尉迟^恭", "尉迟**"), ("SMITH^JOHN", "S**"), ("", "**")],
)
def test_a_masked_name_gives_the_family_name_at_most(name: str, masked: str) -> None:
    assert masked_name(name) == masked


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("仇明", "qiu"), ("单雄", "shan"), ("曾国", "zeng"), ("解珍", "xie"), ("查良", "zha"), ("任盈", "ren"),
        ("区海", "ou"), ("朴树", "piao"), ("盖聂", "ge"), ("乐毅", "yue"), ("华佗", "hua"), ("翟让", "zhai"),
        ("员半", "yun"), ("覃海", "qin"), ("缪斯", "miao"), ("吕布", "lv"), ("尉迟", "yu"), ("万俟", "mo"),
        ("长孙", "zhang"), ("单于", "chan"), ("澹台", "tan"), ("冼星", "xian"), ("折彦", "she"), ("牟平", "mu"),
        ("宁波", "ning"), ("石磊", "shi"), ("车晓", "che"), ("纪晓", "ji"), ("葛优", "ge"), ("黄明", "huang"),
        ("王明", "wang"), ("沈明", "shen"), ("贾宝", "jia"), ("谌龙", "chen"), ("隗明", "wei"), ("卜明", "bu"),
    ],
)  # fmt: skip
def test_surnames_are_read_as_surnames(name: str, family: str) -> None:
    assert pinyin_of(name)[0] == family


@pytest.mark.parametrize("typed", ["仇明", "qiuming", "qm", "qiu", "p001", "001", "qiu ming"])
def test_somebody_is_found_by_name_pinyin_initials_and_number(typed: str) -> None:
    assert typed in search_text(identity())


def test_the_wrong_reading_of_a_surname_finds_nobody() -> None:
    assert "chou" not in search_text(identity(name="仇^明"))


def _correct(session: Session, county: County, **fields: object) -> tuple[Patient, IdentityChange]:
    examination = arrive(session, county, patient=identity(name="QIU^MING"))
    change = correct_identity(
        session, examination, identity=identity(**fields), reason=" 登记时写错 ",
        person=county.radiographer, now=NOW,
    )  # fmt: skip
    session.flush()
    return examination.patient, change


def test_a_better_spelling_replaces_the_worse_and_the_devices_own_stays(
    session: Session, county: County
) -> None:
    patient, change = _correct(session, county, name="仇^明")

    assert patient.display_name == "仇明"
    assert "qiuming" in patient.search_text
    assert (change.before["name"], change.after["name"], change.reason) == ("QIU^MING", "仇^明", "登记时写错")
    assert session.scalars(select(Patient)).all() == [patient]


def test_correcting_to_somebody_else_leaves_the_first_patient_alone(session: Session, county: County) -> None:
    known = get_or_create(session, county.east.id, identity(patient_id="P002", name="李^四", sex="F"))
    before = get_or_create(session, county.east.id, identity(name="QIU^MING"))
    patient, _ = _correct(session, county, patient_id="P002", name="李^四", sex="F")

    assert patient is known
    assert before.name == "QIU^MING"


def _two_of_one(session: Session, county: County) -> tuple[Examination, Examination]:
    """Two examinations of one patient: the one to correct, and the other."""
    first = arrive(session, county)
    other = arrive(session, county, study_instance_uid="2.25.77")
    assert first.patient is other.patient
    return first, other


def _say(session: Session, county: County, examination: Examination, **fields: object) -> IdentityChange:
    change = correct_identity(
        session, examination, identity=identity(**fields), reason="写错", person=county.radiographer, now=NOW
    )
    session.flush()
    session.expire_all()
    return change


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "QIU^MING=仇^鸣"}, {"name": "李^四"}, {"sex": "F"}, {"sex": None}, {"birth_date": None},
        {"birth_date": date(1980, 1, 1)}, {"patient_id": "P009"},
    ],
)  # fmt: skip
def test_a_correction_never_changes_what_other_examinations_say(
    session: Session, county: County, fields: dict[str, object]
) -> None:
    first, other = _two_of_one(session, county)
    before = other.patient.identity
    _say(session, county, first, **fields)

    assert other.patient.identity == before
    assert first.patient is not other.patient
    for name, value in fields.items():
        assert getattr(first.patient, name) == value


def test_a_correction_that_changes_nothing_keeps_the_shared_patient(session: Session, county: County) -> None:
    first, other = _two_of_one(session, county)
    change = _say(session, county, first, name="仇明")  # as it is shown, and so typed

    assert first.patient is other.patient
    assert first.patient.name == "QIU^MING=仇^明"
    assert change.before == change.after


def test_the_same_correction_of_two_examinations_leads_to_one_patient(
    session: Session, county: County
) -> None:
    first, other = _two_of_one(session, county)
    third = arrive(session, county, study_instance_uid="2.25.78")
    for one in (first, other):
        _say(session, county, one, sex="F")

    assert first.patient is other.patient
    assert (first.patient.sex, third.patient.sex) == ("F", "M")


def test_joining_a_known_patient_with_blanks_inherits_and_erases_nothing(
    session: Session, county: County
) -> None:
    known = arrive(session, county, study_instance_uid="2.25.79", patient=identity(patient_id="P002"))
    examination = arrive(session, county, patient=identity(name="李^四"))
    _say(session, county, examination, patient_id="P002", sex=None, birth_date=None)

    assert examination.patient is known.patient
    assert (known.patient.sex, known.patient.birth_date) == ("M", date(1979, 3, 4))


def test_a_row_that_only_this_examination_uses_is_rewritten(session: Session, county: County) -> None:
    examination = arrive(session, county)
    row = examination.patient
    _say(session, county, examination, birth_date=None)

    assert examination.patient is row
    assert row.birth_date is None


def test_what_the_device_said_is_never_lost(session: Session, county: County) -> None:
    patient, _ = _correct(session, county, patient_id="P009", name="仇^鸣", birth_date=date(1980, 1, 1))
    examination = session.scalars(select(IdentityChange)).one()

    assert patient.patient_id == "P009"
    assert examination.before["patient_id"] == "P001"


@pytest.mark.parametrize(("reason", "name"), [("", "仇^明"), ("   ", "仇^明"), ("写错", "^="), ("写错", " ")])
def test_a_correction_needs_a_reason_and_a_name(
    session: Session, county: County, reason: str, name: str
) -> None:
    examination = arrive(session, county)

    with pytest.raises(Invalid):
        correct_identity(
            session,
            examination,
            identity=identity(name=name),
            reason=reason,
            person=county.radiographer,
            now=NOW,
        )
