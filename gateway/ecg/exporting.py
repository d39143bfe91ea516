"""A recording on its way out: the file as it came, or made anew from it as DICOM, WFDB or true-size paper.

What is made anew carries the patient as the examination names them now; the original stays what it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path, PurePath
from tempfile import NamedTemporaryFile

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.ecg.dicom_writing import DicomIdentity, dicom_pieces
from adapters.ecg.paper import Paper, TracingHead
from adapters.ecg.reading import read_document
from adapters.ecg.recording import EcgPatient, EcgRecording
from adapters.ecg.wfdb_writing import wfdb_pieces
from gateway import audit
from gateway.ecg.headers import FILE_KIND, uid_of
from gateway.ecg.recordings import Found, Recordings, open_file
from gateway.index import Instance, Series, Study
from gateway.runtime import Runtime
from worklists.base import COUNTY_TIME, local_date
from worklists.examinations import Examination, age_text

DICOM, PDF, ZIP, BYTES = "application/dicom", "application/pdf", "application/zip", "application/octet-stream"
_ZIP_HEAD = b"PK\x03\x04"
_SUFFIXES = {ZIP: ".zip", PDF: ".pdf", DICOM: ".dcm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file ready to be sent: nothing about it can fail any more but the connection."""

    filename: str
    media_type: str
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Under which names a recording goes out, as the index and the examination know them."""

    dicom: DicomIdentity
    head: TracingHead


def find_identity(session: Session, runtime: Runtime, found: Found) -> Identity:
    """Of one recording that somebody may see."""
    series_uid, study_uid = session.execute(
        select(Series.series_instance_uid, Study.study_instance_uid)
        .join(Study, Study.id == Series.study_id)
        .join(Instance, Instance.series_id == Series.id)
        .where(Instance.record_id == found.record_id)
    ).one()
    examination = session.get_one(Examination, found.examination_id)
    patient, institution = examination.patient, examination.institution
    on = local_date(examination.studied_at or examination.received_at)
    born = patient.birth_date
    return Identity(
        dicom=DicomIdentity(
            study_instance_uid=study_uid,
            series_instance_uid=series_uid,
            sop_instance_uid=found.sop_instance_uid,
            started_at=examination.studied_at or found.received_at,
            patient=EcgPatient(
                patient_id=patient.patient_id,
                name=patient.name,
                sex=patient.sex or "",
                birth_date=born,
                age_years=_years(born, on) if born is not None and born <= on else None,
            ),
            accession_number=examination.accession_number,
            study_description=examination.description or "ECG",
            institution=institution.name,
            time_zone=COUNTY_TIME,
        ),
        head=TracingHead(
            name=patient.display_name,
            sex=patient.sex or "",
            age=age_text(born, on) or "",
            patient_id=patient.patient_id,
            institution=institution.name,
            accession_number=examination.accession_number,
            time_zone=COUNTY_TIME,
            printed_at=runtime.now(),
        ),
    )


def export_original(runtime: Runtime, found: Found) -> Export:
    """The file as it was received; a set that came as one zip is that zip."""
    pieces = open_file(runtime, found)
    first = next(pieces, b"")
    media_type = BYTES
    if found.kind != FILE_KIND:
        media_type = DICOM
    elif first.startswith(_ZIP_HEAD):
        media_type = ZIP
    elif first.startswith(b"%PDF-"):
        media_type = PDF
    name = PurePath(found.name.replace("\\", "/")).name or "ecg"
    suffix = _SUFFIXES.get(media_type, "")
    if suffix and not name.lower().endswith(suffix):
        name += suffix
    return Export(filename=name, media_type=media_type, pieces=chain((first,), pieces))


def export_dicom(runtime: Runtime, recordings: Recordings, found: Found, identity: Identity) -> Export:
    """A waveform object, also of what came as one: what devices write is often not valid, and the original is there, too.

    Two objects must not have one UID: what is made of an instance has its own, in the same study.
    """
    recording = recordings.open(found)
    names = identity.dicom
    if found.kind != FILE_KIND:
        if recording.document is not None:
            return export_original(runtime, found)
        names = replace(
            names,
            series_instance_uid=uid_of(names.series_instance_uid, "made anew", found.sha256),
            sop_instance_uid=uid_of(names.sop_instance_uid, "made anew", found.sha256),
        )
    pieces = dicom_pieces(recording, identity=names)
    return Export(filename=_named(recording, identity, ".dcm"), media_type=DICOM, pieces=pieces)


def export_wfdb(recordings: Recordings, found: Found, identity: Identity) -> Export:
    recording = recordings.open(found)
    pieces = wfdb_pieces(recording, name="ecg", time_zone=COUNTY_TIME)
    return Export(filename=_named(recording, identity, "-wfdb.zip"), media_type=ZIP, pieces=pieces)


def export_pdf(
    runtime: Runtime,
    recordings: Recordings,
    found: Found,
    identity: Identity,
    paper: Paper,
    *,
    from_s: float,
) -> Export:
    """The tracing on paper. An ECG that came as a PDF has no other paper than that."""
    # What typesets is loaded by those who ask for a page: 40 MB in each process otherwise.
    from adapters.ecg.pdf import write_pdf  # noqa: PLC0415
    from gateway.fonts import fonts_of  # noqa: PLC0415

    recording = recordings.open(found)
    document = recording.document
    if document is not None and document.media_type == PDF:
        if found.kind == FILE_KIND:
            return export_original(runtime, found)
        return Export(
            filename=_named(recording, identity, ".pdf"), media_type=PDF, pieces=_inside(runtime, found)
        )
    pdf = write_pdf(recording, paper, head=identity.head, fonts=fonts_of(runtime), from_s=from_s)
    return Export(filename=_named(recording, identity, ".pdf"), media_type=PDF, pieces=iter((pdf,)))


def _inside(runtime: Runtime, found: Found) -> Iterator[bytes]:
    """The PDF in a DICOM object. Whoever opened the recording has held it whole, too."""
    with NamedTemporaryFile(suffix=".dcm") as file:
        for piece in open_file(runtime, found):
            file.write(piece)
        file.flush()
        return iter((read_document(Path(file.name)),))


def note_export(runtime: Runtime, actor: audit.Actor, found: Found, what: str) -> None:
    """Before the first byte goes out."""
    with runtime.sessions.begin() as session:
        audit.record(
            session,
            "original_downloaded" if what == "original" else "ecg_exported",
            actor=actor,
            now=runtime.now(),
            examination_id=found.examination_id,
            detail={"recording_id": str(found.record_id), "as": what},
        )


def _named(recording: EcgRecording, identity: Identity, suffix: str) -> str:
    """By the patient's number and the moment: a name would stand in every folder that it is saved to."""
    started_at = (recording.started_at or identity.dicom.started_at).astimezone(COUNTY_TIME)
    whose = "".join(c if c.isalnum() or c in "-_" else "_" for c in identity.head.patient_id) or "ECG"
    return f"{whose}-{started_at:%Y%m%d-%H%M%S}{suffix}"


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
