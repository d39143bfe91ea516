"""What the demonstration county's patients had measured before: trends and changes have something to start from.

Each visit is a message in the journal, filed, verified, signed and read as everything is, by a clock of that day; only
the documents of the reports are made today. Made once, before anybody works on the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, journal
from gateway.demo_analysers import PATIENTS, Blood, DemoPatient, blood_count, chemistry
from gateway.demo_laboratory import order_specimen
from gateway.digests import Digests
from gateway.handing_on import sign_in
from gateway.intake import index_records
from gateway.journal import JournalRecord
from gateway.lab.bodies import ASTM, HL7
from gateway.reading import Who
from gateway.records import read_record
from gateway.runtime import Runtime
from gateway.township import set_village
from worklists.access import Subject
from worklists.directory import Device, Institution, Person
from worklists.examinations import Examination
from worklists.laboratory import verifying
from worklists.laboratory.specimens import LabSpecimen
from worklists.reading import tasks_of
from worklists.reports import Report

VERIFIER, TOWNSHIP, VILLAGE = "lab", "radiographer", "village"
COLLECTED, VERIFIED, READ = (
    timedelta(hours=1),
    timedelta(minutes=35),
    timedelta(hours=3),
)  # before, after the test


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`patient` by number; a blood count or chemistry. `unread`: the village doctor has not opened the report yet."""

    patient: str
    days_ago: int
    blood: Blood | None = None
    serum: Mapping[str, str] | None = None
    unread: bool = False


VILLAGERS = {"LX20002", "LX20004"}  # whose reports go to their village's doctor too
VISITS: Sequence[Visit] = (
    # Iron that runs out, and a sugar nobody treats.
    Visit(patient="LX20002", days_ago=182, blood=Blood(wbc=5.9, hgb=117, rbc=4.31, mcv=84.0, plt=262)),
    Visit(patient="LX20002", days_ago=91, blood=Blood(wbc=6.2, hgb=108, rbc=4.18, mcv=80.2, plt=281)),
    Visit(patient="LX20002", days_ago=30, blood=Blood(wbc=5.7, hgb=99, rbc=4.05, mcv=76.5, plt=297)),
    # Kidneys on their way down; the platelets fell within two days.
    Visit(patient="LX20004", days_ago=120, serum={"CREA": "268", "UREA": "17.4", "K": "5.02", "NA": "137.5"}),
    Visit(patient="LX20004", days_ago=45, serum={"CREA": "331", "UREA": "22.1", "K": "5.36", "NA": "135.8"}),
    Visit(
        patient="LX20004",
        days_ago=2,
        blood=Blood(wbc=4.35, hgb=121, rbc=3.98, mcv=92.5, plt=137),
        unread=True,
    ),
    # A healthy count with cells of another size than last week's: whose tube is it?
    Visit(patient="LX20006", days_ago=5, blood=Blood(wbc=6.3, hgb=124, rbc=4.55, mcv=83.1, plt=256)),
)


def make_past(runtime: Runtime, session: Session, township_code: str) -> None:
    """Whatever of it is not there yet."""
    township = session.scalars(select(Institution).where(Institution.code == township_code)).one()
    missing = [
        (number, visit, at)
        for number, visit in enumerate(VISITS, 1)
        if order_specimen(
            session,
            township,
            _patient(visit),
            _barcode(number),
            tuple(visit.serum or ()),
            (at := _day(runtime.now(), visit)) - COLLECTED,
        )
    ]
    if not missing:
        return
    try:
        ids = {_keep(runtime, session, number, visit, at): (number, at) for number, visit, at in missing}
        records = _records(runtime, {journal_id for journal_id, _ in ids})
    finally:
        runtime.journal.close()
    for record in sorted(records, key=lambda one: ids[one.journal, one.sequence][1]):
        number, at = ids[record.journal, record.sequence]
        _file(_at(runtime, at), session, record)
        _report(runtime, session, VISITS[number - 1], _barcode(number), at)


def _patient(visit: Visit) -> DemoPatient:
    return next(patient for patient, _, _ in PATIENTS if patient.patient_id == visit.patient)


def _barcode(number: int) -> str:
    return f"25000000{number:04}"


def _at(runtime: Runtime, moment: datetime) -> Runtime:
    return replace(runtime, now=lambda: moment)


def _day(now: datetime, visit: Visit) -> datetime:
    return (now - timedelta(days=visit.days_ago)).replace(hour=1, minute=10, second=0, microsecond=0)


def _keep(runtime: Runtime, session: Session, number: int, visit: Visit, at: datetime) -> tuple[str, int]:
    """In the journal, as the analyser's listener would have put it there."""
    title = "DEMO_BC" if visit.blood else "DEMO_BS"
    device = session.scalars(select(Device).where(Device.ae_title == title)).one()
    patient, barcode = _patient(visit), _barcode(number)
    origin = {
        "device_id": str(device.id),
        "institution_id": str(device.institution_id),
        "received_at": at.isoformat(),
    }
    if visit.blood:
        return runtime.journal.append(
            HL7, origin, [blood_count(f"E{number}", at, patient, barcode, visit.blood)]
        )
    return runtime.journal.append(ASTM, origin, [chemistry(at, patient, barcode, visit.serum or {})])


def _records(runtime: Runtime, journals: set[str]) -> list[JournalRecord]:
    """The journal was begun for them, and holds nothing else."""
    states = [one for one in journal.journals(runtime.journal_dir) if one.id in journals]
    return [record for one in states for record in journal.read_new(runtime.journal_dir, one, {}).records]


def _file(runtime: Runtime, session: Session, record: JournalRecord) -> None:
    with Digests(runtime.journal_dir) as digests:
        index_records(runtime, session, [read_record(runtime, record, digests)])
    session.flush()


def _report(runtime: Runtime, session: Session, visit: Visit, barcode: str, tested_at: datetime) -> None:
    """Verified and signed by the county, read by the township and, unless it is new, by the village."""
    at = tested_at + VERIFIED
    specimen = session.scalars(select(LabSpecimen).where(LabSpecimen.barcode == barcode)).one()
    if specimen.examination_id is None:
        raise RuntimeError(f"the demonstration's specimen {barcode} has no results")
    task = session.scalars(tasks_of(specimen.examination_id)).one()
    verifier = _person(session, VERIFIER)
    who = _who(verifier)
    readers = [_person(session, TOWNSHIP)]
    if visit.patient in VILLAGERS:
        _send_to_village(session, task.examination, readers[0], at)
        readers += [] if visit.unread else [_person(session, VILLAGE)]
    task.claim(verifier, at)
    waiting = verifying.find_waiting(session, specimen.examination_id)
    verifying.verify(session, waiting, verifier, now=at)
    audit.record(
        session,
        "results_verified",
        actor=who.actor,
        now=at,
        examination_id=specimen.examination_id,
        detail={"task_id": str(task.id), "items": [one.item_code for one in waiting]},
    )
    report = sign_in(_at(runtime, at), session, who, task, verifier)
    session.flush()
    _take_note(report, readers, at, tested_at + READ)


def _send_to_village(session: Session, examination: Examination, maker: Person, at: datetime) -> None:
    village = _person(session, VILLAGE)
    set_village(session, _who(maker), examination, village.institution_id, at)


def _take_note(report: Report, readers: Sequence[Person], delivered_at: datetime, read_at: datetime) -> None:
    by_institution = {reader.institution_id: reader for reader in readers}
    for back in report.returns:
        back.deliver(delivered_at)
        reader = by_institution.get(back.recipient_id)
        if reader is not None:
            back.acknowledge(reader, read_at)


def _who(person: Person) -> Who:
    actor = audit.Actor(name=person.name, person_id=person.id, institution_id=person.institution_id)
    return Who(subject=Subject.of(person), actor=actor)


def _person(session: Session, username: str) -> Person:
    return session.scalars(select(Person).where(Person.username == username)).one()
