"""The recordings of an examination: found through the one door for seeing, and opened from their originals."""

import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from adapters.ecg.reading import read_recording
from adapters.ecg.recording import EcgRecording
from adapters.errors import Unavailable
from gateway.dicomweb.recent import Recent
from gateway.ecg.headers import FILE_KIND, MODALITY, WAVEFORM_CLASSES
from gateway.ecg.rows import EcgDescription
from gateway.ecg.thinning import owners_of
from gateway.file_cache import FileCache
from gateway.index import Instance, Record, Series, Study
from gateway.originals import Original, open_original, original_of
from gateway.part10 import open_part10
from gateway.runtime import Runtime
from worklists.access import Sight, Subject, visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination, ExaminationAlias

OPENED_LIMIT_BYTES = 32 << 20  # of samples in memory; a mapped file counts nothing
OPENED_WEIGHT_BYTES = 64 << 10  # of one beside its samples
SMALL_BYTES = 8 << 20  # an original below it is opened without a place in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One recording: its record and what is known of it. `description` is None until it was looked into."""

    record_id: uuid.UUID
    examination_id: uuid.UUID
    study_id: uuid.UUID
    study_instance_uid: str
    series_instance_uid: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    origin: Mapping[str, Any]
    received_at: datetime
    original: Original
    description: Mapping[str, Any] | None
    proposal: Mapping[str, Any] | None
    problem: str

    @property
    def name(self) -> str:
        """As the sender called the file; a DICOM object has its UID for a name."""
        return str(self.origin.get("filename") or f"{self.sop_instance_uid}.dcm")


def find_recordings(session: Session, subject: Subject, examination_id: uuid.UUID) -> list[Found]:
    """The recordings of an examination whose images somebody may see, the newest first. Raises NotFound."""
    alias = session.get(ExaminationAlias, examination_id)
    own_id = alias.examination_id if alias is not None else examination_id
    seen = session.scalar(
        select(Examination.id).where(Examination.id == own_id, visible_to(subject, Sight.IMAGES))
    )
    if seen is None:
        raise NotFound("examination")
    return recordings_of(session, own_id)


def get_recording(
    session: Session, subject: Subject, examination_id: uuid.UUID, record_id: uuid.UUID | None = None
) -> Found:
    """One of them: the newest unless another is named. Raises NotFound."""
    found = find_recordings(session, subject, examination_id)
    for one in found:
        if record_id is None or one.record_id == record_id:
            return one
    raise NotFound("recording")


def recordings_of(session: Session, examination_id: uuid.UUID) -> list[Found]:
    """The same for whoever has a right to them already."""
    return _find(session, Study.examination_id == examination_id)


def find_by_record(session: Session, record_id: uuid.UUID) -> Found | None:
    """The recording of a record, if it is in the index."""
    return next(iter(_find(session, Record.id == record_id)), None)


def _find(session: Session, wanted: ColumnElement[bool]) -> list[Found]:
    rows = session.execute(
        select(Instance, Record, Series.series_instance_uid, Study, EcgDescription)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Record, Record.id == Instance.record_id)
        .outerjoin(EcgDescription, EcgDescription.record_id == Record.id)
        .where(wanted, Instance.current)
        .where(
            or_(
                Record.kind == FILE_KIND,
                Series.modality.in_((MODALITY, "HD")),
                Instance.sop_class_uid.in_(WAVEFORM_CLASSES),
            )
        )
        .order_by(Record.received_at.desc(), Record.id.desc())
    )
    return [_found(*row) for row in rows]


def _found(
    instance: Instance,
    record: Record,
    series_instance_uid: str,
    study: Study,
    row: EcgDescription | None,
) -> Found:
    return Found(
        record_id=record.id,
        examination_id=study.examination_id,
        study_id=study.id,
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=series_instance_uid,
        kind=record.kind,
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        sha256=record.sha256,
        origin=record.origin,
        received_at=record.received_at,
        original=original_of(record),
        description=row.description if row is not None else record.origin.get("ecg"),
        proposal=row.proposal if row is not None else None,
        problem=row.problem if row is not None else "",
    )


class Recordings:
    """What one process has opened lately. Safe to use from threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._opened: Recent[uuid.UUID, EcgRecording] = Recent(limit_bytes=OPENED_LIMIT_BYTES)
        self._files = FileCache(
            runtime.settings.cache_dir / "ecg", limit_bytes=runtime.settings.read_cache_bytes // 4
        )

    @property
    def files(self) -> FileCache:
        """Where what can be made again of recordings is kept."""
        return self._files

    def open(self, found: Found) -> EcgRecording:
        """Raises Malformed when the original is no recording that can be read, Unavailable when it is away."""

        def make() -> tuple[EcgRecording, int]:
            recording = self._read(found)
            return recording, OPENED_WEIGHT_BYTES + _weight(recording)

        return self._opened.get(found.record_id, make)

    def _read(self, found: Found) -> EcgRecording:
        if found.original.size_bytes <= SMALL_BYTES:
            with tempfile.NamedTemporaryFile(suffix=Path(found.name).suffix[:16]) as file:
                for chunk in open_file(self._runtime, found):
                    file.write(chunk)
                file.flush()
                return read_recording(Path(file.name), name=found.name)
        return read_recording(self._kept(found), name=found.name)

    def _kept(self, found: Found) -> Path:
        """A large original as a file of its own, of which windows are read."""
        name = f"{found.record_id.hex}.original"
        path = self._files.path(name)
        if not path.exists():
            with self._files.growing(name, expected_bytes=found.original.size_bytes) as file:
                for chunk in open_file(self._runtime, found):
                    file.write(chunk)
        if not path.exists():
            raise Unavailable("the disk has no room to open a long recording")
        self._files.note_use(path)
        return path


def open_file(runtime: Runtime, found: Found) -> Iterator[bytes]:
    """The original as the file that it was, or that it would be: an instance may have come without its file's beginning."""
    if found.kind == FILE_KIND:
        return open_original(runtime, found.original)
    return open_part10(
        runtime,
        found.original,
        sop_class_uid=found.sop_class_uid,
        sop_instance_uid=found.sop_instance_uid,
        transfer_syntax_uid=found.transfer_syntax_uid,
        source_ae_title=str(found.origin.get("calling_ae_title", "")),
    )


def _weight(recording: EcgRecording) -> int:
    return sum(one.nbytes for one in owners_of(recording) if isinstance(one, np.ndarray))
