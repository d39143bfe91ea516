"""A specimen as an examination: it stands on the laboratory's worklist from its receipt, or from its first result on."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists import routing
from worklists.base import new_id
from worklists.directory import Kind, Person
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabPanel
from worklists.laboratory.results import LabResult
from worklists.laboratory.specimens import LabSpecimen
from worklists.reading import TaskState, tasks_of

MODALITY = "LAB"  # no DICOM modality: what a worklist shows and filters by


def open_examination(session: Session, specimen: LabSpecimen, *, now: datetime) -> Examination:
    """The specimen's examination with its task, made when it is first needed."""
    if specimen.examination_id is not None:
        return session.get_one(Examination, specimen.examination_id)
    examination = Examination(
        id=new_id(),
        institution_id=specimen.institution_id,
        patient=specimen.patient,
        device_id=None,
        kind=Kind.LABORATORY,
        study_instance_uid=None,
        accession_number=specimen.barcode,
        modality=MODALITY,
        body_part="",
        description=_describe(session, specimen.panels),
        procedure_code="",
        studied_at=specimen.collected_at,
        clinical_information=specimen.clinical_information,
        priority=specimen.priority,
        received_at=now,
        last_received_at=now,
        instances=0,
        expected_instances=len(specimen.items) or None,
        complete=False,
        patient_as_received=specimen.patient.identity.as_json(),
    )
    session.add(examination)
    session.flush()
    specimen.examination_id = examination.id
    routing.route_arrival(session, examination, instances=0, now=now)
    return examination


def note_results(
    session: Session,
    examination: Examination,
    specimen: LabSpecimen,
    results: Sequence[LabResult],
    added: Sequence[LabResult],
    *,
    now: datetime,
) -> None:
    """Results were recorded: count them, and see to it that somebody reads them."""
    wanted = set(specimen.items) | {one.item_code for one in results}
    examination.instances = sum(one.current for one in results)
    examination.expected_instances = len(wanted)
    examination.last_received_at = now
    examination.complete = False
    examination.device_id = examination.device_id or added[0].device_id
    if examination.studied_at is None:
        examination.studied_at = min(one.observed_at for one in added)
    session.flush()
    routing.route_arrival(session, examination, instances=len(added), now=now)
    if examination.instances >= examination.expected_instances:
        session.flush()
        routing.note_complete(session, [examination], now)


def return_to_township(session: Session, specimen: LabSpecimen, person: Person) -> None:
    """The specimen was rejected: nobody reads it any more, and whoever took it sees why."""
    if specimen.examination_id is None:
        return
    for task in session.scalars(tasks_of(specimen.examination_id)):
        if task.state not in {TaskState.SENT_BACK, TaskState.CANCELLED}:
            task.return_unread(person, specimen.reason)


def close_returned(session: Session, specimen: LabSpecimen) -> None:
    """Another specimen stands for it, or none is wanted: nothing is left to do about it."""
    if specimen.examination_id is None:
        return
    for task in session.scalars(tasks_of(specimen.examination_id)):
        if task.state is TaskState.SENT_BACK:
            task.state = TaskState.CANCELLED


def _describe(session: Session, codes: Sequence[str]) -> str:
    """What was ordered, in the words of the county."""
    rows = session.execute(select(LabPanel.code, LabPanel.name).where(LabPanel.code.in_(codes)))
    names = {row.code: row.name for row in rows}
    return "、".join(names.get(code, code) for code in codes)[:200]
