"""Rules of verification: what their content may say, and what each of them stops."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import new_id
from worklists.control import ControlState
from worklists.laboratory.defaults import read_default_dictionary
from worklists.laboratory.dictionary import LabItem, Section
from worklists.laboratory.results import LabResult, ResultStatus
from worklists.laboratory.rule_content import check_rules
from worklists.laboratory.rule_defaults import default_rules, seed_rules
from worklists.laboratory.rules import CHECKS, Case, Rules
from worklists.rule_books import RuleVersion, VersionState

KNOWN = {"WBC", "RBC", "MCV", "HCT", "TBIL", "DBIL", "TP", "ALB", "GLO"}
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_the_shipped_rules_pass_their_own_check_with_the_shipped_dictionary() -> None:
    rules = default_rules()
    checked, reasons = check_rules(rules, set(read_default_dictionary().items))

    assert reasons == {}
    assert checked == rules
    assert {one["code"] for one in rules["rules"]} == set(CHECKS)


def test_they_are_laid_down_live_once(session: Session) -> None:
    assert seed_rules(session, NOW) and not seed_rules(session, NOW)
    [row] = session.scalars(select(RuleVersion))
    assert (row.version, row.state, row.live_at) == (1, VersionState.LIVE, NOW)


@pytest.mark.parametrize(
    ("rule", "reasons"),
    [
        ({"code": "range", "percent": 5}, {}),
        ({"code": "range", "percent": -1}, {"rules.0.percent": "unusable"}),
        ({"code": "range", "percent": float("nan")}, {"rules.0.percent": "unusable"}),
        ({"code": "range", "percent": True}, {"rules.0.percent": "unusable"}),
        ({"code": "range", "colour": 1}, {"rules.0.colour": "unknown"}),
        ({"code": "delta", "percent": 5}, {"rules.0.percent": "unknown"}),
        ({"code": "delta", "items": ["WBC"], "sections": ["chemistry"]}, {}),
        ({"code": "delta", "items": ["NONE"]}, {"rules.0.items": "unknown"}),
        ({"code": "delta", "items": "WBC"}, {"rules.0.items": "unusable"}),
        ({"code": "delta", "sections": ["kitchen"]}, {"rules.0.sections": "unknown"}),
        ({"code": "delta", "enabled": "yes"}, {"rules.0.enabled": "unusable"}),
        ({"code": "delta", "name": "n" * 61}, {"rules.0.name": "too_long"}),
        ({"code": "guess"}, {"rules.0.code": "unknown"}),
        ({"code": ["range"]}, {"rules.0.code": "unknown"}),
        ({}, {"rules.0.code": "required"}),
        ("range", {"rules.0": "unusable"}),
        ({"code": "manual_item"}, {"rules.0.items": "required"}),
        ({"code": "manual_item", "sections": ["microbiology"]}, {}),
        ({"code": "consistency"}, {"rules.0.check": "required"}),
        ({"code": "consistency", "check": "guess"}, {"rules.0.check": "unknown", "rules.0.x": "unknown"}),
        ({"code": "consistency", "check": "at_least", "of": ["TBIL", "DBIL"]}, {}),
        ({"code": "consistency", "check": "at_least", "of": ["TBIL"]}, {"rules.0.of": "unusable"}),
        ({"code": "consistency", "check": "at_least", "of": ["TBIL", "TBIL"]}, {"rules.0.of": "unusable"}),
        ({"code": "consistency", "check": "at_least"}, {"rules.0.of": "required"}),
        (
            {"code": "consistency", "check": "product", "of": ["RBC", "MCV", "HCT"]},
            {"rules.0.factor": "required", "rules.0.tolerance_percent": "required"},
        ),
        (
            {
                "code": "consistency", "check": "product", "of": ["RBC", "MCV", "HCT"], "factor": 0,
                "tolerance_percent": 5,
            },
            {"rules.0.factor": "unusable"},
        ),
    ],
)  # fmt: skip
def test_content_is_checked_field_by_field(rule: Any, reasons: dict[str, str]) -> None:
    stated = {**rule, "x": 1} if "rules.0.x" in reasons else rule
    assert check_rules({"rules": [stated]}, KNOWN)[1] == reasons


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ({}, {"rules": "required"}),
        ({"rules": []}, {"rules": "required"}),
        ({"rules": {}}, {"rules": "required"}),
        ({"rules": [{"code": "delta"}] * 201}, {"rules": "too_long"}),
        ({"rules": [{"code": "delta"}], "more": 1}, {"more": "unknown"}),
    ],
)
def test_content_is_a_list_of_rules_and_nothing_else(content: Any, reasons: dict[str, str]) -> None:
    assert check_rules(content, KNOWN)[1] == reasons


def result(code: str, number: float | None) -> LabResult:
    item = LabItem(code=code, name=code, section=Section.CHEMISTRY, ranges=[])
    return LabResult(
        id=new_id(), item=item, item_code=code, number=number, value=str(number), abnormal="", critical=False,
        status=ResultStatus.FINAL, control_state=ControlState.IN_CONTROL, instrument_flags=[], delta=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("check", "values", "stopped"),
    [
        ({"check": "sum", "equals": 100, "tolerance": 1}, {"A": 60, "B": 39}, False),
        ({"check": "sum", "equals": 100, "tolerance": 1}, {"A": 60, "B": 38.9}, True),
        ({"check": "parts", "tolerance_percent": 5}, {"TP": 70, "ALB": 40, "GLO": 30}, False),
        ({"check": "parts", "tolerance_percent": 5}, {"TP": 80, "ALB": 40, "GLO": 30}, True),
        ({"check": "parts", "tolerance_percent": 5}, {"TP": 0, "ALB": 0, "GLO": 0}, False),
        ({"check": "parts", "tolerance_percent": 5}, {"TP": 5, "ALB": 0, "GLO": 0}, True),
        ({"check": "at_least"}, {"TBIL": 5.1, "DBIL": 5.1}, False),
        ({"check": "at_least"}, {"TBIL": 5.0, "DBIL": 5.1}, True),
        ({"check": "at_least"}, {"TBIL": 5.0, "DBIL": None}, False),  # what is not a number is not compared
        (
            {"check": "product", "factor": 0.1, "tolerance_percent": 5},
            {"RBC": 5, "MCV": 90, "HCT": 45},
            False,
        ),
        ({"check": "product", "factor": 0.1, "tolerance_percent": 5}, {"RBC": 5, "MCV": 90, "HCT": 48}, True),
    ],
)
def test_consistency_looks_at_the_results_beside(
    check: dict[str, Any], values: dict[str, float | None], stopped: bool
) -> None:
    rows = {code: result(code, number) for code, number in values.items()}
    rules = Rules(1, [{"code": "consistency", "of": list(values), **check}])
    for row in rows.values():
        case = Case(
            result=row, beside=rows, replaces_verified=False, repeated=False, sex="M", has_birth_date=True
        )
        assert bool(rules.stops(case)) is stopped
    alone = next(iter(rows.values()))
    case = Case(
        result=alone,
        beside={alone.item_code: alone},
        replaces_verified=False,
        repeated=False,
        sex="M",
        has_birth_date=True,
    )
    assert rules.stops(case) == []
