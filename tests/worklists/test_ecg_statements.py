"""Statements: laid down once and never over an edit, found by initials, and critical ones raise the flag."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, waiting_task
from worklists.directory import Kind
from worklists.drafting import save_draft
from worklists.ecg_content import MEASURES
from worklists.ecg_statements import (
    EcgGroup,
    EcgStatement,
    critical_statements,
    find_statements,
    seed_statements,
    settle_initials,
)
from worklists.errors import FieldsRefused
from worklists.initials import initials_of
from worklists.reading import ReadingTask
from worklists.reports import sign_report


@pytest.fixture
def ecg(session: Session, county: County) -> ReadingTask:
    """An ECG that its reader holds."""
    county.ecg.review_required = False
    seed_statements(session)
    task = waiting_task(session, county, kind=Kind.ECG, modality="ECG")
    task.claim(county.ecg_reader, NOW)
    return task


def save(session: Session, task: ReadingTask, writer: Any, content: Any = ..., **fields: Any) -> Any:
    words = {"findings": "窦性心律。", "impression": "正常心电图。", "critical": False, "preliminary": False}
    return save_draft(
        session, task, writer=writer, revision=None, now=NOW, content=content, **{**words, **fields}
    )


def saying(*codes: str, **measures: Any) -> dict[str, Any]:
    return {"statements": list(codes), "measurements": measures}


def test_seeding_again_adds_what_is_missing_and_overwrites_nothing(session: Session) -> None:
    assert seed_statements(session) > 120
    edited = session.get_one(EcgStatement, "atrial_fibrillation")
    edited.text, edited.critical, edited.enabled = "房颤", True, False
    session.delete(session.get_one(EcgStatement, "dextrocardia"))
    session.flush()

    assert seed_statements(session) == 1
    session.expire_all()
    assert (edited.text, edited.critical, edited.enabled) == ("房颤", True, False)


def test_the_defaults_stand_in_the_order_of_practice_and_their_rules_name_measures(session: Session) -> None:
    seed_statements(session)
    rows = find_statements(session)

    assert list(dict.fromkeys(row.group for row in rows)) == list(EcgGroup)
    assert [row.code for row in rows if row.normal] == ["sinus_rhythm", "normal_ecg"]
    assert all(row.measure in MEASURES for row in rows if row.measure)
    assert all(row.text and row.text_en and row.initials for row in rows)
    texts = [row.text for row in rows]
    assert len(set(texts)) == len(texts)


def test_initials_are_what_a_clinician_types() -> None:
    assert initials_of("ST-T改变") == "sttgb"
    assert initials_of("完全性左束支传导阻滞") == "wqxzszcdzz"
    assert initials_of("QT间期延长（>500毫秒）") == "qtjqyc500hm"


def test_initials_follow_the_words_until_a_person_corrects_them() -> None:
    row = EcgStatement(code="x", text="长RR间期", initials="")
    settle_initials(row, text_before=None)
    assert row.initials == "zrrjq"

    row.text = "窦性心律"
    settle_initials(row, text_before="长RR间期")
    assert row.initials == "dxxl"

    row.initials, row.text = " CRR JQ ", "长RR间期（>3秒）"
    settle_initials(row, text_before="窦性心律")
    assert row.initials == "crrjq"

    row.initials = ""
    settle_initials(row, text_before=None)
    assert row.initials == "zrrjq3m"


def test_every_default_but_those_read_otherwise_has_the_initials_that_would_be_computed(
    session: Session,
) -> None:
    seed_statements(session)
    others = {row.text for row in find_statements(session) if row.initials != initials_of(row.text)}

    assert all(one.startswith("长") or one.endswith("重做") for one in others)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (saying("stemi_inferior"), ["stemi_inferior"]),
        (saying("ventricular_fibrillation", "av_block_third"), ["ventricular_fibrillation", "av_block_third"]),
        (saying("sinus_rhythm", heart_rate_bpm=40), []),
        (saying(heart_rate_bpm=39), ["severe_bradycardia"]),
        (saying(heart_rate_bpm=151), ["severe_tachycardia"]),
        (saying(heart_rate_bpm=60, qt_ms=505, qtc_ms=505, qtc_formula="bazett"), ["qtc_over_500"]),
        (saying(heart_rate_bpm=60, qt_ms=500, qtc_ms=500, qtc_formula="bazett"), []),
    ],
)  # fmt: skip
def test_what_is_critical_raises_the_flag_of_a_draft(
    session: Session, county: County, ecg: ReadingTask, content: dict[str, Any], codes: list[str]
) -> None:
    draft = save(session, ecg, county.ecg_reader, content)

    assert [row.code for row in critical_statements(session, draft.content)] == codes
    assert draft.critical is bool(codes)


def test_the_flag_stays_for_as_long_as_what_raised_it(
    session: Session, county: County, ecg: ReadingTask
) -> None:
    draft = save(session, ecg, county.ecg_reader, saying("stemi_anterior"))
    assert draft.critical
    assert save(
        session, ecg, county.ecg_reader, critical=False
    ).critical  # the content is not stated: it stands
    assert not save(session, ecg, county.ecg_reader, saying("sinus_rhythm")).critical
    assert save(session, ecg, county.ecg_reader, critical=True).critical


def test_a_rule_that_was_disabled_raises_nothing_and_a_statement_that_stands_still_does(
    session: Session, county: County, ecg: ReadingTask
) -> None:
    for row in session.scalars(select(EcgStatement).where(EcgStatement.critical)):
        row.enabled = False
    session.flush()

    assert not save(session, ecg, county.ecg_reader, saying(heart_rate_bpm=35)).critical
    assert save(session, ecg, county.ecg_reader, saying("torsades")).critical


def test_only_an_ecg_has_statements(session: Session, county: County) -> None:
    seed_statements(session)
    task = waiting_task(session, county)
    task.claim(county.wang, NOW)

    with pytest.raises(FieldsRefused) as refused:
        save(session, task, county.wang, saying("sinus_rhythm"))
    assert set(refused.value.reasons) == {"content.statements", "content.measurements"}
    assert save(session, task, county.wang, None).content is None


def test_a_signed_report_keeps_the_words_of_its_statements(
    session: Session, county: County, ecg: ReadingTask
) -> None:
    save(session, ecg, county.ecg_reader, saying("t_flat", "sinus_rhythm", heart_rate_bpm=72))
    report = sign_report(session, ecg, signer=county.ecg_reader, marks=(), originals=(), now=NOW)
    session.get_one(EcgStatement, "sinus_rhythm").text = "别的"
    session.flush()
    session.expire_all()

    assert report.content is not None
    assert report.content["measurements"]["heart_rate_bpm"] == 72
    assert report.content["statements"] == ["t_flat", "sinus_rhythm"]
    assert [(one["code"], one["text"], one["group"]) for one in report.content["wording"]] == [
        ("sinus_rhythm", "窦性心律", "rhythm"),
        ("t_flat", "T波低平", "st_t"),
    ]


def test_what_became_critical_after_the_draft_was_saved_is_critical_when_it_is_signed(
    session: Session, county: County, ecg: ReadingTask
) -> None:
    assert not save(session, ecg, county.ecg_reader, saying("t_flat")).critical
    session.get_one(EcgStatement, "t_flat").critical = True
    session.flush()

    assert sign_report(session, ecg, signer=county.ecg_reader, marks=(), originals=(), now=NOW).critical
