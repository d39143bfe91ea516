"""What a caller may retrieve: current instances, reached through an examination whose images they may see."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from gateway.index import Instance, Record, RecordState, Series, Study
from worklists.access import Sight, Subject, visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination, IdentityChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One instance under the UIDs it is served by; the data set may carry others (a person separated it)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    has_pixels: bool
    study_id: uuid.UUID
    examination_id: uuid.UUID
    record: Record

    @property
    def path(self) -> str:
        return (
            f"studies/{self.study_instance_uid}/series/{self.series_instance_uid}"
            f"/instances/{self.sop_instance_uid}"
        )

    @property
    def character_set(self) -> str | None:
        """The override of the device that sent it."""
        stated = self.record.origin.get("character_set")
        return str(stated) if stated else None


def get_served(
    session: Session,
    subject: Subject,
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> Sequence[Served]:
    """The instances of a study, series or instance, in reading order. NotFound when there is none to be known of."""
    query = (
        select(Instance, Series.series_instance_uid, Study.id, Study.examination_id)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Examination, Examination.id == Study.examination_id)
        .join(Record, Record.id == Instance.record_id)
        .where(Study.study_instance_uid == study_instance_uid, Instance.current)
        .where(Record.state == RecordState.INDEXED)
        .options(contains_eager(Instance.record))
        .where(visible_to(subject, Sight.IMAGES))
        .order_by(
            Series.series_number.nulls_last(),
            Series.series_instance_uid,
            Instance.instance_number.nulls_last(),
            Instance.sop_instance_uid,
        )
    )
    if series_instance_uid is not None:
        query = query.where(Series.series_instance_uid == series_instance_uid)
    if sop_instance_uid is not None:
        query = query.where(Instance.sop_instance_uid == sop_instance_uid)
    found = [
        Served(
            study_instance_uid=study_instance_uid,
            series_instance_uid=series_uid,
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            has_pixels=instance.rows is not None,
            study_id=study_id,
            examination_id=examination_id,
            record=instance.record,
        )
        for instance, series_uid, study_id, examination_id in session.execute(query)
    ]
    if not found:
        raise NotFound("instances")
    return found


def find_corrected_patient(session: Session, examination_id: uuid.UUID) -> dict[str, Any] | None:
    """Who a person said the patient is, after the device had said otherwise; None when nobody did."""
    change = session.scalars(
        select(IdentityChange)
        .where(IdentityChange.examination_id == examination_id)
        .order_by(IdentityChange.changed_at.desc(), IdentityChange.id.desc())
        .limit(1)
    ).first()
    return change.after if change is not None else None
