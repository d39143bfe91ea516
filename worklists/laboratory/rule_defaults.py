"""The rules that a county begins with: careful ones. What is abnormal, and whatever the analyser doubts, is for a person."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import new_id
from worklists.laboratory.rule_content import VERIFICATION
from worklists.rule_books import COUNTY, RuleVersion, VersionState

FOR_PEOPLE = ["ABO", "RHD", "HIV"]  # blood groups and HIV are never left to a rule, whatever they say


def default_rules() -> dict[str, Any]:
    return {
        "rules": [
            _rule("status"),
            _rule("critical"),
            _rule("range", percent=0.0),
            _rule("delta"),
            _rule("control", missing=True),
            _rule("instrument_flag"),
            _rule("age_sex_unknown"),
            _rule("first_result", enabled=False),
            _rule("manual_item", items=FOR_PEOPLE),
            *_blood_count(),
            *_chemistry(),
        ]
    }


def seed_rules(session: Session, now: datetime) -> bool:
    """Lay them down, live, where there are none of any state. Answers whether it did."""
    if session.scalars(select(RuleVersion.id).where(RuleVersion.book == VERIFICATION)).first() is not None:
        return False
    row = RuleVersion(
        id=new_id(), book=VERIFICATION, scope=COUNTY, version=1, state=VersionState.LIVE, content=default_rules(),
        note="", made_at=now, live_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return True


def _blood_count() -> list[dict[str, Any]]:
    five = ["NEUT", "LYM", "MONO", "EO", "BASO"]
    return [
        _sum("五分类百分比之和为 100%", *(f"{one}_PCT" for one in five)),
        _sum("三分类百分比之和为 100%", "LYM_PCT", "MID_PCT", "NEUT_PCT"),
        _parts("白细胞为五分类绝对值之和", "WBC", *(f"{one}_ABS" for one in five), percent=8.0),
        _parts("白细胞为三分类绝对值之和", "WBC", "LYM_ABS", "MID_ABS", "NEUT_ABS", percent=8.0),
        # HCT % = RBC 10^12/L × MCV fL ÷ 10; HGB g/L = RBC × MCH pg; HGB g/L = HCT % × MCHC g/L ÷ 100
        _product("红细胞 × MCV = 红细胞压积", "RBC", "MCV", "HCT", factor=0.1),
        _product("红细胞 × MCH = 血红蛋白", "RBC", "MCH", "HGB", factor=1.0),
        _product("红细胞压积 × MCHC = 血红蛋白", "HCT", "MCHC", "HGB", factor=0.01),
    ]


def _chemistry() -> list[dict[str, Any]]:
    return [
        _at_least("总胆红素不低于直接胆红素", "TBIL", "DBIL"),
        _at_least("总蛋白不低于白蛋白", "TP", "ALB"),
        _at_least("总胆固醇不低于 HDL-C", "TCHOL", "HDL"),
        _at_least("总胆固醇不低于 LDL-C", "TCHOL", "LDL"),
        _at_least("CK 不低于 CK-MB", "CK", "CKMB_ACT"),
        _at_least("LDH 不低于 HBDH", "LDH", "HBDH"),
        _parts("总胆红素 = 直接 + 间接", "TBIL", "DBIL", "IBIL", percent=10.0),
        _parts("总蛋白 = 白蛋白 + 球蛋白", "TP", "ALB", "GLO", percent=5.0),
    ]


def _rule(code: str, *, enabled: bool = True, items: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"code": code, "enabled": enabled, "items": items or [], "sections": [], **more}


def _sum(name: str, *of: str) -> dict[str, Any]:
    return _rule("consistency", name=name, check="sum", of=[*of], equals=100.0, tolerance=1.0)


def _parts(name: str, *of: str, percent: float) -> dict[str, Any]:
    return _rule("consistency", name=name, check="parts", of=[*of], tolerance_percent=percent)


def _product(name: str, *of: str, factor: float) -> dict[str, Any]:
    return _rule("consistency", name=name, check="product", of=[*of], factor=factor, tolerance_percent=5.0)


def _at_least(name: str, *of: str) -> dict[str, Any]:
    return _rule("consistency", name=name, check="at_least", of=[*of])
