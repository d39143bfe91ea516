"""The results of one specimen with all that belongs beside them, for whoever may see what they were made from."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from gateway.lab.counting import LabCounts, count_results
from gateway.lab.rows import LabHeld
from worklists.access import Sight, Subject, visible_to
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.examinations import Examination, ExaminationAlias
from worklists.laboratory.dictionary import LabPanel
from worklists.laboratory.layout import Line, find_panels, lay_out
from worklists.laboratory.marking import marks_of
from worklists.laboratory.releasing import RELEASED
from worklists.laboratory.results import Abnormal, LabAttachment, LabResult, RerunRequest
from worklists.laboratory.specimens import LabSpecimen
from worklists.laboratory.verifying import needs_a_word
from worklists.patients import Patient
from worklists.reports import Report, ReportState

MOST_EARLIER = 10  # of the patient's last results, for each item


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A released result of the same person, from another specimen."""

    value: str
    number: float | None
    observed_at: datetime
    abnormal: Abnormal


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSheet:
    """One specimen as a page shows it. `marks` by the result's id, as signed or as they would be now."""

    examination: Examination
    specimen: LabSpecimen | None
    panels: Sequence[LabPanel]
    counts: LabCounts
    lines: Sequence[Line]
    others: Mapping[str, Sequence[LabResult]]  # by item: versions and runs that do not count
    history: Mapping[str, Sequence[Earlier]]
    marks: Mapping[uuid.UUID, Mapping[str, Any]]
    reruns: Mapping[str, RerunRequest]
    delicate: frozenset[uuid.UUID]  # each is verified by itself and with a word
    attachments: Sequence[LabAttachment]
    held: Sequence[LabHeld]


def get_sheet(
    session: Session, subject: Subject, examination_id: uuid.UUID, *, print_community_mark: bool
) -> ResultSheet:
    """Results are to a specimen what images are to a study, and seen by the same people. Raises NotFound."""
    examination = _get_examination(session, subject, examination_id)
    about = examination.id
    specimen = session.scalars(select(LabSpecimen).where(LabSpecimen.examination_id == about)).one_or_none()
    results = session.scalars(
        select(LabResult)
        .where(LabResult.examination_id == about)
        .options(joinedload(LabResult.device), joinedload(LabResult.verified_by))
        .order_by(LabResult.item_code, LabResult.run.desc(), LabResult.version.desc())
    ).all()
    lines = lay_out(session, specimen, results)
    others = defaultdict(list)
    for one in results:
        if not one.current:
            others[one.item_code].append(one)
    return ResultSheet(
        examination=examination,
        specimen=specimen,
        panels=find_panels(session, specimen),
        counts=count_results(session, [about]).get(about, LabCounts()),
        lines=lines,
        others=others,
        history=find_history(session, subject, examination, [line.item.code for line in lines]),
        marks=_marks(session, about, results, print_community_mark),
        reruns=_reruns(session, about),
        delicate=frozenset(one.id for one in results if one.current and needs_a_word(session, one)),
        attachments=session.scalars(
            select(LabAttachment)
            .where(LabAttachment.examination_id == about)
            .order_by(LabAttachment.received_at, LabAttachment.position)
        ).all(),
        held=session.scalars(
            select(LabHeld)
            .where(LabHeld.examination_id == about, LabHeld.resolved_at.is_(None))
            .order_by(LabHeld.id)
        ).all(),
    )


def find_history(
    session: Session, subject: Subject, examination: Examination, items: Sequence[str]
) -> dict[str, list[Earlier]]:
    """The person's last released results of each item that the caller may see, the newest first."""
    place = (
        func.row_number()
        .over(partition_by=LabResult.item_code, order_by=(LabResult.observed_at.desc(), LabResult.id.desc()))
        .label("place")
    )
    placed = (
        select(
            LabResult.item_code, LabResult.value, LabResult.number, LabResult.observed_at, LabResult.abnormal, place
        )
        .join(Patient, Patient.id == LabResult.patient_id)
        .join(Examination, Examination.id == LabResult.examination_id)
        .where(Patient.master_id == examination.patient.master_id, LabResult.item_code.in_(items))
        .where(LabResult.current, LabResult.verification.in_(RELEASED), LabResult.value != "")
        .where(LabResult.examination_id != examination.id, visible_to(subject, Sight.IMAGES))
        .subquery()
    )  # fmt: skip
    found: dict[str, list[Earlier]] = defaultdict(list)
    for row in session.execute(
        select(placed).where(placed.c.place <= MOST_EARLIER).order_by(placed.c.item_code, placed.c.place)
    ):
        found[row.item_code].append(
            Earlier(
                value=row.value,
                number=row.number,
                observed_at=row.observed_at,
                abnormal=Abnormal(row.abnormal),
            )
        )
    return found


def _get_examination(session: Session, subject: Subject, examination_id: uuid.UUID) -> Examination:
    alias = session.get(ExaminationAlias, examination_id)
    found = session.scalars(
        select(Examination)
        .where(Examination.id == (alias.examination_id if alias else examination_id))
        .where(Examination.kind == Kind.LABORATORY, visible_to(subject, Sight.IMAGES))
    ).one_or_none()
    if found is None:
        raise NotFound("examination")
    return found


def _marks(
    session: Session, examination_id: uuid.UUID, results: Sequence[LabResult], print_community_mark: bool
) -> dict[uuid.UUID, Mapping[str, Any]]:
    current = [one for one in results if one.current]
    now = marks_of(session, current, print_community_mark=print_community_mark)
    signed = session.scalars(
        select(Report.content).where(
            Report.examination_id == examination_id, Report.state == ReportState.SIGNED
        )
    ).first()
    stated = {uuid.UUID(one["result_id"]): one["mark"] for one in (signed or {}).get("results", ())}
    return {**{about: mark.as_json() for about, mark in now.items()}, **stated}


def _reruns(session: Session, examination_id: uuid.UUID) -> dict[str, RerunRequest]:
    rows = session.scalars(
        select(RerunRequest)
        .where(RerunRequest.examination_id == examination_id, RerunRequest.done_at.is_(None))
        .options(joinedload(RerunRequest.asked_by))
        .order_by(RerunRequest.id)
    )
    return {row.item_code: row for row in rows}
