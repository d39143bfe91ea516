"""What the checks doubt, and what they leave alone."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.worklists.checking.corpus import SOUND, WRONG
from worklists.checking.book import CheckingRules, default_checking
from worklists.checking.checks import find_doubts
from worklists.checking.values import Check, Doubt, Facts, Section
from worklists.directory import Kind
from worklists.reporting.books import Slot, Template, TemplateBook, default_templates
from worklists.reporting.slots import SIDES, SlotType

TODAY = date(2026, 11, 23)
RULES = CheckingRules.read(default_checking())


def facts(findings: str, impression: str, **stated: Any) -> Facts:
    return Facts(findings=findings, impression=impression, **{"today": TODAY, **stated})


def doubts(sex: str, modality: str, study: str, findings: str, impression: str) -> list[Doubt]:
    stated = facts(findings, impression, sex=sex, modalities=frozenset({modality}), description=study)
    return find_doubts(stated, RULES)


def codes(found: Iterable[Doubt]) -> list[Check]:
    return [one.check for one in found]


@pytest.mark.parametrize("report", SOUND, ids=lambda report: report[4][:24])
def test_a_sound_report_is_left_alone(report: tuple[str, str, str, str, str]) -> None:
    assert [(one.check, one.quoted) for one in doubts(*report)] == []


@pytest.mark.parametrize("report", WRONG, ids=lambda report: f"{report[5]} {report[6]}")
def test_what_is_wrong_is_doubted_at_its_place(report: tuple[Any, ...]) -> None:
    *stated, check, quoted = report
    found = doubts(*stated)

    assert check in codes(found)
    place = next(one for one in found if one.check is check)
    section = {Section.FINDINGS: stated[3], Section.IMPRESSION: stated[4]}[place.section]
    assert section[place.begin : place.end].strip() == place.quoted.strip() == quoted.strip()


BOOKS = [TemplateBook.read(default_templates(kind)) for kind in Kind]
TEMPLATES = [template for book in BOOKS for template in book.templates]
FILLED = {SlotType.NUMBER: "8", SlotType.TEXT: "如上", SlotType.SIDE: SIDES[0], SlotType.DATE: "2026-11-20"}


def value(slot: Slot) -> str:
    said = slot.default or (slot.choices[0] if slot.choices else FILLED[slot.type])
    return said + slot.unit


def filled(template: Template, text: str) -> str:
    for slot in template.slots:
        text = text.replace("{" + slot.name + "}", value(slot))
    return text


def of_template(template: Template, findings: str, impression: str) -> list[Doubt]:
    stated = facts(
        findings, impression, sex=template.what.sex or None, modalities=template.what.modalities,
        description=template.name, critical="危急值" in impression,
    )  # fmt: skip
    return find_doubts(stated, RULES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
def test_a_template_that_ships_is_doubted_only_for_what_is_to_be_filled_in(template: Template) -> None:
    begun = of_template(template, template.findings, template.impression)
    assert set(codes(begun)) <= {Check.BLANK}
    assert bool(begun) is bool(template.slots)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
def test_a_template_that_is_filled_in_is_not_doubted(template: Template) -> None:
    found = of_template(template, filled(template, template.findings), filled(template, template.impression))

    assert [(one.check, one.quoted) for one in found] == []


@pytest.mark.parametrize(
    "text", [one.text for book in BOOKS for one in book.phrases], ids=lambda text: text[:20]
)
def test_a_phrase_that_ships_is_not_doubted(text: str) -> None:
    found = find_doubts(facts(text, text, critical=True), RULES)

    assert set(codes(found)) <= {Check.BLANK}


def test_the_corpus_is_large_enough_to_say_something() -> None:
    assert len(SOUND) >= 60
    assert len(WRONG) >= 60
    assert {report[5] for report in WRONG} == set(Check) - {Check.STALE}


def test_a_report_older_than_its_newest_image_is_doubted() -> None:
    saved = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    written = facts("双肺野清晰。", "未见明显异常。", saved_at=saved, newest_at=saved + timedelta(seconds=1))

    assert codes(find_doubts(written, RULES)) == [Check.STALE]
    again = facts("双肺野清晰。", "未见明显异常。", saved_at=saved, newest_at=saved - timedelta(seconds=1))
    assert find_doubts(again, RULES) == []


def test_the_side_of_the_series_counts_where_a_body_has_two_of_the_part() -> None:
    knee = facts(
        "左膝关节间隙变窄。", "左膝退行性变。", laterality="R", body_part="KNEE", description="膝关节正侧位"
    )
    chest = facts(
        "左肺下野见斑片影。", "左肺炎症。", laterality="R", body_part="CHEST", description="胸部侧位"
    )

    assert codes(find_doubts(knee, RULES)) == [Check.LATERALITY_STUDY] * 2
    assert find_doubts(chest, RULES) == []


def test_a_flagged_report_may_say_what_is_critical() -> None:
    said = facts(
        "左侧基底节区见高密度影。", "左侧基底节区脑出血。", critical=True, modalities=frozenset({"CT"})
    )

    assert find_doubts(said, RULES) == []


def test_two_places_that_read_the_same_have_keys_of_their_own_and_keep_them_when_they_move() -> None:
    said = facts("双肺清晰。。心影不大。。", "未见明显异常。")
    moved = facts("胸廓对称。双肺清晰。。心影不大。。", "未见明显异常。")

    before, after = find_doubts(said, RULES), find_doubts(moved, RULES)
    assert len({one.key for one in before}) == 2
    assert [one.key for one in before] == [one.key for one in after]
    assert [one.begin for one in before] != [one.begin for one in after]


def test_a_check_that_is_off_is_silent_and_a_word_of_the_centre_counts() -> None:
    content = default_checking()
    for one in content["checks"]:
        one["on"] = one["check"] != "punctuation"
    content["critical_words"] = [{"word": "气管断裂", "modalities": ["CT"]}]
    rules = CheckingRules.read(content)

    assert find_doubts(facts("双肺清晰。。", "未见明显异常。"), rules) == []
    ct = facts("气管壁不连续。", "气管断裂。", modalities=frozenset({"CT"}))
    film = facts("气管壁不连续。", "气管断裂。", modalities=frozenset({"DX"}))
    assert codes(find_doubts(ct, rules)) == [Check.CRITICAL]
    assert find_doubts(film, rules) == []
