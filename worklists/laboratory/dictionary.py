"""The county's dictionary of test items: what a result means, whatever analyser it came from.

Reference ranges and critical limits go by sex and age; a unit that is not the item's own is converted by factor and
offset, or not at all.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worklists.base import Base, new_id


class Section(StrEnum):
    """The bench that does it, and the order in which a report prints."""

    HAEMATOLOGY = "haematology"
    COAGULATION = "coagulation"
    CHEMISTRY = "chemistry"
    IMMUNOLOGY = "immunology"
    URINE = "urine"
    STOOL = "stool"
    BLOOD_GAS = "blood_gas"
    MICROBIOLOGY = "microbiology"
    OTHER = "other"


class Scale(StrEnum):
    """LOINC's scale of a result."""

    QUANTITATIVE = "quantitative"
    ORDINAL = "ordinal"  # negative, trace, 1+, 2+…
    NOMINAL = "nominal"
    NARRATIVE = "narrative"


class LabItem(Base):
    """One test item."""

    __tablename__ = "lab_item"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    abbreviation: Mapped[str] = mapped_column(default="")
    initials: Mapped[str] = mapped_column(default="")  # of the name's pinyin, to be found by
    section: Mapped[Section] = mapped_column(default=Section.OTHER)
    scale: Mapped[Scale] = mapped_column(default=Scale.QUANTITATIVE)
    unit: Mapped[str] = mapped_column(default="")
    decimals: Mapped[int | None]  # None: as the analyser gave it
    loinc: Mapped[str] = mapped_column(default="")
    specimen: Mapped[str] = mapped_column(default="")
    method: Mapped[str] = mapped_column(default="")
    recognition_item_code: Mapped[str | None] = mapped_column(ForeignKey("recognition_item.code"))
    units: Mapped[list[Any]] = mapped_column(
        default=list
    )  # [{"unit", "factor", "offset"}]: own = given × factor + offset
    normal_values: Mapped[list[Any]] = mapped_column(
        default=list
    )  # of an ordinal or nominal one: what is not abnormal
    delta_percent: Mapped[float | None]  # against the patient's last result, within delta_days
    delta_absolute: Mapped[float | None]
    delta_days: Mapped[int | None]
    position: Mapped[int] = mapped_column(default=0)
    enabled: Mapped[bool] = mapped_column(default=True)

    ranges: Mapped[list["LabRange"]] = relationship(
        back_populates="item", cascade="all, delete-orphan", lazy="selectin", order_by="LabRange.position"
    )


class LabRange(Base):
    """What is usual, and what is critical, for a sex and an age. The first that fits counts."""

    __tablename__ = "lab_range"
    __table_args__ = (Index("ix_lab_range_item", "item_code", "position"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    item_code: Mapped[str] = mapped_column(ForeignKey("lab_item.code"))
    position: Mapped[int] = mapped_column(default=0)
    sex: Mapped[str] = mapped_column(default="")  # M, F; "": either
    from_days: Mapped[int] = mapped_column(default=0)  # of age, inclusive
    to_days: Mapped[int | None]  # exclusive
    low: Mapped[float | None]
    high: Mapped[float | None]
    text: Mapped[str] = mapped_column(default="")  # printed in place of low and high
    critical_low: Mapped[float | None]  # at or below
    critical_high: Mapped[float | None]  # at or above
    critical_values: Mapped[list[Any]] = mapped_column(default=list)  # of an ordinal or nominal one
    source: Mapped[str] = mapped_column(default="")  # the standard or instructions that it follows
    unconfirmed: Mapped[bool] = mapped_column(
        default=False
    )  # shipped, and no laboratory here has looked at it

    item: Mapped[LabItem] = relationship(back_populates="ranges")


class LabPanel(Base):
    """Items that are ordered and printed together, in their order."""

    __tablename__ = "lab_panel"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    initials: Mapped[str] = mapped_column(default="")
    section: Mapped[Section] = mapped_column(default=Section.OTHER)
    specimen: Mapped[str] = mapped_column(default="")
    tube: Mapped[str] = mapped_column(default="")  # its colour, as people ask for it
    items: Mapped[list[Any]] = mapped_column(default=list)  # codes of items
    loinc: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    enabled: Mapped[bool] = mapped_column(default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A `LabRange` at one moment, in the same names: a row says each of its attributes several times as slowly."""

    sex: str
    from_days: int
    to_days: int | None
    low: float | None
    high: float | None
    text: str
    critical_low: float | None
    critical_high: float | None
    critical_values: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A `LabItem` at one moment, for whoever interprets thousands of results by it."""

    code: str
    name: str
    name_en: str
    section: Section
    scale: Scale
    unit: str
    decimals: int | None
    method: str
    units: Sequence[Any]
    normal_values: Sequence[Any]
    delta_percent: float | None
    delta_absolute: float | None
    delta_days: int | None
    ranges: tuple[Range, ...]


AnyItem = LabItem | Item
AnyRange = LabRange | Range
_ITEM = [one.name for one in fields(Item) if one.name != "ranges"]
_RANGE = [one.name for one in fields(Range)]


def read_item(row: LabItem) -> Item:
    ranges = tuple(Range(**{name: getattr(one, name) for name in _RANGE}) for one in row.ranges)
    return Item(ranges=ranges, **{name: getattr(row, name) for name in _ITEM})
