"""A result file beside the mapping of its columns that is being made: its first rows, and what would be filed of it.

Rows hold patients' data: whoever may not see whose results they are sees the headings alone. Nothing is kept here;
the mapping is kept as a part of the analyser's profile.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from adapters.lab.csv_proposing import Proposal, sniff
from adapters.lab.said import Message, Specimen
from gateway import audit
from gateway.lab.bodies import FILE, WIRES
from gateway.lab.files import is_document
from gateway.lab.filing import find_specimen
from gateway.lab.identity import contradictions_of
from gateway.lab.mapping import understand
from gateway.lab.profiles import Outcome, check_content, get_seen, outcomes_of
from gateway.lab.rereading import read_again
from gateway.lab.rows import LabHeldReason, LabMessage
from gateway.originals import read_original
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.base import local_date
from worklists.directory import Device
from worklists.errors import NotFound
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.specimens import LabSpecimen, find_by_barcodes
from worklists.names import display_name

SHOWN_SPECIMENS = 12
LISTED = 50  # files of one profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file as it lies there. `proposal` None: a document."""

    row: LabMessage
    file_name: str
    named: bool
    proposal: Proposal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What of one specimen would be filed; `held` says why nothing would."""

    specimen: Specimen
    name: str
    held: LabHeldReason | None
    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Counts over the whole file, its first specimens one by one. `problem`: why it cannot be read so."""

    named: bool
    problem: Malformed | None = None
    specimens: int = 0
    results: int = 0
    filed: int = 0
    left_out: int = 0
    held: Mapping[LabHeldReason, int] = field(default_factory=dict)
    unmapped: tuple[str, ...] = ()  # tests that the profile does not know
    shown: tuple[Filled, ...] = ()
    warnings: tuple[str, ...] = ()


def find_files(session: Session, who: Who, profile_code: str) -> list[LabMessage]:
    """The last files of the analysers under a profile, as far as the caller may know of them."""
    rows = session.scalars(
        select(LabMessage)
        .join(Device, Device.id == LabMessage.device_id)
        .where(Device.profile_code == profile_code, LabMessage.wire == WIRES[FILE])
        .order_by(LabMessage.received_at.desc(), LabMessage.id.desc())
        .limit(LISTED)
    ).all()
    return [row for row in rows if get_seen(session, who, row) is not None]


def open_file(
    runtime: Runtime,
    who: Who,
    message_id: uuid.UUID,
    *,
    encoding: str = "",
    delimiter: str = "",
    heading_row: int | None = None,
) -> Opened:
    """Its first rows and what they probably mean; audited where they are shown. Raises NotFound, Malformed, Unavailable."""
    with runtime.reading() as session:
        row, named = _get(session, who, message_id)
        record = row.record
    body = read_original(runtime, record)
    # Only whose rows may be seen may say which of them is the heading: it would be shown.
    asked = heading_row if named else None
    proposal = None if is_document(body) else sniff(
        body, encoding=encoding, delimiter=delimiter, heading_row=asked
    )  # fmt: skip
    if named:
        with runtime.sessions.begin() as session:
            audit.record(
                session, "lab_message_opened", actor=who.actor, now=runtime.now(),
                detail={"message_id": str(message_id)},
            )  # fmt: skip
    name = str(record.origin.get("filename", "")) if named else ""
    return Opened(row=row, file_name=name, named=named, proposal=proposal)


def preview_file(runtime: Runtime, who: Who, message_id: uuid.UUID, content: Mapping[str, Any]) -> Preview:
    """What would be filed of it under this content of a profile. Raises NotFound, FieldErrors, Unavailable."""
    with runtime.reading() as session:
        check_content(session, content)
        _, named = _get(session, who, message_id)
    try:
        said = read_again(runtime, message_id, content=content)
    except Malformed as error:
        return Preview(named=named, problem=error)
    with runtime.reading() as session:
        return _preview(session, session.get_one(LabMessage, message_id), said, content, named=named)


def _preview(
    session: Session, row: LabMessage, said: Message, content: Mapping[str, Any], *, named: bool
) -> Preview:
    profile = understand(0, content)
    items = {one.code: one for one in session.scalars(select(LabItem).where(LabItem.enabled))}
    barcodes = {profile.barcode_of(one) for one in said.specimens} - {""}
    known = find_by_barcodes(session, barcodes)
    outcomes = outcomes_of(said, profile, items, local_date(row.received_at))
    by_specimen: dict[int, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_specimen[one.specimen_number].append(one)
    held, filled, left_out = Counter[LabHeldReason](), [], 0
    for number, specimen in enumerate(said.specimens):
        own = by_specimen[number]
        why = None
        if profile.control_of(specimen) is None:
            why = _why_held(row, profile.barcode_of(specimen), specimen, known)
        held.update([why] * (len(own) + len(specimen.attachments)) if why else
                    [one.held for one in own if one.held is not None])  # fmt: skip
        left_out += 0 if why else sum(bool(one.left_out) for one in own)
        name = display_name(specimen.patient.name) if specimen.patient else ""
        filled.append(Filled(specimen=specimen, name=name, held=why, outcomes=own))
    unmapped = [_named(one) for one in outcomes if one.held is LabHeldReason.UNKNOWN_TEST]
    return Preview(
        named=named,
        specimens=len(said.specimens),
        results=said.results,
        filed=said.results - sum(held.values()) - left_out,
        left_out=left_out,
        held=dict(held),
        unmapped=tuple(dict.fromkeys(unmapped)),
        shown=tuple(filled[:SHOWN_SPECIMENS]) if named else (),
        warnings=said.warnings if named else (),
    )


def _why_held(
    row: LabMessage, barcode: str, specimen: Specimen, known: Mapping[str, list[LabSpecimen]]
) -> LabHeldReason | None:
    if row.device is None:
        return LabHeldReason.UNKNOWN_DEVICE
    found = find_specimen(row.device, barcode, specimen.patient, known.get(barcode, ()))
    if isinstance(found, LabSpecimen):
        wrong = contradictions_of(found.patient, specimen.patient, barcode)
        return LabHeldReason.PATIENT_MISMATCH if wrong else None
    return found


def _named(one: Outcome) -> str:
    return one.result.test.code or one.result.test.text


def _get(session: Session, who: Who, message_id: uuid.UUID) -> tuple[LabMessage, bool]:
    row = session.get(LabMessage, message_id)
    named = get_seen(session, who, row) if row is not None else None
    if row is None or named is None or row.record.kind != FILE:
        raise NotFound("lab_message")
    return row, named
