"""Mutual recognition: decision table 1, row by row."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import County, arrive, signed_report
from worklists.base import new_id
from worklists.directory import Institution, Kind
from worklists.examinations import Examination
from worklists.recognition import (
    ItemMapping,
    NoMark,
    Qualification,
    QualificationResult,
    RecognitionItem,
    ScopeLevel,
    mark_item,
    marks_for,
)

DAY = date(2026, 11, 21)


@pytest.fixture
def examination(session: Session, county: County) -> Examination:
    return arrive(session, county)


@pytest.fixture
def item(session: Session) -> Iterator[RecognitionItem]:
    yield _item(session, "DR-CHEST", "胸部正位摄影")


def _item(session: Session, code: str, name: str, *, mapped: bool = True, **fields: Any) -> RecognitionItem:
    item = RecognitionItem(
        code=code, name=name, kind=Kind.IMAGING,
        **{"negative_list": False, "effective_from": date(2026, 1, 1), "effective_to": None, **fields},
    )  # fmt: skip
    session.add(item)
    session.flush()
    if mapped:
        _map(session, code, modality="DX", body_part="CHEST")
    return item


def _map(session: Session, code: str, **fields: Any) -> None:
    session.add(ItemMapping(id=new_id(), kind=Kind.IMAGING, item_code=code, **fields))
    session.flush()


def _qualify(
    session: Session,
    institution: Institution,
    item: RecognitionItem,
    level: ScopeLevel,
    label: str,
    **fields: Any,
) -> Qualification:
    values = {
        "result": QualificationResult.PASS,
        "valid_from": date(2026, 1, 1),
        "valid_to": date(2026, 12, 31),
    }
    row = Qualification(
        id=new_id(), institution_id=institution.id, item_code=item.code, scope_level=level, scope_label=label,
        **{**values, **fields},
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def test_row_1_what_is_in_no_catalogue_has_no_mark(session: Session, examination: Examination) -> None:
    assert marks_for(session, examination, on=DAY) == ()


def test_row_1_an_item_no_longer_in_the_catalogue_has_no_mark(
    session: Session, county: County, examination: Examination
) -> None:
    item = _item(session, "OLD", "旧项目", effective_to=date(2026, 11, 20))
    _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")

    assert marks_for(session, examination, on=DAY) == ()
    assert marks_for(session, examination, on=date(2026, 11, 20))[0].text == "全国HR"


def test_row_2_the_negative_list_beats_every_qualification(
    session: Session, county: County, examination: Examination
) -> None:
    item = _item(session, "NEG", "负面清单项目", negative_list=True)
    _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")
    (mark,) = marks_for(session, examination, on=DAY)

    assert (mark.text, mark.reason) == (None, NoMark.NEGATIVE_LIST)


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {"valid_to": date(2026, 11, 20)},
        {"valid_from": date(2026, 11, 22)},
        {"result": QualificationResult.FAIL},
        {"result": QualificationResult.SUSPENDED},
        {"result": QualificationResult.NONE},
    ],
)
def test_row_3_without_a_valid_qualification_there_is_no_mark(
    session: Session,
    county: County,
    examination: Examination,
    item: RecognitionItem,
    fields: dict[str, Any] | None,
) -> None:
    if fields is not None:
        _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国", **fields)
    (mark,) = marks_for(session, examination, on=DAY)

    assert (mark.text, mark.reason) == (None, NoMark.NOT_QUALIFIED)


@pytest.mark.parametrize("on", [date(2026, 1, 1), date(2026, 12, 31)])
def test_row_3_both_ends_of_a_qualification_count(
    session: Session, county: County, examination: Examination, item: RecognitionItem, on: date
) -> None:
    _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")

    assert marks_for(session, examination, on=on)[0].text == "全国HR"


def test_row_3_a_suspension_on_the_day_stops_the_mark_of_an_earlier_pass(
    session: Session, county: County, examination: Examination, item: RecognitionItem
) -> None:
    _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")
    _qualify(
        session, county.east, item, ScopeLevel.NATIONAL, "全国",
        result=QualificationResult.SUSPENDED, valid_from=date(2026, 11, 1),
    )  # fmt: skip

    assert marks_for(session, examination, on=DAY)[0].text is None
    assert marks_for(session, examination, on=date(2026, 10, 31))[0].text == "全国HR"


def test_row_4_out_of_control_there_is_no_mark(
    session: Session, county: County, item: RecognitionItem
) -> None:
    held = _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")
    mark = mark_item(item, [held], on=DAY, doubted=NoMark.OUT_OF_CONTROL)

    assert (mark.text, mark.reason) == (None, NoMark.OUT_OF_CONTROL)


@pytest.mark.parametrize(
    ("level", "label", "text"),
    [
        (ScopeLevel.NATIONAL, "全国", "全国HR"),
        (ScopeLevel.JOINT, "京津冀", "京津冀HR"),
        (ScopeLevel.PROVINCE, "云南省", "云南省HR"),
        (ScopeLevel.CITY, "昆明", "昆明HR"),
        (ScopeLevel.COUNTY, "北京市西城区", "北京市西城区HR"),
    ],
)
def test_rows_5_to_7_the_mark_names_its_scope(
    session: Session,
    county: County,
    examination: Examination,
    item: RecognitionItem,
    level: ScopeLevel,
    label: str,
    text: str,
) -> None:
    held = _qualify(session, county.east, item, level, label)
    (mark,) = marks_for(session, examination, on=DAY)

    assert (mark.text, mark.scope, mark.reason) == (text, level, None)
    assert mark.qualification_ids == (str(held.id),)


def test_row_8_inside_the_community_only_it_is_a_remark_unless_the_county_says_otherwise(
    session: Session, county: County, examination: Examination, item: RecognitionItem
) -> None:
    _qualify(session, county.east, item, ScopeLevel.COMMUNITY, "某县医共体")
    (mark,) = marks_for(session, examination, on=DAY)
    (printed,) = marks_for(session, examination, on=DAY, print_community_mark=True)

    assert (mark.text, mark.remark, mark.reason) == (None, "某县医共体内部互认", NoMark.COMMUNITY_ONLY)
    assert (printed.text, printed.remark) == ("某县医共体HR", "")


def test_row_9_the_widest_scope_is_printed_and_all_are_kept(
    session: Session, county: County, examination: Examination, item: RecognitionItem
) -> None:
    levels = (ScopeLevel.COMMUNITY, ScopeLevel.CITY, ScopeLevel.PROVINCE)
    held = {
        str(_qualify(session, county.east, item, level, label).id)
        for level, label in zip(levels, ("医共体", "昆明", "云南省"), strict=True)
    }
    (mark,) = marks_for(session, examination, on=DAY)

    assert mark.text == "云南省HR"
    assert set(mark.qualification_ids) == held


def test_row_10_what_counts_is_who_made_the_image_not_who_read_it(
    session: Session, county: County, examination: Examination, item: RecognitionItem
) -> None:
    _qualify(session, county.lead, item, ScopeLevel.NATIONAL, "全国")

    assert marks_for(session, examination, on=DAY)[0].reason == NoMark.NOT_QUALIFIED


def test_a_mark_stands_per_item(session: Session, county: County, examination: Examination) -> None:
    marked, unmarked = _item(session, "A", "甲"), _item(session, "B", "乙")
    _qualify(session, county.east, marked, ScopeLevel.PROVINCE, "云南省")

    assert {m.item_code: m.text for m in marks_for(session, examination, on=DAY)} == {
        marked.code: "云南省HR",
        unmarked.code: None,
    }


def test_the_mapping_of_highest_priority_says_which_item_it_is(
    session: Session, examination: Examination
) -> None:
    for code, fields in (
        ("ANY", {"priority": 0}),
        ("DX", {"modality": "DX", "priority": 1}),
        ("CT", {"modality": "CT", "priority": 9}),
        ("KNEE", {"modality": "DX", "body_part": "KNEE", "priority": 9}),
        ("CODE", {"procedure_code": "X1", "priority": 9}),
        ("CHEST", {"modality": "DX", "body_part": "CHEST", "priority": 2}),
    ):
        _item(session, code, code, mapped=False)
        _map(session, code, **fields)
    assert [m.item_code for m in marks_for(session, examination, on=DAY)] == ["CHEST"]

    examination.procedure_code = "X1"
    assert [m.item_code for m in marks_for(session, examination, on=DAY)] == ["CODE"]


def test_a_study_of_two_modalities_fits_the_mapping_of_either(
    session: Session, item: RecognitionItem, examination: Examination
) -> None:
    examination.modality, examination.body_part = "DX\\SR", "chest"

    assert [m.item_code for m in marks_for(session, examination, on=DAY)] == [item.code]


def test_an_item_alone_can_be_judged_without_a_database(item: RecognitionItem) -> None:
    assert mark_item(item, [], on=DAY).reason == NoMark.NOT_QUALIFIED


def test_the_marks_of_a_signed_report_stay_when_the_register_changes(
    session: Session, county: County, item: RecognitionItem, examination: Examination
) -> None:
    held = _qualify(session, county.east, item, ScopeLevel.NATIONAL, "全国")
    marks = marks_for(session, examination, on=DAY)
    report = signed_report(session, county, marks=marks)
    held.result = QualificationResult.FAIL
    session.commit()

    assert report.marks[0]["text"] == "全国HR"
