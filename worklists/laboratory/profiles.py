"""Profiles: how one model of analyser says what the county's dictionary means.

A device has one profile; `content` is read by `gateway.lab.mapping` alone and is

    {"tests": {reported code: {"item": code, "unit"?: …, "unit_means"?: {…}} | {"ignored": true}
                              | {"flag": true} | {"flag": [codes of items]}},
     "units": {reported unit: dictionary's unit},
     "flags": {reported flag: "L" | "H" | "LL" | "HH" | "A" | "N" | "instrument"},
     "values": {reported text: the dictionary's word},
     "empty": [what it writes where it has no value],
     "barcode": "barcode" | "placer_number" | "filler_number" | "patient_id",
     "controls": [{"pattern": regular expression over the barcode, "level": "…", "lot"?: "…"}],
     "dialect": {…},  (of an ASTM wire, read by `adapters.lab.dialect`)
     "file": {"table"?: a mapping of columns, "document"?: a pattern of file names}}  (read by `gateway.lab.files`)

`unit` is what a result of this test without a unit is in; where nobody says it, such a result is held (decision 0015).
`unit_means` is what a reported unit is at this test alone: the mg/dL of one analyser's UREA are of urea, of another's
nitrogen. A flag is a remark of the instrument about the whole
specimen, sent as a result ("Left Shift?": true); with a list it stops these items alone.
"""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id


class AnalyserProfile(Base):
    """What is in force for a model. Every change is another version; the earlier ones stay readable."""

    __tablename__ = "analyser_profile"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    manufacturer: Mapped[str] = mapped_column(default="")
    models: Mapped[str] = mapped_column(default="")
    wire: Mapped[str] = mapped_column(default="")  # hl7, astm, file
    source: Mapped[str] = mapped_column(default="")  # the manual or sample that it follows
    unconfirmed: Mapped[bool] = mapped_column(default=True)  # nobody has seen it with a real analyser here
    version: Mapped[int] = mapped_column(default=1)
    content: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    enabled: Mapped[bool] = mapped_column(default=True)


class ProfileVersion(Base):
    """A profile as it was from then on."""

    __tablename__ = "analyser_profile_version"
    __table_args__ = (UniqueConstraint("profile_code", "version"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    profile_code: Mapped[str] = mapped_column(ForeignKey("analyser_profile.code"))
    version: Mapped[int]
    content: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    changed_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str] = mapped_column(default="")
