"""What pages see of specimens and transports, put together for a whole page in one query of each kind."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session, joinedload

from gateway.finding import newest_read_task
from gateway.lines import newest_reports, returns_to
from gateway.web.shapes import PatientShape, PersonShape, SiteShape
from gateway.web.showing import show_patient, show_person, show_site
from worklists.access import Subject, specimens_visible_to
from worklists.base import local_date
from worklists.directory import Role
from worklists.errors import NotFound
from worklists.examinations import Priority
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.results import RerunRequest
from worklists.laboratory.specimens import LabSpecimen, LabTransport, SpecimenSource, SpecimenState
from worklists.reading import ReadingTask, TaskState


class CodeShape(BaseModel):
    code: str
    name: str
    name_en: str


class TransportBrief(BaseModel):
    id: uuid.UUID
    number: str
    expected_at: datetime | None
    late: bool


class AskedAnewShape(BaseModel):
    """The county asks for another specimen."""

    reason: str
    asked_at: datetime
    asked_by: str


class RerunShape(BaseModel):
    """The county asks the bench to test an item again, from the same tube."""

    item: CodeShape
    reason: str
    asked_at: datetime
    asked_by: str


class SpecimenReport(BaseModel):
    report_id: uuid.UUID
    state: str | None  # of its return to the caller's institution


class StepShape(BaseModel):
    step: str
    at: datetime
    by: str
    detail: str


class SpecimenShape(BaseModel):
    id: uuid.UUID
    version: int
    barcode: str
    order_number: str
    state: SpecimenState
    source: SpecimenSource
    site: SiteShape
    patient: PatientShape
    kind: str
    tube: str
    panels: list[CodeShape]
    extra_items: list[CodeShape]
    items: int
    unknown_tests: list[str]
    priority: Priority
    clinical_information: str
    requester: str
    department: str
    bed: str
    collected_at: datetime | None
    registered_at: datetime
    registered_by: PersonShape | None
    transport: TransportBrief | None
    sent_at: datetime | None
    received_at: datetime | None
    received_by: PersonShape | None
    reason: str
    replaced: bool
    asked_anew: AskedAnewShape | None
    reruns: list[RerunShape]
    examination_id: uuid.UUID | None
    resulted: int
    reading: TaskState | None
    report: SpecimenReport | None


class SpecimenDetail(SpecimenShape):
    phone: str
    panel_codes: list[str]
    item_codes: list[str]
    steps: list[StepShape]


class TransportShape(BaseModel):
    id: uuid.UUID
    number: str
    site: SiteShape
    courier: str
    note: str
    sent_at: datetime
    sent_by: PersonShape | None
    expected_at: datetime | None
    late: bool
    specimens: int
    remaining: int


class TransportDetail(TransportShape):
    items: list[SpecimenShape]


class Shown:
    """Specimens of one page with all that stands beside them."""

    def __init__(self, session: Session, subject: Subject, specimens: Sequence[LabSpecimen], now: datetime):
        self._now, self._today = now, local_date(now)
        ids = [one.examination_id for one in specimens if one.examination_id is not None]
        self._panels = _by_code(session, LabPanel, (code for one in specimens for code in one.panels))
        self._open = session.scalars(open_requests(ids)).all()
        named = [
            *(code for one in specimens for code in self._extra(one)),
            *(one.item_code for one in self._open),
        ]
        self._items = _by_code(session, LabItem, named)
        self._replaced = set(
            session.scalars(
                select(LabSpecimen.replaces_id).where(
                    LabSpecimen.replaces_id.in_([one.id for one in specimens])
                )
            )
        )
        self._anew = {one.examination_id: one for one in self._open if one.new_specimen}
        tasks = select(ReadingTask).where(ReadingTask.examination_id.in_(ids), newest_read_task())
        self._tasks = {task.examination_id: task for task in session.scalars(tasks)} if ids else {}
        township = Role.RADIOGRAPHER in subject.roles
        self._recipient = subject.institution_id if township else None
        self._reports = {} if self._recipient else newest_reports(session, ids)
        self._returns = returns_to(session, ids, self._recipient) if self._recipient else {}

    def fields(self, one: LabSpecimen) -> dict[str, Any]:
        panels = [self._panels[code] for code in one.panels if code in self._panels]
        task = self._tasks.get(one.examination_id) if one.examination_id else None
        return {
            "id": one.id,
            "version": one.version,
            "barcode": one.barcode,
            "order_number": one.order_number,
            "state": one.state,
            "source": one.source,
            "site": show_site(one.institution),
            "patient": show_patient(one.patient, self._today),
            "kind": one.kind,
            "tube": next((panel.tube for panel in panels if panel.tube), ""),
            "panels": [self._named(self._panels, code) for code in one.panels],
            "extra_items": [self._named(self._items, code) for code in self._extra(one)],
            "items": len(one.items),
            "unknown_tests": [str(test) for test in one.unknown_tests],
            "priority": one.priority,
            "clinical_information": one.clinical_information,
            "requester": one.requester,
            "department": one.department,
            "bed": one.bed,
            "collected_at": one.collected_at,
            "registered_at": one.registered_at,
            "registered_by": show_person(one.registered_by),
            "transport": self._brief(one),
            "sent_at": one.sent_at,
            "received_at": one.received_at,
            "received_by": show_person(one.received_by),
            "reason": one.reason,
            "replaced": one.id in self._replaced,
            "asked_anew": self._asked_anew(one),
            "reruns": self._reruns(one),
            "examination_id": one.examination_id,
            "resulted": task.examination.instances if task else 0,
            "reading": task.state if task else None,
            "report": self._report(one),
        }

    def shape(self, one: LabSpecimen) -> SpecimenShape:
        return SpecimenShape(**self.fields(one))

    def _extra(self, one: LabSpecimen) -> list[str]:
        """Items that no panel of it brought."""
        of_panels = {
            code for panel in one.panels if panel in self._panels for code in self._panels[panel].items
        }
        return [code for code in one.items if code not in of_panels]

    def _named(self, known: dict[str, Any], code: str) -> CodeShape:
        row = known.get(code)
        return CodeShape(code=code, name=row.name if row else code, name_en=row.name_en if row else code)

    def _brief(self, one: LabSpecimen) -> TransportBrief | None:
        if one.transport is None:
            return None
        late = one.state is SpecimenState.IN_TRANSIT and is_late(one.transport, self._now)
        transport = one.transport
        return TransportBrief(
            id=transport.id, number=transport.number, expected_at=transport.expected_at, late=late
        )

    def _asked_anew(self, one: LabSpecimen) -> AskedAnewShape | None:
        asked = self._anew.get(one.examination_id) if one.examination_id else None
        if asked is None:
            return None
        return AskedAnewShape(reason=asked.reason, asked_at=asked.asked_at, asked_by=asked.asked_by.name)

    def _reruns(self, one: LabSpecimen) -> list[RerunShape]:
        return [
            RerunShape(
                item=self._named(self._items, asked.item_code),
                reason=asked.reason,
                asked_at=asked.asked_at,
                asked_by=asked.asked_by.name,
            )
            for asked in self._open
            if asked.examination_id == one.examination_id and not asked.new_specimen
        ]

    def _report(self, one: LabSpecimen) -> SpecimenReport | None:
        if one.examination_id is None:
            return None
        if self._recipient is None:
            report_id = self._reports.get(one.examination_id)
            return SpecimenReport(report_id=report_id, state=None) if report_id else None
        returned = self._returns.get(one.examination_id)
        return SpecimenReport(report_id=returned.report_id, state=returned.state) if returned else None


def with_all_beside() -> Select[Any]:
    """Specimens with the rows that `Shown` reads beside each."""
    return select(LabSpecimen).options(
        joinedload(LabSpecimen.institution),
        joinedload(LabSpecimen.registered_by),
        joinedload(LabSpecimen.received_by),
        joinedload(LabSpecimen.transport),
    )


def find_in_order(session: Session, subject: Subject, ids: Sequence[uuid.UUID]) -> list[LabSpecimen]:
    """Those of the ids, in their order. Raises NotFound when the subject may not know of one."""
    found = session.scalars(
        with_all_beside().where(LabSpecimen.id.in_(ids), specimens_visible_to(subject))
    ).unique()
    by_id = {one.id: one for one in found}
    if len(by_id) < len(set(ids)):
        raise NotFound("specimen")
    return [by_id[one] for one in dict.fromkeys(ids)]


def open_requests(examination_ids: Iterable[uuid.UUID]) -> Select[Any]:
    """Items that the county wants tested again, and nobody did yet."""
    return (
        select(RerunRequest)
        .where(RerunRequest.examination_id.in_(list(examination_ids)), RerunRequest.done_at.is_(None))
        .options(joinedload(RerunRequest.asked_by))
        .order_by(RerunRequest.id)
    )


def show_detail(shown: Shown, one: LabSpecimen) -> SpecimenDetail:
    return SpecimenDetail(
        **shown.fields(one),
        phone=one.patient.phone,
        panel_codes=list(one.panels),
        item_codes=list(one.items),
        steps=_steps(one),
    )


def is_late(transport: LabTransport, now: datetime) -> bool:
    return transport.expected_at is not None and transport.expected_at < now


def show_transports(
    session: Session, transports: Sequence[LabTransport], now: datetime
) -> list[TransportShape]:
    still = func.sum(case((LabSpecimen.state == SpecimenState.IN_TRANSIT, 1), else_=0))
    rows = session.execute(
        select(LabSpecimen.transport_id, func.count(), still)
        .where(LabSpecimen.transport_id.in_([one.id for one in transports]))
        .group_by(LabSpecimen.transport_id)
    )
    counted = {transport_id: (specimens, remaining) for transport_id, specimens, remaining in rows}
    return [_transport(one, *counted.get(one.id, (0, 0)), now) for one in transports]


def _transport(one: LabTransport, specimens: int, remaining: int, now: datetime) -> TransportShape:
    return TransportShape(
        id=one.id,
        number=one.number,
        site=show_site(one.institution),
        courier=one.courier,
        note=one.note,
        sent_at=one.sent_at,
        sent_by=show_person(one.sent_by),
        expected_at=one.expected_at,
        late=bool(remaining) and is_late(one, now),
        specimens=specimens,
        remaining=remaining,
    )


def _steps(one: LabSpecimen) -> list[StepShape]:
    """An order or an analyser leaves no step of its own: it came when it was registered."""
    steps = [StepShape(**step) for step in one.steps or []]
    if not any(step.step == "registered" for step in steps):
        by = one.registered_by.name if one.registered_by else ""
        steps.insert(0, StepShape(step=f"by_{one.source.value}", at=one.registered_at, by=by, detail=""))
    return steps


def _by_code(session: Session, row: type[Any], codes: Iterable[str]) -> dict[str, Any]:
    wanted = set(codes)
    if not wanted:
        return {}
    return {one.code: one for one in session.scalars(select(row).where(row.code.in_(wanted)))}
