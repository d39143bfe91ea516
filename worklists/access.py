"""One door for seeing: for a person or a peer, a predicate over examinations.

Every row that is shown anywhere is reached through an examination and this predicate.

| who | sees |
|---|---|
| township | what it made, and what is addressed to it |
| village | reports addressed to it; no images |
| reader, reviewer | examinations of their own centre; a patient's priors of every kind while holding a task of that patient |
| reviewer, besides | for the patient index: who somebody is, no more, where their hospital reads an examination of them |
| IT, administrator, auditor | no examinations |
| machine token | its own institution, for the wires it was given |
| whoever has a share | the report of its one examination, while it stands |

What may be recognised is seen by the institution that asked, as far as a match shows it: item, mark, report time,
source, and the result unless it is too old or was declined. It opens neither images nor the examination.

Specimens are seen before there is an examination: by the township that took them, and by the laboratory centre of
its lead hospital.

Critical values are seen by the centre, by the township once it was told, and by whoever was called for it.

Control material of analysers is nobody's data: it is seen with the bench it was run on (`benches_visible_to`); so are
checks of devices (`checked_devices_visible_to`).

A patient is everybody whom the patient index links: a link opens priors to who holds a task, and nothing else.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from worklists.critical import CriticalAction, CriticalEvent, CriticalStep, had_step
from worklists.device_control.standing import has_checks
from worklists.directory import Centre, Device, Institution, Kind, Person, PersonRole, Role
from worklists.examinations import Examination
from worklists.laboratory.specimens import LabSpecimen, LabTransport
from worklists.patients import Patient
from worklists.reading import ReadingTask, TaskState
from worklists.recognising.rows import Choice, Outcome, RecognitionGroup, RecognitionMatch
from worklists.reports import Report, ReportReturn, ReturnState
from worklists.sharing import ReportShare


class Sight(StrEnum):
    """What of an examination is to be seen."""

    EXAMINATION = "examination"
    IMAGES = "images"
    REPORT = "report"


class Wire(StrEnum):
    """What a machine token may be used for."""

    DICOMWEB = "dicomweb"
    UPLOAD = "upload"
    REPORTS = "reports"
    METRICS = "metrics"
    RECOGNITION = "recognition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who asks: a person with roles, or a machine of an institution with wires."""

    institution_id: uuid.UUID
    person_id: uuid.UUID | None = None
    roles: frozenset[Role] = frozenset()
    centre_ids: frozenset[uuid.UUID] = frozenset()
    wires: frozenset[Wire] | None = None  # None: not a machine

    @classmethod
    def of(cls, person: Person) -> "Subject":
        return cls(
            institution_id=person.institution_id,
            person_id=person.id,
            roles=frozenset(role.role for role in person.roles),
            centre_ids=person.centre_ids(),
        )


_WIRES_FOR = {
    Sight.IMAGES: {Wire.DICOMWEB},
    Sight.REPORT: {Wire.REPORTS},
    Sight.EXAMINATION: {Wire.DICOMWEB, Wire.REPORTS, Wire.UPLOAD},
}


@lru_cache(maxsize=1000)  # building it costs more than asking it; the subject is all that it goes by
def visible_to(subject: Subject, sight: Sight = Sight.EXAMINATION) -> ColumnElement[bool]:
    """A predicate over `Examination`: true where the subject may see this much of it."""
    if subject.wires is not None:
        allowed = bool(subject.wires & _WIRES_FOR[sight])
        return Examination.institution_id == subject.institution_id if allowed else false()
    ways: list[ColumnElement[bool]] = []
    if Role.RADIOGRAPHER in subject.roles:
        ways += [Examination.institution_id == subject.institution_id, _addressed_to(subject)]
    if Role.VILLAGE in subject.roles and sight is not Sight.IMAGES:
        ways.append(_addressed_to(subject))
    if subject.centre_ids and subject.roles & {Role.READER, Role.REVIEWER}:
        ways += [_read_at_centres(subject), _prior_of_a_held_task(subject)]
    return or_(*ways) if ways else false()


# Each subquery correlates with Examination alone: the query around it may well join tasks or returns itself.


def _addressed_to(subject: Subject) -> ColumnElement[bool]:
    return exists(
        select(ReportReturn.id)
        .join(Report, Report.id == ReportReturn.report_id)
        .where(Report.examination_id == Examination.id)
        .where(ReportReturn.recipient_id == subject.institution_id)
        .where(ReportReturn.state != ReturnState.PENDING)
        .correlate(Examination)
    )


def _read_at_centres(subject: Subject) -> ColumnElement[bool]:
    return exists(
        select(ReadingTask.id)
        .where(ReadingTask.examination_id == Examination.id)
        .where(ReadingTask.centre_id.in_(subject.centre_ids))
        .correlate(Examination)
    )


def _prior_of_a_held_task(subject: Subject) -> ColumnElement[bool]:
    """Of the same person as a task that they hold: by the institution's own number or by the patient index."""
    held, theirs, linked = aliased(Examination), aliased(Patient), aliased(Patient)
    masters = (
        select(theirs.master_id)
        .join(held, held.patient_id == theirs.id)
        .join(ReadingTask, ReadingTask.examination_id == held.id)
        .where(ReadingTask.claimed_by_id == subject.person_id)
        .where(ReadingTask.state == TaskState.CLAIMED)
        .correlate(None)
    )
    return Examination.patient_id.in_(select(linked.id).where(linked.master_id.in_(masters)).correlate(None))


def visible_by_share(share_id: uuid.UUID, now: datetime) -> ColumnElement[bool]:
    """A predicate over `Examination`: the one whose report a share shows, as long as it stands."""
    return Examination.id.in_(
        select(ReportShare.examination_id)
        .where(ReportShare.id == share_id, ReportShare.revoked_at.is_(None), ReportShare.expires_at > now)
        .correlate(None)
    )


def made_by(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `Examination`: what the institution of a radiographer made, which is visible by that alone."""
    if subject.wires is not None or Role.RADIOGRAPHER not in subject.roles:
        return false()
    return Examination.institution_id == subject.institution_id


def tasks_read_by(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `ReadingTask`: those of the centres where the subject reads. What they are of is visible by that
    alone (`_read_at_centres`), so a list of tasks need not ask `visible_to` of each."""
    if subject.wires is not None or not subject.roles & {Role.READER, Role.REVIEWER}:
        return false()
    return ReadingTask.centre_id.in_(subject.centre_ids)


def identities_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `Patient`: of whom the subject may see who they are, to say who is one person.

    Names, birth dates and numbers only; examinations are reached through `visible_to` alone.
    """
    if subject.wires is not None:
        return false()
    ways: list[ColumnElement[bool]] = []
    if Role.RADIOGRAPHER in subject.roles:
        ways.append(Patient.institution_id == subject.institution_id)
    if Role.REVIEWER in subject.roles and subject.centre_ids:
        read = aliased(Examination)
        ways.append(
            exists(
                select(ReadingTask.id)
                .join(read, read.id == ReadingTask.examination_id)
                .join(Centre, Centre.id == ReadingTask.centre_id)
                .where(read.patient_id == Patient.id, Centre.institution_id == subject.institution_id)
                .correlate(Patient)
            )
        )
    return or_(*ways) if ways else false()


def specimens_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `LabSpecimen`."""
    return _of_specimens(subject, LabSpecimen.institution_id)


def transports_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `LabTransport`."""
    return _of_specimens(subject, LabTransport.institution_id)


def _of_specimens(subject: Subject, taken_by: InstrumentedAttribute[uuid.UUID]) -> ColumnElement[bool]:
    if subject.wires is not None:
        return false()
    ways: list[ColumnElement[bool]] = []
    if Role.RADIOGRAPHER in subject.roles:
        ways.append(taken_by == subject.institution_id)
    if subject.centre_ids and subject.roles & {Role.READER, Role.REVIEWER}:
        ways.append(taken_by.in_(tested_at_centres(subject)))
    return or_(*ways) if ways else false()


def critical_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `CriticalEvent` beside its `Examination`.

    The centre sees what was found; the township what it was told of; whoever was called sees that event.
    """
    if subject.wires is not None:
        return false()
    ways: list[ColumnElement[bool]] = []
    if Role.RADIOGRAPHER in subject.roles:
        told = had_step(CriticalAction.NOTIFIED)
        ways.append(and_(Examination.institution_id == subject.institution_id, told))
    if subject.centre_ids and subject.roles & {Role.READER, Role.REVIEWER}:
        ways.append(_read_at_centres(subject))
    if subject.person_id is not None:
        ways.append(
            exists(
                select(CriticalStep.id)
                .where(CriticalStep.event_id == CriticalEvent.id)
                .where(CriticalStep.recipient_person_id == subject.person_id)
                .correlate(CriticalEvent)
            )
        )
    return or_(*ways) if ways else false()


def recognition_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `RecognitionGroup`: the questions of one's own institution; who may see them may ask."""
    return RecognitionGroup.institution_id == subject.institution_id if may_ask(subject) else false()


def may_ask(subject: Subject) -> bool:
    """Whether the subject may ask what is recognised of a patient of theirs: a township's people, or its machine."""
    if subject.wires is not None:
        return Wire.RECOGNITION in subject.wires
    return Role.RADIOGRAPHER in subject.roles


def shows_result(match: RecognitionMatch) -> bool:
    """Whether a match shows what the report says of its item."""
    declined = match.decision is not None and match.decision.choice is Choice.DECLINED
    return match.outcome in {Outcome.REMINDER, Outcome.REFERENCE} and not declined


def tested_at_centres(subject: Subject) -> Select[uuid.UUID]:
    """The institutions whose specimens come to a laboratory centre of the subject: its hospital and the members."""
    return (
        select(Institution.id)
        .join(
            Centre,
            or_(Centre.institution_id == Institution.id, Centre.institution_id == Institution.lead_id),
        )
        .where(Centre.id.in_(subject.centre_ids), Centre.kind == Kind.LABORATORY)
        .correlate(None)
    )


def benches_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `Device`: whose control material the subject sees.

    A bench sees its own; the county's laboratory those of the hospital and of the members that it leads.
    """
    ways: list[ColumnElement[bool]] = []
    if subject.wires is not None:
        return false()
    if Role.ADMIN in subject.roles:
        ways.append(true())
    if Role.RADIOGRAPHER in subject.roles:
        ways.append(Device.institution_id == subject.institution_id)
    ways += [Device.institution_id.in_(led) for led in led_institutions(subject)]
    return or_(*ways) if ways else false()


def led_institutions(subject: Subject, kind: Kind = Kind.LABORATORY) -> list[Select[uuid.UUID]]:
    """Ids of the hospital and the members of a centre of a kind at which the subject reads; none where they do not."""
    if not subject.centre_ids or not subject.roles & {Role.READER, Role.REVIEWER}:
        return []
    return [_led_by(Centre.id.in_(subject.centre_ids), Centre.kind == kind)]


def _led_by(*which: ColumnElement[bool]) -> Select[uuid.UUID]:
    """Ids of the hospitals of these centres and of their members."""
    lead = aliased(Institution)
    leads = select(Centre.institution_id).where(*which).correlate(None)
    return select(lead.id).where(or_(lead.id.in_(leads), lead.lead_id.in_(leads))).correlate(None)


_OF_KIND: Mapping[Kind, ColumnElement[bool]] = {
    Kind.IMAGING: Device.modality.not_in(["ECG", "SM", "GM"]),
    Kind.ECG: Device.modality == "ECG",
    Kind.PATHOLOGY: Device.modality.in_(["SM", "GM"]),
}


def checked_devices_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `Device`: whose quality control (设备质控) the subject sees. Analysers have control material.

    A township sees its own; a centre those of its kind at its hospital and the members; IT and administrators all.
    """
    if subject.wires is not None:
        return false()
    ways: list[ColumnElement[bool]] = []
    if subject.roles & {Role.IT, Role.ADMIN}:
        ways.append(true())
    if Role.RADIOGRAPHER in subject.roles:
        ways.append(Device.institution_id == subject.institution_id)
    for kind, of_kind in _OF_KIND.items():
        ways += [of_kind & Device.institution_id.in_(led) for led in led_institutions(subject, kind)]
    return has_checks() & or_(*ways) if ways else false()


def checked_devices_released_by(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `Device`: whose failed check a reviewer of the centre that reads for it may release."""
    if subject.person_id is None:
        return false()
    reviewed = select(PersonRole.centre_id).where(
        PersonRole.person_id == subject.person_id, PersonRole.role == Role.REVIEWER
    )
    ways = [
        of_kind & Device.institution_id.in_(_led_by(Centre.id.in_(reviewed), Centre.kind == kind))
        for kind, of_kind in _OF_KIND.items()
    ]
    return has_checks() & or_(*ways)
