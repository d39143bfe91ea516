"""A small county to arrange tests with: two lead hospitals, townships, a village point, and their people."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from worklists import examinations, routing
from worklists.base import new_id
from worklists.directory import (
    Agreement,
    Centre,
    Device,
    Institution,
    InstitutionKind,
    Kind,
    Person,
    PersonRole,
    Role,
)
from worklists.drafting import save_draft
from worklists.examinations import Arrival, Examination, Priority
from worklists.patients import PatientIdentity
from worklists.reading import ReadingTask, tasks_of
from worklists.recognition import Mark
from worklists.reports import Original, Report, deliver, sign_report

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
SHA = hashlib.sha256(b"an original").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """Who there is. `lead` reads for `east` (with its village point), `other_lead` for `west`."""

    lead: Institution
    other_lead: Institution
    east: Institution
    west: Institution
    village: Institution
    imaging: Centre
    ecg: Centre
    other_imaging: Centre
    device: Device
    west_device: Device
    radiographer: Person
    west_radiographer: Person
    village_doctor: Person
    wang: Person  # readers of the imaging centre
    li: Person
    reviewer: Person
    ecg_reader: Person
    other_reader: Person
    it: Person
    admin: Person
    auditor: Person

    @property
    def people(self) -> dict[str, Person]:
        names = (
            "radiographer", "west_radiographer", "village_doctor", "wang", "li", "reviewer", "ecg_reader",
            "other_reader", "it", "admin", "auditor",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def build_county(session: Session, *, review_required: bool = True, agreements: bool = True) -> County:
    lead = _institution(session, "LEAD", "县人民医院", InstitutionKind.LEAD_HOSPITAL)
    other_lead = _institution(session, "LEAD2", "县中医院", InstitutionKind.LEAD_HOSPITAL)
    east = _institution(session, "EAST", "城东镇卫生院", InstitutionKind.TOWNSHIP, lead)
    west = _institution(session, "WEST", "城西乡卫生院", InstitutionKind.TOWNSHIP, other_lead)
    village = _institution(session, "VILLAGE", "柳树村卫生室", InstitutionKind.VILLAGE, east)
    session.flush()  # twice in all: one for each row takes longer than the tests
    imaging = _centre(session, lead, Kind.IMAGING, "县域影像诊断中心", review_required)
    ecg = _centre(session, lead, Kind.ECG, "县域心电诊断中心", review_required)
    other_imaging = _centre(session, other_lead, Kind.IMAGING, "中医院影像中心", review_required)
    if agreements:
        for one, member in ((lead, east), (other_lead, west)):
            _agreement(session, one, member)
    people = {
        "radiographer": _person(session, "radiographer", "赵放射", east, Role.RADIOGRAPHER),
        "west_radiographer": _person(session, "west_radiographer", "钱放射", west, Role.RADIOGRAPHER),
        "village_doctor": _person(session, "village_doctor", "孙村医", village, Role.VILLAGE),
        "wang": _person(session, "wang", "王医师", lead, Role.READER, imaging),
        "li": _person(session, "li", "李医师", lead, Role.READER, imaging),
        "reviewer": _person(session, "reviewer", "周主任", lead, Role.REVIEWER, imaging),
        "ecg_reader": _person(session, "ecg_reader", "吴医师", lead, Role.READER, ecg),
        "other_reader": _person(session, "other_reader", "郑医师", other_lead, Role.READER, other_imaging),
        "it": _person(session, "it", "冯信息", lead, Role.IT),
        "admin": _person(session, "admin", "陈管理", lead, Role.ADMIN),
        "auditor": _person(session, "auditor", "褚审计", lead, Role.AUDITOR),
    }
    county = County(
        lead=lead, other_lead=other_lead, east=east, west=west, village=village, imaging=imaging, ecg=ecg,
        other_imaging=other_imaging, device=_device(session, east, "EAST_DR", "DX"),
        west_device=_device(session, west, "WEST_CT", "CT"), **people,
    )  # fmt: skip
    session.flush()
    return county


def add_person(
    session: Session,
    username: str,
    name: str,
    institution: Institution,
    role: Role,
    centre: Centre | None = None,
) -> Person:
    person = _person(session, username, name, institution, role, centre)
    session.flush()
    return person


def add_role(session: Session, person: Person, role: Role, centre: Centre | None = None) -> None:
    _role(person, role, centre)
    session.flush()


def add_agreement(session: Session, lead: Institution, member: Institution, **fields: Any) -> Agreement:
    agreement = _agreement(session, lead, member, **fields)
    session.flush()
    return agreement


def identity(**fields: Any) -> PatientIdentity:
    values: dict[str, Any] = {
        "patient_id": "P001", "name": "QIU^MING=仇^明", "sex": "M", "birth_date": date(1979, 3, 4), **fields,
    }  # fmt: skip
    return PatientIdentity(**values)


def arrival(county: County, **fields: Any) -> Arrival:
    """One chest film of 仇明 from the eastern township."""
    values: dict[str, Any] = {
        "examination_id": new_id(),
        "institution_id": county.east.id,
        "device_id": county.device.id,
        "kind": Kind.IMAGING,
        "study_instance_uid": f"2.25.{uuid.uuid4().int}",
        "patient": identity(),
        "accession_number": "",
        "modality": "DX",
        "body_part": "CHEST",
        "description": "胸部正位",
        "procedure_code": "",
        "studied_at": NOW - timedelta(minutes=5),
        "instances": 2,
        "expected_instances": None,
        "first_received_at": NOW,
        "last_received_at": NOW,
        "association_ids": frozenset(),
    }
    return Arrival(**{**values, **fields})


def arrive(session: Session, county: County, **fields: Any) -> Examination:
    """Objects of a new examination arrived; its task is there and still arriving."""
    what = arrival(county, **fields)
    examination = examinations.begin(session, what)
    more(session, examination, what)
    return examination


def more(session: Session, examination: Examination, what: Arrival, *, now: datetime = NOW) -> ReadingTask:
    """Objects of a known examination arrived."""
    examinations.note_arrivals(session, [(what, examination)])
    task = routing.route_arrival(session, examination, instances=what.instances, now=now)
    session.flush()
    return task


def late(session: Session, county: County, examination: Examination, *, instances: int = 1) -> ReadingTask:
    return more(session, examination, arrival(county, instances=instances), now=NOW)


def waiting_task(
    session: Session, county: County, *, priority: Priority = Priority.ROUTINE, **fields: Any
) -> ReadingTask:
    """A whole examination that waits for a reader."""
    examination = arrive(session, county, **fields)
    if priority is not Priority.ROUTINE:
        routing.set_priority(session, examination, priority)
    routing.note_complete(session, [examination], NOW)
    session.flush()
    return task_of(session, examination)


def task_of(session: Session, examination: Examination) -> ReadingTask:
    """The newest task of an examination."""
    return list(session.scalars(tasks_of(examination.id)))[-1]


def write_draft(session: Session, task: ReadingTask, writer: Person, **fields: Any) -> None:
    values: dict[str, Any] = {
        "findings": "双肺野清晰。", "impression": "心肺膈未见明显异常。", "critical": False,
        "preliminary": False, "revision": None, "now": NOW, **fields,
    }  # fmt: skip
    save_draft(session, task, writer=writer, **values)


def submitted_task(session: Session, county: County, **fields: Any) -> ReadingTask:
    """王医师 wrote and submitted it."""
    task = waiting_task(session, county, **fields)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)
    task.submit(county.wang, NOW)
    session.flush()
    return task


def signed_report(
    session: Session, county: County, *, delivered: bool = True, marks: tuple[Mark, ...] = (), **fields: Any
) -> Report:
    """王医师 wrote it, 周主任 signed it, and it stands in the inboxes."""
    task = submitted_task(session, county, **fields)
    original = Original(sop_instance_uid="1.2.3", sha256=SHA, size_bytes=11)
    report = sign_report(session, task, signer=county.reviewer, marks=marks, originals=[original], now=NOW)
    if delivered:
        deliver(session, report, pdf_sha256=SHA, now=NOW)
    session.flush()
    return report


def _institution(
    session: Session, code: str, name: str, kind: InstitutionKind, lead: Institution | None = None
) -> Institution:
    row = Institution(
        id=new_id(), code=code, name=name, kind=kind, lead_id=lead.id if lead else None, enabled=True
    )
    session.add(row)
    return row


def _centre(
    session: Session, institution: Institution, kind: Kind, name: str, review_required: bool
) -> Centre:
    row = Centre(
        id=new_id(), institution_id=institution.id, kind=kind, name=name, review_required=review_required,
        enabled=True,
    )  # fmt: skip
    session.add(row)
    return row


def _device(session: Session, institution: Institution, ae_title: str, modality: str) -> Device:
    row = Device(
        id=new_id(), institution_id=institution.id, ae_title=ae_title, name=ae_title, modality=modality,
        enabled=True,
    )  # fmt: skip
    session.add(row)
    return row


def _agreement(
    session: Session,
    lead: Institution,
    member: Institution,
    *,
    kind: Kind | None = None,
    valid_from: date = date(2026, 1, 1),
    valid_to: date | None = None,
) -> Agreement:
    row = Agreement(
        id=new_id(), lead_id=lead.id, member_id=member.id, kind=kind, valid_from=valid_from, valid_to=valid_to
    )
    session.add(row)
    return row


def _person(
    session: Session,
    username: str,
    name: str,
    institution: Institution,
    role: Role,
    centre: Centre | None = None,
) -> Person:
    row = Person(id=new_id(), username=username, name=name, institution_id=institution.id, enabled=True)
    _role(row, role, centre)
    session.add(row)
    return row


def _role(person: Person, role: Role, centre: Centre | None) -> None:
    centre_id = centre.id if centre else None
    person.roles.append(PersonRole(id=new_id(), person_id=person.id, role=role, centre_id=centre_id))
