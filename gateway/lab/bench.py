"""What filing needs of the database, asked once for many messages; and what it adds to it, written set by set.

Patients, specimens and examinations are rows of the session. What there are many of (results), and what only names
the others by their ids, waits until `write`.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.lab.said import Message, MessageKind, Specimen, StatedPatient
from gateway.lab.identity import identity_of
from gateway.lab.mapping import Profile, read_profile
from gateway.lab.rows import LabHeld, LabMessage
from worklists import bulk, patients
from worklists.directory import Device
from worklists.examinations import Examination
from worklists.laboratory.dictionary import Item, LabItem, read_item
from worklists.laboratory.examining import Wording
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.recording import AnyResult, NewResult, Sheet
from worklists.laboratory.releasing import Releaser
from worklists.laboratory.results import LabAttachment, LabResult
from worklists.laboratory.specimens import LabSpecimen, find_by_barcodes, note_as_written
from worklists.patients import Patient

_PatientKey = tuple[uuid.UUID, str]  # institution, its number


@dataclass(slots=True, kw_only=True)
class Bench:
    """One batch of messages at work."""

    session: Session
    now: datetime
    sender: bulk.Sender
    releaser: Releaser = field(init=False)
    wording: Wording = field(init=False)
    gained: dict[Examination, int] = field(default_factory=dict)  # how many results each was given
    to_judge: set[uuid.UUID] = field(default_factory=set)  # examinations, for the rules to look at anew
    _items: dict[str, Item | None] = field(default_factory=dict)
    _specimens: dict[str, list[LabSpecimen]] = field(default_factory=dict)
    _patients: dict[_PatientKey, list[Patient]] = field(default_factory=dict)
    _results: dict[uuid.UUID, list[AnyResult]] = field(default_factory=dict)  # of an examination
    _held: dict[uuid.UUID, list[LabHeld]] = field(default_factory=dict)  # of a message
    _attachments: set[tuple[uuid.UUID, int]] = field(default_factory=set)  # known: message, position
    _profiles: dict[str, Profile | None] = field(default_factory=dict)
    _devices: dict[uuid.UUID, Device] = field(default_factory=dict)
    _unsent: list[Sheet] = field(default_factory=list)
    _sent: list[NewResult] = field(default_factory=list)  # that counted when they were sent
    _new_messages: list[LabMessage] = field(default_factory=list)
    _unwritten_rows: list[LabHeld | LabAttachment] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.session.no_autoflush:
            self.releaser = Releaser(session=self.session, now=self.now)
        self.wording = Wording(self.session)

    def look_around(self, messages: Sequence[tuple[LabMessage, Message]]) -> None:
        """Ask for all that a batch speaks of at once: its specimens, their results, and what was held of it before.

        Who makes patients from what analysers say takes turns on them: whoever comes second finds what the first made.
        """
        with self.session.no_autoflush:
            self._look_around(messages)

    def _look_around(self, messages: Sequence[tuple[LabMessage, Message]]) -> None:
        self._look_back(messages)
        devices = {row.device_id for row, _ in messages if row.device_id is not None}
        self._devices = {
            one.id: one for one in self.session.scalars(select(Device).where(Device.id.in_(devices)))
        }
        stated = list(self._stated(messages))
        issued = {
            (device.institution_id, one.patient.patient_id)
            for device, one, _ in stated
            if device.without_order and one.patient is not None and one.patient.patient_id
        }
        bulk.take_turns(self.session, (f"patient {institution} {number}" for institution, number in issued))
        self._specimens = find_by_barcodes(self.session, {barcode for _, _, barcode in stated} - {""})
        self._patients = {key: [] for key in issued}
        for patient in patients.find_all(self.session, issued):
            self._patients[patient.institution_id, patient.patient_id].append(patient)
        known = [one for alike in self._specimens.values() for one in alike]
        self._look_at({one.examination_id for one in known if one.examination_id is not None})
        people = [
            *(one.patient for one in known),
            *(one for alike in self._patients.values() for one in alike),
        ]
        self.releaser.look_back({one.master_id for one in people})

    def _look_back(self, messages: Sequence[tuple[LabMessage, Message]]) -> None:
        """What was made of these messages when they were filed before."""
        ids = [row.id for row, _ in messages]
        self._held = {one: [] for one in ids}
        for held in self.session.scalars(select(LabHeld).where(LabHeld.message_id.in_(ids))):
            self._held[held.message_id].append(held)
        if any(one.attachments for _, said in messages for one in said.specimens):
            found = self.session.execute(
                select(LabAttachment.message_id, LabAttachment.position).where(
                    LabAttachment.message_id.in_(ids)
                )
            )
            self._attachments = {(message_id, position) for message_id, position in found}

    def _stated(
        self, messages: Sequence[tuple[LabMessage, Message]]
    ) -> Iterator[tuple[Device, Specimen, str]]:
        """Specimens of messages of results, with their barcodes."""
        for row, said in messages:
            device = self.device(row)
            profile = self.profile(device) if device is not None else None
            if device is not None and profile is not None and said.kind is MessageKind.RESULTS:
                for one in said.specimens:
                    yield device, one, profile.barcode_of(one)

    def _look_at(self, examinations: set[uuid.UUID]) -> None:
        self._results = {one: [] for one in examinations}
        if examinations:
            query = select(LabResult).where(LabResult.examination_id.in_(examinations))
            for result in self.session.scalars(query):
                self._results[result.examination_id].append(result)

    def device(self, row: LabMessage) -> Device | None:
        return self._devices.get(row.device_id) if row.device_id is not None else None

    def specimens(self, barcode: str) -> list[LabSpecimen]:
        if barcode not in self._specimens:
            self._specimens |= find_by_barcodes(self.session, [barcode])
        return self._specimens[barcode]

    def patient(self, institution_id: uuid.UUID, stated: StatedPatient) -> Patient:
        """Whom an institution's analyser names; perhaps somebody new."""
        key = (institution_id, stated.patient_id)
        if key not in self._patients:
            self._patients[key] = patients.find(self.session, *key)
        issued = self._patients[key]
        known = len(issued)
        patient = patients.choose_or_create(self.session, institution_id, identity_of(stated), issued)
        if len(issued) > known:
            self.releaser.note_newcomer(patient.master_id)
        return patient

    def forget_specimens(self) -> None:
        """An order made some or changed them, and their patients: they are asked for anew."""
        self.session.flush()
        self._specimens, self._patients = {}, {}

    def sheet(self, examination: Examination, specimen: LabSpecimen, *, is_new: bool) -> Sheet:
        """On the very list that other messages of the batch find, so that each sees what came before it."""
        if examination.id not in self._results:
            self._results[examination.id] = [] if is_new else self._results_of(examination.id)
        return Sheet(
            examination_id=examination.id,
            patient_id=specimen.patient.id,
            results=self._results[examination.id],
        )

    def _results_of(self, examination_id: uuid.UUID) -> list[AnyResult]:
        return list(self.session.scalars(select(LabResult).where(LabResult.examination_id == examination_id)))

    def held(self, row: LabMessage) -> list[LabHeld]:
        return self._held.get(row.id, [])

    def is_attached(self, row: LabMessage, position: int) -> bool:
        return (row.id, position) in self._attachments

    def item(self, code: str) -> Item | None:
        """Asked for with all that a profile at hand may name."""
        if code not in self._items:
            named = {code}.union(*(one.items for one in self._profiles.values() if one is not None))
            unknown = named - self._items.keys()
            self._items |= dict.fromkeys(unknown)
            query = select(LabItem).where(LabItem.enabled, LabItem.code.in_(unknown))
            self._items |= {one.code: read_item(one) for one in self.session.scalars(query)}
        return self._items[code]

    def profile(self, device: Device) -> Profile | None:
        code = device.profile_code
        if code is None:
            return None
        if code not in self._profiles:
            row = self.session.get(AnalyserProfile, code)
            self._profiles[code] = read_profile(row) if row is not None and row.enabled else None
        return self._profiles[code]

    def add_message(self, row: LabMessage) -> None:
        """As it is from now on. A new one of which nothing is held is named by nothing that the session has."""
        if row not in self.session:
            self._new_messages.append(row)

    def add(self, found: Sheet | LabHeld | LabAttachment) -> None:
        """What is written behind the examination that it names."""
        if isinstance(found, Sheet):
            self._unsent.append(found)
        else:
            self._unwritten_rows.append(found)

    def send(self) -> None:
        """Let the database write the results so far while more is filed. They stay at hand as they are."""
        self._flush()
        added = [one for sheet in self._unsent for one in sheet.added]
        self.sender.insert_values(LabResult, added)
        self._sent += [one for one in added if one.current]
        self._unsent = []

    def write(self) -> None:
        """All that waits. What was recorded are rows from now on: whoever looks again asks the database."""
        self.send()
        self.sender.wait()
        replaced = [{"id": one.id, "current": False} for one in self._sent if not one.current]
        bulk.update_rows(self.session, LabResult, replaced)
        bulk.insert_values(self.session, LabMessage, self._new_messages)
        self.session.add_all(self._unwritten_rows)
        self.releaser.alarms.carry_out(self.session, now=self.now)
        self.session.flush()
        self._sent, self._unwritten_rows, self._new_messages, self._results = [], [], [], {}
        self.releaser.forget_history()

    def _flush(self) -> None:
        """The rows that results point to. Specimens, each with its version, in one statement."""
        self.sender.wait()
        changed = [
            one
            for one in self.session.dirty
            if isinstance(one, LabSpecimen) and self.session.is_modified(one)
        ]
        tested = [note_as_written(one) for one in sorted(changed, key=lambda one: one.id)]
        self.session.flush()
        bulk.update_versions(self.session, LabSpecimen, tested)
