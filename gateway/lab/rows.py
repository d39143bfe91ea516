"""Rows of messages: what arrived over a laboratory wire, what became of it, and what of it waits for a person."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from adapters.lab.said import Message
from gateway.index import Record
from worklists.base import Base, new_id, only_where
from worklists.directory import Device, Institution, Person


class MessageState(StrEnum):
    FILED = "filed"  # everything in it is where it belongs
    HELD = "held"  # something waits for a person
    DUPLICATE = "duplicate"
    OTHER = "other"  # understood, and nothing of a laboratory
    SET_ASIDE = "set_aside"  # a person decided: kept, off every list


class LabMessage(Base):
    """One message that was accepted."""

    __tablename__ = "lab_message"
    __table_args__ = (
        Index("ix_lab_message_control", "device_id", "control_id"),
        Index("ix_lab_message_received", "institution_id", "received_at"),
        Index("ix_lab_message_latest", "received_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("record.id"), unique=True)
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    wire: Mapped[str]
    kind: Mapped[str]  # adapters.lab.said.MessageKind
    type: Mapped[str] = mapped_column(default="")
    control_id: Mapped[str] = mapped_column(default="")
    state: Mapped[MessageState]
    results: Mapped[int] = mapped_column(default=0)
    filed: Mapped[int] = mapped_column(default=0)
    controls: Mapped[int] = mapped_column(default=0)  # results of control material among the filed ones
    profile_version: Mapped[int | None]
    attached: Mapped[
        dict[str, Any] | None
    ]  # number of a specimen in it → id of the LabSpecimen that a person chose
    text_in_doubt: Mapped[bool] = mapped_column(default=False)
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    received_at: Mapped[datetime]

    record: Mapped[Record] = relationship(lazy="joined")
    device: Mapped[Device | None] = relationship()
    institution: Mapped[Institution | None] = relationship()
    held: Mapped[list["LabHeld"]] = relationship(back_populates="message")

    def describe(self, said: Message) -> None:
        """What it turned out to say, now or when it could be read at last."""
        self.kind, self.type, self.control_id = said.kind.value, said.type[:40], said.control_id[:200]
        self.results = said.results
        self.text_in_doubt, self.warnings = said.text_in_doubt, list(said.warnings)


class LabHeldReason(StrEnum):
    UNKNOWN_DEVICE = "unknown_device"
    NO_PROFILE = "no_profile"
    INCOMPLETE = "incomplete"  # the analyser broke off in the middle
    UNREADABLE = "unreadable"
    FILE_UNMAPPED = "file_unmapped"  # a result file whose columns, or whose name, nobody explained yet
    CONTROL_ID_REUSED = "control_id_reused"  # the same number, other content
    NO_BARCODE = "no_barcode"
    UNKNOWN_BARCODE = "unknown_barcode"
    AMBIGUOUS_BARCODE = "ambiguous_barcode"
    PATIENT_MISMATCH = "patient_mismatch"
    SPECIMEN_REJECTED = "specimen_rejected"
    UNKNOWN_TEST = "unknown_test"
    UNKNOWN_UNIT = "unknown_unit"
    UNIT_MISSING = "unit_missing"  # neither the message nor the profile says what a number is in
    UNREADABLE_VALUE = "unreadable_value"
    OLDER_THAN_CURRENT = "older_than_current"  # a preliminary result behind its final one
    NOTHING_TO_CORRECT = "nothing_to_correct"  # a correction or withdrawal of what never came
    ORDER_UNCLEAR = "order_unclear"  # an order whose patient, barcode or number contradicts what is known


class LabHeld(Base):
    """Of a message, what could not be filed: the whole of it, one specimen, or one result."""

    __tablename__ = "lab_held"
    __table_args__ = (
        Index("ix_lab_held_open", "institution_id", "reason", **only_where("resolved_at IS NULL")),
        Index("ix_lab_held_message", "message_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lab_message.id"))
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    reason: Mapped[LabHeldReason]
    specimen_number: Mapped[int | None]  # which of the message, from 0; None: the message itself
    position: Mapped[int | None]  # which result; None: the whole specimen
    barcode: Mapped[str] = mapped_column(default="")
    examination_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("examination.id"), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    held_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    resolution: Mapped[str] = mapped_column(default="")
    resolution_reason: Mapped[str] = mapped_column(default="")

    message: Mapped[LabMessage] = relationship(back_populates="held")
    resolved_by: Mapped[Person | None] = relationship()
