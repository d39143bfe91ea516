"""Statements of an ECG report: data that a centre edits, with what makes one critical and what measures propose it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base
from worklists.ecg_content import measures_of, read_content
from worklists.ecg_statement_defaults import DEFAULTS
from worklists.initials import initials_of

BETWEEN = 10  # places left free between two defaults


class EcgGroup(StrEnum):
    """Where a statement stands in a report, in the order of Chinese practice."""

    RHYTHM = "rhythm"
    AXIS = "axis"
    CONDUCTION = "conduction"
    HYPERTROPHY = "hypertrophy"
    ST_T = "st_t"
    CONCLUSION = "conclusion"


class EcgStatement(Base):
    """One thing that a reader can say. A measure above and below its limits, each where given, proposes it.

    `normal`: what one key writes of a normal ECG. A statement is never deleted, because reports name it; it is disabled.
    """

    __tablename__ = "ecg_statement"

    code: Mapped[str] = mapped_column(primary_key=True)
    group: Mapped[EcgGroup]
    text: Mapped[str]
    text_en: Mapped[str] = mapped_column(default="")
    initials: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    critical: Mapped[bool] = mapped_column(default=False)
    normal: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    measure: Mapped[str] = mapped_column(default="")
    above: Mapped[float | None]
    below: Mapped[float | None]

    @property
    def order(self) -> tuple[int, int, str]:
        return (list(EcgGroup).index(self.group), self.position, self.code)

    def is_met_by(self, measures: Mapping[str, float]) -> bool:
        """Whether the numbers of a report propose it."""
        value = measures.get(self.measure)
        if value is None or (self.above is None and self.below is None):
            return False
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


def find_statements(session: Session) -> list[EcgStatement]:
    """All of them in the order of practice."""
    return sorted(session.scalars(select(EcgStatement)), key=lambda row: row.order)


def check_content(session: Session, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it is kept. Raises ContentRefused."""
    return read_content(stated, session.scalars(select(EcgStatement.code)).all())


def critical_statements(session: Session, content: Mapping[str, Any] | None) -> list[EcgStatement]:
    """What in a content makes the report critical: a statement that stands, or a measure beyond a critical limit."""
    if not content:
        return []
    said, measures = set(content.get("statements", [])), measures_of(content)
    rows = session.scalars(select(EcgStatement).where(EcgStatement.critical)).all()
    found = [row for row in rows if row.code in said or (row.enabled and row.is_met_by(measures))]
    return sorted(found, key=lambda row: row.order)


def with_wording(session: Session, content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A content as it is signed: with the words of its statements as they are now, in the order of practice.

    One that has none, because it is of no ECG, stays as it is.
    """
    if content is None or "statements" not in content:
        return dict(content) if content is not None else None
    rows = session.scalars(select(EcgStatement).where(EcgStatement.code.in_(content.get("statements", []))))
    wording = [
        {"code": row.code, "group": row.group.value, "text": row.text, "text_en": row.text_en, "critical": row.critical}
        for row in sorted(rows, key=lambda row: row.order)
    ]  # fmt: skip
    return {**content, "wording": wording}


def settle_initials(row: EcgStatement, *, text_before: str | None) -> None:
    """Initials follow the text until a person corrects them, and again once a person empties them."""
    row.initials = "".join(row.initials.lower().split())
    follows = text_before is not None and row.text != text_before and row.initials == initials_of(text_before)
    if not row.initials or follows:
        row.initials = initials_of(row.text)


def seed_statements(session: Session) -> int:
    """Lay down the defaults that are not there yet; what a centre changed stays. Answers how many were added."""
    known = set(session.scalars(select(EcgStatement.code)))
    fresh = [row for row in _default_rows() if row.code not in known]
    session.add_all(fresh)
    session.flush()
    return len(fresh)


def _default_rows() -> Iterator[EcgStatement]:
    for group, defaults in DEFAULTS.items():
        for place, (code, text, initials, what, rule, text_en) in enumerate(defaults, start=1):
            measure, above, below = rule or ("", None, None)
            yield EcgStatement(
                code=code, group=EcgGroup(group), text=text, text_en=text_en, initials=initials,
                position=place * BETWEEN, critical=what == "critical", normal=what == "normal", enabled=True,
                measure=measure, above=above, below=below,
            )  # fmt: skip
