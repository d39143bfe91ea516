"""What makes a book of templates unusable is named by its place; what ships is usable."""

import copy
from typing import Any

import pytest

from worklists.directory import Kind
from worklists.initials import initials_of
from worklists.reporting.books import TemplateBook, default_templates
from worklists.reporting.checking import check_templates
from worklists.reporting.slots import has_stray_brace, says, slots_in

SLOT = {
    "name": "直径", "type": "number", "choices": [], "default": "", "unit": "mm", "low": 1, "high": 30, "decimals": 1,
    "required": True,
}  # fmt: skip
TEMPLATE: dict[str, Any] = {
    "code": "a", "name": "甲", "initials": "j", "modalities": ["CT"], "body_parts": ["CHEST"], "sex": "", "normal": False,
    "findings": "结节约{直径}mm。", "impression": "结节。", "slots": [SLOT], "score": "",
}  # fmt: skip


def _book(**changes: Any) -> dict[str, Any]:
    return {"templates": [copy.deepcopy({**TEMPLATE, **changes})], "phrases": []}


def _slot(**changes: Any) -> dict[str, Any]:
    return _book(slots=[{**SLOT, **changes}])


@pytest.mark.parametrize("kind", list(Kind))
def test_what_ships_is_usable(kind: Kind) -> None:
    content = default_templates(kind)

    assert check_templates(content) == {}
    assert len(TemplateBook.read(content).templates) == len(content["templates"])
    for one in (*content["templates"], *content["phrases"]):
        assert one["initials"] == initials_of(one["name"])


def test_a_county_centre_finds_what_it_needs_every_day() -> None:
    book = TemplateBook.read(default_templates(Kind.IMAGING))
    normal = {
        (modality, part)
        for one in book.templates
        if one.normal
        for modality in one.what.modalities
        for part in one.what.body_parts
    }

    assert normal >= {
        ("DX", "CHEST"), ("DX", "ABDOMEN"), ("DX", "LSPINE"), ("DX", "CSPINE"), ("DX", "EXTREMITY"), ("CT", "HEAD"),
        ("CT", "CHEST"), ("CT", "ABDOMEN"), ("CT", "LSPINE"), ("MR", "HEAD"), ("MR", "LSPINE"), ("MR", "KNEE"),
        ("US", "ABDOMEN"), ("US", "THYROID"), ("US", "BREAST"), ("US", "UTERUS"), ("US", "FETUS"), ("US", "PROSTATE"),
        ("US", "HEART"), ("US", "CAROTID"), ("US", "LEG"), ("MG", "BREAST"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("book", "found"),
    [
        (_book(), {}),
        (_book(findings="没有填空"), {"templates.0.slots.直径": "slot_not_used"}),
        (_book(findings="{直径}与{边界}"), {"templates.0.slots.边界": "slot_not_declared"}),
        (_book(findings="{直径", slots=[]), {"templates.0.findings": "stray_brace"}),
        (_book(findings="{{直径}}", slots=[]), {}),
        (_book(modalities=["CTX"]), {"templates.0.modalities": "unknown"}),
        (_book(body_parts=["CHESTY"]), {"templates.0.body_parts": "unknown"}),
        (_book(score="no-rads"), {"templates.0.score": "unknown"}),
        (_book(sex="M", impression="子宫肌瘤"), {"templates.0.impression": "other_sex"}),
        (_book(sex="F", impression="前列腺增生"), {"templates.0.impression": "other_sex"}),
        (_book(sex="F", impression="前列腺素治疗后"), {}),
        (_slot(type="choice"), {"templates.0.slots.直径.choices": "required"}),
        (_slot(type="many", choices=["一", "一"]), {"templates.0.slots.直径.choices": "twice"}),
        (_slot(choices=["一"]), {"templates.0.slots.直径.choices": "unusable"}),
        (_slot(low=5, high=2), {"templates.0.slots.直径.high": "unusable"}),
        (_slot(default="31"), {"templates.0.slots.直径.default": "unusable"}),
        (_slot(default="大"), {"templates.0.slots.直径.default": "unusable"}),
        (_slot(default="30"), {}),
        (_slot(type="side", default="左"), {"templates.0.slots.直径.default": "unusable"}),
        (_slot(type="side", default="左侧"), {}),
        (_slot(type="choice", choices=["一"], default="二"), {"templates.0.slots.直径.default": "unusable"}),
        (_book(slots=[SLOT, SLOT]), {"templates.0.slots.直径": "twice"}),
    ],
)
def test_what_cannot_be_used_is_named(book: dict[str, Any], found: dict[str, str]) -> None:
    assert check_templates(book) == found


def test_two_of_one_code_and_two_normal_reports_for_the_same() -> None:
    first, second = {**TEMPLATE, "normal": True}, {**TEMPLATE, "code": "A", "normal": True}

    assert check_templates({"templates": [first, second], "phrases": []}) == {
        "templates.1.code": "twice", "templates.1.normal": "two_normal",
    }  # fmt: skip
    for_women = {**second, "code": "b", "sex": "F"}
    assert check_templates({"templates": [first, for_women], "phrases": []}) == {}


@pytest.mark.parametrize(("one", "other"), [("DR", "CR"), ("DX", "RF")])
def test_ways_to_a_plain_film_are_one(one: str, other: str) -> None:
    rows = [{**TEMPLATE, "code": code, "normal": True, "modalities": [code]} for code in (one, other)]
    assert check_templates({"templates": rows, "phrases": []}) == {"templates.1.normal": "two_normal"}


def test_a_phrase_is_checked_alike() -> None:
    phrase = {
        **{name: TEMPLATE[name] for name in ("code", "name", "initials", "modalities", "body_parts", "sex")},
        "text": "{日期}",
        "into": "both",
        "slots": [],
    }
    assert check_templates({"templates": [], "phrases": [phrase]}) == {
        "phrases.0.slots.日期": "slot_not_declared"
    }


@pytest.mark.parametrize(
    ("text", "template", "fits"),
    [
        ("心肺未见异常", "心肺未见异常。", True),
        (" 心肺 未见异常。\n", "心肺未见异常。", True),
        ("约28周。", "约{孕周}周。", True),
        ("约周。", "约{孕周}周。", False),
        ("约28周。胎盘前置", "约{孕周}周", False),
        ("{甲}", "{{甲}}", True),
        ("乙", "{{甲}}", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
    ],
)
def test_a_text_is_a_template_with_its_slots_filled(text: str, template: str, fits: bool) -> None:
    assert says(text, template) is fits


def test_slots_of_a_text() -> None:
    assert slots_in("{甲}{{乙}}{甲}{ 丙 }") == ["甲", "丙"]
    assert [has_stray_brace(text) for text in ("{甲}", "{{", "{甲", "}", "{{甲}}")] == [
        False,
        False,
        True,
        True,
        False,
    ]
