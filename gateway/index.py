"""The index: which originals there are, where their bytes lie, and what of DICOM they are.

A record is one payload of the journal. It lies in a segment first, then also in a pack of the object store.
Study, series and instance rows point down to examinations; a row's bytes are found through its record.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, UniqueConstraint, cast
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.examinations import Examination


class RecordState(StrEnum):
    INDEXED = "indexed"
    HELD = "held"
    DISCARDED = "discarded"  # a person decided; kept as original, off every list
    DUPLICATE = "duplicate"  # the same bytes were known; nothing new to keep
    QUARANTINED = "quarantined"


class Pack(Base):
    """A plain tar of originals in the object store, never rewritten. Without a time it is being put just now."""

    __tablename__ = "pack"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(unique=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    filed_at: Mapped[datetime | None] = mapped_column(index=True)
    sha256: Mapped[str | None]  # of the whole object, from its first backup on


class Record(Base):
    """One payload that was accepted: where it came from and where it lies."""

    __tablename__ = "record"
    __table_args__ = (
        UniqueConstraint("journal", "sequence"),
        Index("ix_record_unfiled", "state", "received_at", **only_where("pack_id IS NULL")),
        Index("ix_record_pack", "pack_id", **only_where("pack_id IS NOT NULL")),
        Index("ix_record_segment", "journal", "segment"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    journal: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)
    node: Mapped[str]
    segment: Mapped[int]
    offset: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    data_set_offset: Mapped[int] = mapped_column(default=0)
    kind: Mapped[str]
    state: Mapped[RecordState] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(default="")
    origin: Mapped[dict[str, Any]]
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    received_at: Mapped[datetime] = mapped_column(index=True)
    sha256: Mapped[str] = mapped_column(
        index=True
    )  # of the original as received: the data set of DICOM, the whole payload otherwise
    pack_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("pack.id"))
    pack_offset: Mapped[int | None] = mapped_column(BigInteger)
    local: Mapped[bool] = mapped_column(default=True)  # its segment is still there

    pack: Mapped[Pack | None] = relationship(lazy="joined")


def is_indexed() -> ColumnElement[bool]:
    """A predicate over `Record`. Not by its index: nearly every record is, and SQLite would begin there."""
    return cast(Record.state, String) == RecordState.INDEXED.value


class Study(Base):
    """A DICOM study: the imaging examination as its instances know it."""

    __tablename__ = "study"
    __table_args__ = (Index("ix_study_newest", "study_date", "study_time", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), unique=True)
    study_instance_uid: Mapped[str] = mapped_column(unique=True)
    study_id: Mapped[str] = mapped_column(default="")
    study_date: Mapped[str] = mapped_column(default="")
    study_time: Mapped[str] = mapped_column(default="")
    study_description: Mapped[str] = mapped_column(default="")
    accession_number: Mapped[str] = mapped_column(default="", index=True)
    referring_physician_name: Mapped[str] = mapped_column(default="")
    character_set: Mapped[str | None]  # that its text is in, "": that it declares; None: as on arrival

    examination: Mapped[Examination] = relationship()
    series: Mapped[list["Series"]] = relationship(back_populates="study")


def character_set_of(of_study: str | None, origin: Mapping[str, Any]) -> str | None:
    """What an original is read with in place of what it declares: said since of its study, else of its device then."""
    return (origin.get("character_set") if of_study is None else of_study) or None


class Series(Base):
    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_id", "series_instance_uid"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    study_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("study.id"))
    series_instance_uid: Mapped[str] = mapped_column(index=True)
    modality: Mapped[str] = mapped_column(default="")
    series_number: Mapped[int | None]
    series_description: Mapped[str] = mapped_column(default="")
    body_part_examined: Mapped[str] = mapped_column(default="")
    laterality: Mapped[str] = mapped_column(default="")  # L, R, or B where its instances say both
    protocol_name: Mapped[str] = mapped_column(default="")
    station_name: Mapped[str] = mapped_column(default="")
    manufacturer: Mapped[str] = mapped_column(default="")
    instances: Mapped[int] = mapped_column(default=0)

    study: Mapped[Study] = relationship(back_populates="series")


class Instance(Base):
    """One version of a SOP instance. A corrected resend that a person lets replace it makes another version."""

    __tablename__ = "instance"
    __table_args__ = (
        UniqueConstraint("sop_instance_uid", "version"),
        Index("ix_instance_series", "series_id", "current", "instance_number"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    series_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("series.id"))
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record.id"), unique=True)
    sop_instance_uid: Mapped[str] = mapped_column()
    sop_class_uid: Mapped[str]
    transfer_syntax_uid: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    current: Mapped[bool] = mapped_column(default=True)
    instance_number: Mapped[int | None]
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    number_of_frames: Mapped[int | None]
    specific_character_set: Mapped[str] = mapped_column(default="")

    series: Mapped[Series] = relationship()
    record: Mapped[Record] = relationship(lazy="joined")


class HeldReason(StrEnum):
    """Why a person must look before an accepted original goes on."""

    UID_MALFORMED = "uid_malformed"
    SAME_UID_OTHER_BYTES = "same_uid_other_bytes"
    STUDY_OF_ANOTHER_PATIENT = "study_of_another_patient"
    STUDY_OF_ANOTHER_INSTITUTION = "study_of_another_institution"
    PATIENT_CONTRADICTS = "patient_contradicts"
    UNKNOWN_DEVICE = "unknown_device"


class Held(Base):
    """An accepted original that waits for a person (待核查), and what they decided."""

    __tablename__ = "held"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record.id"), unique=True)
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"), index=True)
    examination_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("examination.id"), index=True)
    reason: Mapped[HeldReason]
    detail: Mapped[str] = mapped_column(default="")
    header: Mapped[dict[str, Any]]
    held_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None] = mapped_column(index=True)
    resolved_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    resolution: Mapped[str] = mapped_column(default="")
    resolution_reason: Mapped[str] = mapped_column(default="")

    record: Mapped[Record] = relationship()


class Refusal(Base):
    """Something that was turned away at the door, so that people can see why."""

    __tablename__ = "refusal"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    refused_at: Mapped[datetime] = mapped_column(index=True)
    what: Mapped[str]  # connection, association, instance, file
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"), index=True)
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"), index=True)
    peer_address: Mapped[str] = mapped_column(default="")
    calling_ae_title: Mapped[str] = mapped_column(default="")
    reason: Mapped[str]
    cause: Mapped[str] = mapped_column(
        default=""
    )  # our word for it, where the standard's reason says too little
    detail: Mapped[str] = mapped_column(default="")
    sop_instance_uid: Mapped[str] = mapped_column(default="")


class SegmentCursor(Base):
    """How far one segment of a journal has been indexed. Its records' ids make a repeat harmless."""

    __tablename__ = "segment_cursor"

    journal: Mapped[str] = mapped_column(primary_key=True)
    segment: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger)
    ended: Mapped[bool] = mapped_column(default=False)


class DrainMark(Base):
    """Everything received before `indexed_until` is indexed; one row per node."""

    __tablename__ = "drain_mark"

    node: Mapped[str] = mapped_column(primary_key=True)
    indexed_until: Mapped[datetime]
    filed_at: Mapped[datetime | None]
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Node(Base):
    """Where a machine serves the segments of its journals to the others."""

    __tablename__ = "node"

    name: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    seen_at: Mapped[datetime]
