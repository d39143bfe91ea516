"""Many studies at once, written straight to the database by the gateway's own rows: what searches are measured on.

One series and one instance each, spread over ten years and the demonstration county's townships, waiting at its
imaging centre. No bytes lie behind them.
"""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from gateway.index import Instance, Record, RecordState, Series, Study
from worklists.base import Base, new_id
from worklists.directory import Centre, Institution, InstitutionKind, Kind
from worklists.examinations import Examination, Priority
from worklists.patients import Patient
from worklists.reading import ReadingTask, TaskState

UID = "2.25.77"
EXPLICIT, US_IMAGE = "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.6.1"
FIRST = datetime(2016, 1, 4, 8, tzinfo=UTC)
_ROWS = (Patient, Examination, ReadingTask, Record, Study, Series, Instance)  # as they refer to each other


def write_studies(session: Session, count: int) -> None:
    """The rows of so many studies."""
    centre_id = session.scalars(select(Centre.id).where(Centre.kind == Kind.IMAGING)).first()
    townships = session.scalars(
        select(Institution.id).where(Institution.kind == InstitutionKind.TOWNSHIP)
    ).all()
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        rows = [_study(number, townships[number % len(townships)], centre_id) for number in numbers]
        for kind in _ROWS:
            session.execute(insert(kind), [row[kind] for row in rows])


def study_uid(number: int) -> str:
    return f"{UID}.{number}"


def studied_on(number: int) -> date:
    return (FIRST + timedelta(hours=number * 8)).date()


def _study(
    number: int, institution_id: uuid.UUID, centre_id: uuid.UUID | None
) -> dict[type[Base], dict[str, Any]]:
    ids = {kind: new_id() for kind in _ROWS}
    at = FIRST + timedelta(hours=number * 8)
    return {
        Patient: {
            "id": ids[Patient], "institution_id": institution_id, "patient_id": f"Q{number:06d}",
            "name": f"REN^{number}=任^{number}", "sex": "F", "birth_date": date(1940, 1, 1) + timedelta(days=number),
            "search_text": "", "matched_at": at,
        },
        Examination: {
            "id": ids[Examination], "institution_id": institution_id, "patient_id": ids[Patient],
            "kind": Kind.IMAGING, "study_instance_uid": study_uid(number), "accession_number": f"B{number:06d}",
            "modality": "US", "body_part": "ABDOMEN", "description": "腹部", "procedure_code": "",
            "studied_at": at, "clinical_information": "", "priority": Priority.ROUTINE, "received_at": at,
            "last_received_at": at, "instances": 1, "complete": True, "completed_at": at, "patient_as_received": {},
        },
        ReadingTask: {
            "id": ids[ReadingTask], "examination_id": ids[Examination], "centre_id": centre_id,
            "state": TaskState.WAITING, "waiting_reason": "", "rank": Priority.ROUTINE.rank, "waiting_since": at,
            "late_instances": 0, "sent_back_reason": "", "version": 1,
        },
        Record: {
            "id": ids[Record], "journal": "0" * 32, "sequence": number + 1, "node": "elsewhere", "segment": 1,
            "offset": 0, "size_bytes": 0, "data_set_offset": 0, "kind": "dicom.instance",
            "state": RecordState.INDEXED, "reason": "", "origin": {}, "institution_id": institution_id,
            "received_at": at, "sha256": f"{number:064x}", "local": False,
        },
        Study: {
            "id": ids[Study], "examination_id": ids[Examination], "study_instance_uid": study_uid(number),
            "study_id": "1", "study_date": f"{at:%Y%m%d}", "study_time": f"{at:%H%M%S}", "study_description": "腹部",
            "accession_number": f"B{number:06d}", "referring_physician_name": "",
        },
        Series: {
            "id": ids[Series], "study_id": ids[Study], "series_instance_uid": f"{UID}.{number}.1", "modality": "US",
            "series_number": 1, "series_description": "", "body_part_examined": "ABDOMEN", "laterality": "",
            "protocol_name": "",
            "station_name": "", "manufacturer": "SYNTHETIC", "instances": 1,
        },
        Instance: {
            "id": ids[Instance], "series_id": ids[Series], "record_id": ids[Record],
            "sop_instance_uid": f"{UID}.{number}.1.1", "sop_class_uid": US_IMAGE, "transfer_syntax_uid": EXPLICIT,
            "version": 1, "current": True, "instance_number": 1, "rows": 480, "columns": 640,
            "specific_character_set": "ISO_IR 192",
        },
    }  # fmt: skip
