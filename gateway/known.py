"""What the database knows about a batch of accepted instances, read by a fixed number of queries and kept current.

Studies are rows of the session. Records and instances are many: they are plain values, written set by set at the end.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from adapters.dicom.header import InstanceHeader
from gateway import duplicates
from gateway.index import Held, Instance, Record, RecordState, Series, Study
from worklists import bulk, examinations, patients
from worklists.cards import find_card_number
from worklists.examinations import Examination
from worklists.patients import Patient, PatientIdentity

_LOST = (
    RecordState.QUARANTINED,
    RecordState.DISCARDED,
)  # states of an instance's record of which the bytes rotted


@dataclass(slots=True, kw_only=True)
class NewRecord:
    """A `Record` that is not in the database yet; the same names."""

    id: uuid.UUID
    journal: str
    sequence: int
    node: str
    segment: int
    offset: int
    size_bytes: int
    data_set_offset: int
    kind: str
    state: RecordState
    reason: str
    origin: dict[str, Any]
    institution_id: uuid.UUID | None
    device_id: uuid.UUID | None
    received_at: datetime
    sha256: str
    local: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """An `Instance` that is not in the database yet; the same names."""

    id: uuid.UUID
    series_id: uuid.UUID
    record_id: uuid.UUID
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    version: int
    current: bool
    instance_number: int | None
    rows: int | None
    columns: int | None
    number_of_frames: int | None
    specific_character_set: str


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """An accepted instance: its record, and what its header says."""

    record: Record | NewRecord
    header: InstanceHeader

    @cached_property
    def patient(self) -> PatientIdentity:
        header = self.header
        return PatientIdentity(
            patient_id=header.patient_id,
            name=header.patient_name,
            sex=header.patient_sex or None,
            birth_date=header.patient_birth_date,
            national_id=find_card_number([header.patient_id, *header.other_patient_ids]),
            issuer=header.issuer_of_patient_id,
            phone=header.telephone,
            proposed_name=header.proposed_patient_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownInstance:
    """The current version of a SOP instance."""

    institution_id: uuid.UUID | None
    sha256: str
    study: Study
    rotten: uuid.UUID | None = None  # its record, of which the bytes are lost: the same ones are welcome


@dataclass(slots=True)
class Unwritten:
    """What a batch adds set by set."""

    records: list[NewRecord] = field(default_factory=list)
    instances: list[NewInstance] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    instead: list[tuple[uuid.UUID, uuid.UUID]] = field(default_factory=list)  # of a rotten record, another


class Known:
    """What the database knows of the studies, patients and instances of one batch, kept current while it is placed.

    Drains of several nodes, and people who decide, take turns on a study and on a patient: whoever comes second
    sees what the first one made.
    """

    def __init__(self, session: Session, incoming: Sequence[Incoming]):
        self.session = session
        self.unwritten = Unwritten()
        self.same_patient: dict[tuple[uuid.UUID, PatientIdentity], bool] = {}  # judged once for a study
        study_uids = {item.header.study_instance_uid for item in incoming}
        self._patient_keys = {
            (item.record.institution_id, item.header.patient_id)
            for item in incoming
            if item.record.institution_id is not None and item.header.patient_id
        }
        bulk.take_turns(session, _turns(study_uids, self._patient_keys))
        self._lock_examinations(study_uids)
        same = session.execute(
            select(
                Instance.sop_instance_uid,
                Record.id,
                Record.state,
                Record.institution_id,
                Record.sha256,
                Series.study_id,
            )
            .join(Record, Record.id == Instance.record_id)
            .join(Series, Series.id == Instance.series_id)
            .where(Instance.sop_instance_uid.in_({item.header.sop_instance_uid for item in incoming}))
            .where(Instance.current)
        ).all()
        found = session.scalars(
            select(Study)
            .where(
                or_(Study.study_instance_uid.in_(study_uids), Study.id.in_({row.study_id for row in same}))
            )
            .options(joinedload(Study.examination).joinedload(Examination.institution))
            .execution_options(populate_existing=True)
        ).all()
        self.studies = {study.study_instance_uid: study for study in found}
        by_id = {study.id: study for study in found}
        rows = session.scalars(select(Series).where(Series.study_id.in_(by_id)))
        self.series = {(row.study_id, row.series_instance_uid): row for row in rows}
        self.instances = {
            row.sop_instance_uid: KnownInstance(
                institution_id=row.institution_id,
                sha256=row.sha256,
                study=by_id[row.study_id],
                rotten=row.id if row.state in _LOST else None,
            )
            for row in same
        }

    @cached_property
    def patients(self) -> dict[tuple[uuid.UUID, str], list[Patient]]:
        """Everybody whom an issuer of this batch calls by a number of this batch."""
        found: dict[tuple[uuid.UUID, str], list[Patient]] = defaultdict(list)
        for patient in patients.find_all(self.session, self._patient_keys):
            found[patient.institution_id, patient.patient_id].append(patient)
        return found

    def is_taken(self, item: Incoming) -> bool:
        """The id that was minted for it at the door leads to an examination already."""
        minted = item.record.origin.get("examination_id")
        if not minted:
            return False
        taken = any(str(study.examination_id) == minted for study in self.studies.values())
        return taken or examinations.is_taken(self.session, uuid.UUID(str(minted)))

    def held_already(self, incoming: Iterable[Incoming]) -> set[tuple[str, str, uuid.UUID | None]]:
        """Of these, what was held before: digest, kind and institution."""
        digests = {item.record.sha256 for item in incoming}
        rows = self.session.execute(
            select(Record.sha256, Record.kind, Record.institution_id)
            .join(Held, Held.record_id == Record.id)
            .where(Record.sha256.in_(digests))
        )
        return {(row.sha256, row.kind, row.institution_id) for row in rows}

    def write(self) -> None:
        """Write what the batch adds; what they point to goes first."""
        self.session.flush()
        waiting, self.unwritten = self.unwritten, Unwritten()
        bulk.insert_values(self.session, Record, waiting.records)
        bulk.insert_values(self.session, Instance, waiting.instances)
        bulk.insert_rows(self.session, Held, waiting.held)
        for rotten, sound in waiting.instead:
            duplicates.stand_for(self.session, rotten, sound)

    def _lock_examinations(self, study_uids: Iterable[str]) -> None:
        """Whoever changes an examination without an arrival locks its row. Always in one order."""
        query = select(Examination.id).where(Examination.study_instance_uid.in_(study_uids))
        self.session.execute(query.order_by(Examination.id).with_for_update())


def _turns(study_uids: Iterable[str], patient_keys: Iterable[tuple[object, str]]) -> Iterable[str]:
    yield from (f"study {uid}" for uid in study_uids)
    yield from (f"patient {institution} {number}" for institution, number in patient_keys)
