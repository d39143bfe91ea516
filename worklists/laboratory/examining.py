"""A specimen as an examination: it stands on the laboratory's worklist from its receipt, or from its first result on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists import reading, routing
from worklists.base import new_id
from worklists.directory import Kind, Person
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.recording import AnyResult
from worklists.laboratory.specimens import LabSpecimen
from worklists.reading import TaskState, tasks_of

NAMED = 4  # items of no panel that a worklist names
MODALITY = "LAB"  # no DICOM modality: what a worklist shows and filters by


@dataclass(slots=True)
class Wording:
    """What was ordered, in the words of the county: panels by name, and what is in none of them in short. Each name is
    asked for once."""

    session: Session
    _panels: dict[str, LabPanel | None] = field(default_factory=dict)
    _items: dict[str, str] = field(default_factory=dict)

    def of(self, specimen: LabSpecimen) -> str:
        panels = self._find_panels(specimen.panels)
        words = [panel.name if panel is not None else code for code, panel in panels.items()]
        covered = {item for panel in panels.values() if panel is not None for item in panel.items}
        single = [code for code in specimen.items if code not in covered]
        if single:
            named = "、".join(self._find_items(single[:NAMED]))
            words.append(f"{named} 等 {len(single)} 项" if len(single) > NAMED else named)
        return "、".join(words)[:200]

    def _find_panels(self, codes: Sequence[str]) -> dict[str, LabPanel | None]:
        unknown = set(codes) - self._panels.keys()
        if unknown:
            self._panels |= dict.fromkeys(unknown)
            for one in self.session.scalars(select(LabPanel).where(LabPanel.code.in_(unknown))):
                self._panels[one.code] = one
        return {code: self._panels[code] for code in codes}

    def _find_items(self, codes: Sequence[str]) -> list[str]:
        unknown = set(codes) - self._items.keys()
        if unknown:
            self._items |= {code: code for code in unknown}
            rows = self.session.execute(
                select(LabItem.code, LabItem.abbreviation, LabItem.name).where(LabItem.code.in_(unknown))
            )
            self._items |= {code: abbreviation or name for code, abbreviation, name in rows}
        return [self._items[code] for code in codes]


def open_examination(session: Session, specimen: LabSpecimen, *, now: datetime) -> Examination:
    """The specimen's examination with its task, made when it is first needed."""
    known = specimen.examination_id is not None
    examination = make_examination(session, specimen, Wording(session), now=now)
    if not known:
        session.flush()
        routing.route_arrival(session, examination, instances=0, now=now)
    return examination


def make_examination(
    session: Session, specimen: LabSpecimen, wording: Wording, *, now: datetime
) -> Examination:
    """The specimen's examination without its task: whoever files many routes them together."""
    if specimen.examination is not None:
        return specimen.examination  # which may not be written yet
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
        description=wording.of(specimen),
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
    specimen.examination = examination
    specimen.examination_id = examination.id
    return examination


def note_results(
    examination: Examination,
    specimen: LabSpecimen,
    results: Sequence[AnyResult],
    added: Sequence[AnyResult],
    *,
    now: datetime,
) -> None:
    """Results were recorded: count them. Somebody reads them once it is routed (`route_results`)."""
    wanted = set(specimen.items) | {one.item_code for one in results}
    examination.instances = sum(one.current for one in results)
    examination.expected_instances = len(wanted)
    examination.last_received_at = now
    examination.complete = False
    if examination.instances >= len(wanted):
        examination.mark_complete(now)
    examination.device_id = examination.device_id or added[0].device_id
    if examination.studied_at is None:
        examination.studied_at = min(one.observed_at for one in added)


def route_results(session: Session, added: Mapping[Examination, int], *, now: datetime) -> None:
    """Examinations, each with how many results it gained: see to their tasks; what is whole waits for a reader."""
    session.flush()
    tasks = routing.route_arrivals(session, list(added.items()), now=now)
    whole = [
        task
        for task, (examination, count) in zip(tasks, added.items(), strict=True)
        if count and examination.complete
    ]
    for task in whole:
        if task in session.new:
            task.note_complete()
    session.flush()
    if whole:
        reading.note_complete(session, [task.examination_id for task in whole])


def return_to_township(session: Session, specimen: LabSpecimen, person: Person, now: datetime) -> None:
    """The specimen was rejected: nobody reads it any more, and whoever took it sees why."""
    if specimen.examination_id is None:
        return
    for task in session.scalars(tasks_of(specimen.examination_id)):
        if task.state not in {TaskState.SENT_BACK, TaskState.CANCELLED}:
            task.return_unread(person, specimen.reason, now)


def close_returned(session: Session, specimen: LabSpecimen) -> None:
    """Another specimen stands for it, or none is wanted: nothing is left to do about it."""
    if specimen.examination_id is None:
        return
    for task in session.scalars(tasks_of(specimen.examination_id)):
        if task.state is TaskState.SENT_BACK:
            task.state = TaskState.CANCELLED
