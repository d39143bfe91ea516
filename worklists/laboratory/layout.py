"""The order in which a specimen's items are shown and printed: by panel as ordered, the rest by bench and position."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.laboratory.dictionary import LabItem, LabPanel, Section
from worklists.laboratory.results import LabResult
from worklists.laboratory.specimens import LabSpecimen

_BENCHES = list(Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item of a specimen, with the result that counts."""

    item: LabItem
    panel: LabPanel | None
    ordered: bool
    result: LabResult | None


def lay_out(session: Session, specimen: LabSpecimen | None, results: Sequence[LabResult]) -> list[Line]:
    """What was ordered and what was reported, in its order."""
    current = {one.item_code: one for one in results if one.current}
    ordered = list(specimen.items) if specimen else []
    panels = find_panels(session, specimen)
    items = {
        item.code: item
        for item in session.scalars(select(LabItem).where(LabItem.code.in_({*ordered, *current})))
    }
    placed: dict[str, LabPanel | None] = {}
    for panel in panels:
        for code in panel.items:
            if code in items:
                placed.setdefault(code, panel)
    rest = (item for item in items.values() if item.code not in placed)
    for item in sorted(rest, key=lambda one: (_BENCHES.index(one.section), one.position, one.code)):
        placed[item.code] = None
    return [
        Line(item=items[code], panel=panel, ordered=code in ordered, result=current.get(code))
        for code, panel in placed.items()
    ]


def find_panels(session: Session, specimen: LabSpecimen | None) -> list[LabPanel]:
    """Those that were ordered, in the order in which they were."""
    codes = list(specimen.panels) if specimen else []
    known = {one.code: one for one in session.scalars(select(LabPanel).where(LabPanel.code.in_(codes)))}
    return [known[code] for code in dict.fromkeys(codes) if code in known]
