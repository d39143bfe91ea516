"""The rule book of verification: what releases results without a person. One for the county, kept by its laboratory.

What goes live counts for what arrives from then on, and for what still waits: that is judged anew, as work for later.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.lab import judging
from worklists.laboratory import dry_run
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.rule_content import MOST_RULES, check_rules
from worklists.laboratory.rule_defaults import default_rules
from worklists.laboratory.rules import Rules

Content = dict[str, Any]


class RuleShape(BaseModel):
    """What every rule says; its own parameters are looked at by `check_rules`."""

    model_config = ConfigDict(extra="allow")

    code: StrictStr
    enabled: StrictBool = True
    items: list[StrictStr] = []
    sections: list[StrictStr] = []


class VerificationBook(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[RuleShape], Field(max_length=MOST_RULES)]


def begin_verification(_session: Session, _scope: str) -> Content:
    return default_rules()


def check_verification(session: Session, _scope: str, content: Content) -> dict[str, str]:
    return check_rules(content, set(session.scalars(select(LabItem.code))))[1]


def try_verification(
    session: Session, _scope: str, content: Content, now: datetime, told: Callable[[int, int], None]
) -> Content:
    """What it would have done with the last results, beside what was done with them."""
    return dry_run.dry_run(session, Rules(0, content["rules"]), now=now, told=told)


def judge_what_waits(session: Session, now: datetime) -> None:
    judging.schedule_all_waiting(session, judging.Because.RULES, now=now)


def stand_of_judging(session: Session) -> dict[str, int]:
    """`to_judge`: specimens that the live rules have yet to look at anew."""
    return {"to_judge": judging.count_to_judge(session)}
