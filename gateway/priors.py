"""What the same person had before, of every kind and institution, as far as a reader of a task may see it now.

A page of it is read in one query for each kind of thing beside it, however many priors there are.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from gateway.finding import Order, count_up_to_limit, newest_read_task
from gateway.index import Instance, Record, Series, Study, is_indexed
from worklists.access import Sight, Subject, visible_to
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.releasing import RELEASED
from worklists.laboratory.results import Abnormal, LabAttachment, LabResult
from worklists.patients import Patient
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState

MOST_PRIORS = 100  # come with the task; those behind them are fetched page by page
MOST_ABNORMAL = 8  # items of one specimen in its line; how many there are is told
MOST_DOCUMENTS = 50  # of one examination
NEWEST_FIRST = Order(
    keys=[(Examination.received_at, True), (Examination.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbnormalItem:
    """A released result that is not as it should be."""

    item_code: str
    name: str
    name_en: str
    abbreviation: str
    value: str
    unit: str
    abnormal: Abnormal
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """One examination. `abnormal_count` says how many items there are behind `abnormal`."""

    task: ReadingTask
    report: Report | None
    abnormal: Sequence[AbnormalItem] = ()
    abnormal_count: int = 0
    documents: int = 0

    @property
    def critical(self) -> bool:
        return (self.report is not None and self.report.critical) or any(
            one.critical for one in self.abnormal
        )

    @property
    def positive(self) -> bool | None:
        """As it was signed; of a specimen without a report, whether anything is abnormal. None: nobody has said."""
        if self.report is not None:
            return self.report.positive
        return True if self.abnormal_count else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """A page, the newest first. `total` counts all of them, to the limit of all counts; `next_key` is for the rest."""

    items: Sequence[Prior]
    total: int
    next_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What came with an examination beside its images, and the route that shows it."""

    id: uuid.UUID
    name: str
    media_type: str
    url: str


def find_priors(
    session: Session, subject: Subject, examination: Examination, key: str | None = None
) -> Priors:
    found = _priors_of(subject, examination)
    tasks = NEWEST_FIRST.page(session, found, ReadingTask.id, key, MOST_PRIORS, *_SHOWN)
    shown, more = tasks[:MOST_PRIORS], len(tasks) > MOST_PRIORS
    last = shown[-1].examination if shown else None
    return Priors(
        items=_gather(session, subject, shown),
        total=count_up_to_limit(session, found) if more or key else len(shown),
        next_key=NEWEST_FIRST.key_of((last.received_at, last.id)) if more and last else None,
    )


def get_prior(session: Session, subject: Subject, examination: Examination, prior_id: uuid.UUID) -> Prior:
    """One of them. Raises NotFound."""
    found = _priors_of(subject, examination).where(Examination.id == prior_id).options(*_SHOWN)
    task = session.scalars(found).unique().one_or_none()
    if task is None:
        raise NotFound("prior")
    [prior] = _gather(session, subject, [task])
    return prior


def find_documents(session: Session, subject: Subject, examination_id: uuid.UUID) -> list[Document]:
    """Documents among its instances and attachments of its results, for who may see its images."""
    pages = session.execute(
        _pages(subject, [examination_id])
        .with_only_columns(
            Instance.id, Instance.sop_instance_uid, Series.series_instance_uid, Series.series_description,
            Study.study_instance_uid, maintain_column_froms=True,
        )
        .order_by(Series.series_number, Instance.instance_number, Instance.id)
        .limit(MOST_DOCUMENTS)
    )  # fmt: skip
    attached = session.scalars(
        _attachments(subject, [examination_id])
        .order_by(LabAttachment.received_at, LabAttachment.position)
        .limit(MOST_DOCUMENTS)
    )
    return [
        *(
            Document(
                id=row.id,
                name=row.series_description,
                media_type="application/pdf",
                url=f"/dicomweb/studies/{row.study_instance_uid}/series/{row.series_instance_uid}"
                f"/instances/{row.sop_instance_uid}/rendered",
            )
            for row in pages
        ),
        *(
            Document(
                id=one.id, name=one.name, media_type=one.media_type, url=f"/api/v1/lab/attachments/{one.id}"
            )
            for one in attached
        ),
    ]


_SHOWN = (joinedload(ReadingTask.examination).joinedload(Examination.institution),)


def _priors_of(subject: Subject, examination: Examination) -> Select[ReadingTask]:
    return (
        select(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .join(Patient, Patient.id == Examination.patient_id)
        .where(Patient.master_id == examination.patient.master_id, Examination.id != examination.id)
        .where(visible_to(subject), newest_read_task())
    )


def _gather(session: Session, subject: Subject, tasks: Sequence[ReadingTask]) -> list[Prior]:
    about = [task.examination_id for task in tasks]
    specimens = [task.examination_id for task in tasks if task.examination.kind is Kind.LABORATORY]
    reports = _standing(session, about)
    abnormal, counts = _abnormal(session, subject, specimens)
    documents = _counted(session, subject, about, specimens)
    return [
        Prior(
            task=task,
            report=reports.get(task.examination_id),
            abnormal=abnormal.get(task.examination_id, ()),
            abnormal_count=counts.get(task.examination_id, 0),
            documents=documents.get(task.examination_id, 0),
        )
        for task in tasks
    ]


def _standing(session: Session, about: Sequence[uuid.UUID]) -> dict[uuid.UUID, Report]:
    rows = session.scalars(
        select(Report)
        .where(Report.examination_id.in_(about), Report.state == ReportState.SIGNED)
        .options(joinedload(Report.signed_by))
    )
    return {row.examination_id: row for row in rows}


def _abnormal(
    session: Session, subject: Subject, specimens: Sequence[uuid.UUID]
) -> tuple[Mapping[uuid.UUID, Sequence[AbnormalItem]], Mapping[uuid.UUID, int]]:
    """What is critical first, then in the dictionary's order."""
    if not specimens:
        return {}, {}
    order = (LabResult.critical.desc(), LabItem.position, LabItem.code)
    place = func.row_number().over(partition_by=LabResult.examination_id, order_by=order).label("place")
    many = func.count().over(partition_by=LabResult.examination_id).label("many")
    placed = (
        select(
            LabResult.examination_id, LabItem.code, LabItem.name, LabItem.name_en, LabItem.abbreviation,
            LabResult.value, LabResult.unit, LabResult.abnormal, LabResult.critical, place, many,
        )
        .join(LabItem, LabItem.code == LabResult.item_code)
        .join(Examination, Examination.id == LabResult.examination_id)
        .where(LabResult.examination_id.in_(specimens), visible_to(subject, Sight.IMAGES))
        .where(LabResult.current, LabResult.verification.in_(RELEASED), LabResult.abnormal != Abnormal.NONE)
        .subquery()
    )  # fmt: skip
    items: dict[uuid.UUID, list[AbnormalItem]] = defaultdict(list)
    counts: dict[uuid.UUID, int] = {}
    first = select(placed).where(placed.c.place <= MOST_ABNORMAL)
    for row in session.execute(first.order_by(placed.c.examination_id, placed.c.place)):
        counts[row.examination_id] = row.many
        items[row.examination_id].append(
            AbnormalItem(
                item_code=row.code, name=row.name, name_en=row.name_en, abbreviation=row.abbreviation,
                value=row.value, unit=row.unit, abnormal=Abnormal(row.abnormal), critical=row.critical,
            )
        )  # fmt: skip
    return items, counts


def _counted(
    session: Session, subject: Subject, about: Sequence[uuid.UUID], specimens: Sequence[uuid.UUID]
) -> dict[uuid.UUID, int]:
    counts: dict[uuid.UUID, int] = defaultdict(int)
    for column, query in (
        (Study.examination_id, _pages(subject, about)),
        (LabAttachment.examination_id, _attachments(subject, specimens)),
    ):
        counted = query.with_only_columns(column, func.count(), maintain_column_froms=True).group_by(column)
        for examination_id, count in session.execute(counted):
            counts[examination_id] += count
    return counts


def _pages(subject: Subject, about: Sequence[uuid.UUID]) -> Select[Instance]:
    """PDF as instances (PS3.3 A.45.1), also those that a cart or a person sent as files."""
    return (
        select(Instance)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Record, Record.id == Instance.record_id)
        .join(Examination, Examination.id == Study.examination_id)
        .where(Study.examination_id.in_(about), visible_to(subject, Sight.IMAGES))
        .where(Instance.current, Instance.sop_class_uid == str(EncapsulatedPDFStorage), is_indexed())
    )


def _attachments(subject: Subject, specimens: Sequence[uuid.UUID]) -> Select[LabAttachment]:
    return (
        select(LabAttachment)
        .join(Examination, Examination.id == LabAttachment.examination_id)
        .where(LabAttachment.examination_id.in_(specimens), visible_to(subject, Sight.IMAGES))
    )
