"""What a caller may retrieve: current instances, reached through an examination whose images they may see."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from sys import intern
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.index import Instance, Pack, Record, Series, Study, character_set_of, is_indexed
from gateway.originals import Original
from worklists.access import Sight, Subject, visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination, IdentityChange

ROWS_AT_ONCE = 500  # of a long answer; all of them would be twice what is made of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A study whose images somebody may see, and who a person said that its patient is."""

    study_id: uuid.UUID
    examination_id: uuid.UUID
    study_instance_uid: str
    corrected_patient: Mapping[str, Any] | None
    character_set: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One instance under the UIDs it is served by; the data set may carry others (a person separated it).

    `character_set` overrides what it declares; see `character_set_of`.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    has_pixels: bool
    kind: str  # of its record
    sha256: str
    data_set_offset: int
    character_set: str | None
    source_ae_title: str
    original: Original

    @property
    def path(self) -> str:
        return (
            f"studies/{self.study_instance_uid}/series/{self.series_instance_uid}"
            f"/instances/{self.sop_instance_uid}"
        )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The instances of a study or of one of its series, in reading order."""

    served: Sequence[Served]

    @cached_property
    def by_uid(self) -> Mapping[str, Served]:
        return {one.sop_instance_uid: one for one in self.served}


def get_opened(session: Session, subject: Subject, study_instance_uid: str) -> Opened:
    """The study, if the subject may see its images. NotFound when there is none to be known of."""
    found = session.execute(
        select(Study.id, Study.examination_id, Study.character_set)
        .join(Examination, Examination.id == Study.examination_id)
        .where(Study.study_instance_uid == study_instance_uid, visible_to(subject, Sight.IMAGES))
    ).first()
    if found is None:
        raise NotFound("instances")
    return Opened(
        study_id=found.id,
        examination_id=found.examination_id,
        study_instance_uid=study_instance_uid,
        corrected_patient=find_corrected_patient(session, found.examination_id),
        character_set=found.character_set,
    )


def list_served(session: Session, opened: Opened, series_instance_uid: str | None = None) -> Listing:
    """The current instances of an opened study, or of one series. NotFound when there are none."""
    query = (
        select(
            Series.series_instance_uid,
            Instance.sop_instance_uid,
            Instance.sop_class_uid,
            Instance.transfer_syntax_uid,
            Instance.rows,
            Record.id,
            Record.node,
            Record.journal,
            Record.sequence,
            Record.segment,
            Record.offset,
            Record.size_bytes,
            Record.kind,
            Record.local,
            Record.data_set_offset,
            Record.sha256,
            Record.origin,
            Record.pack_offset,
            Pack.key,
        )
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_id)
        .join(Record, Record.id == Instance.record_id)
        .outerjoin(Pack, Pack.id == Record.pack_id)
        .where(Series.study_id == opened.study_id, Instance.current, is_indexed())
        .order_by(
            Series.series_number.nulls_last(),
            Series.series_instance_uid,
            Instance.instance_number.nulls_last(),
            Instance.sop_instance_uid,
        )
    )
    if series_instance_uid is not None:
        query = query.where(Series.series_instance_uid == series_instance_uid)
    served = [_served(opened, row) for row in session.execute(query).yield_per(ROWS_AT_ONCE)]
    if not served:
        raise NotFound("instances")
    return Listing(served=served)


def find_corrected_patient(session: Session, examination_id: uuid.UUID) -> dict[str, Any] | None:
    """Who a person said the patient is, after the device had said otherwise; None when nobody did."""
    change = session.scalars(
        select(IdentityChange)
        .where(IdentityChange.examination_id == examination_id)
        .order_by(IdentityChange.changed_at.desc(), IdentityChange.id.desc())
        .limit(1)
    ).first()
    return change.after if change is not None else None


def _served(opened: Opened, row: Any) -> Served:
    # What thousands of one study share is kept once.
    return Served(
        study_instance_uid=opened.study_instance_uid,
        series_instance_uid=intern(row.series_instance_uid),
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=intern(row.sop_class_uid),
        transfer_syntax_uid=intern(row.transfer_syntax_uid),
        has_pixels=row.rows is not None,
        kind=intern(row.kind),
        sha256=row.sha256,
        data_set_offset=row.data_set_offset,
        character_set=character_set_of(opened.character_set, row.origin),
        source_ae_title=intern(str(row.origin.get("calling_ae_title", ""))),
        original=Original(
            record_id=row.id,
            node=intern(row.node),
            journal=intern(row.journal),
            sequence=row.sequence,
            segment=row.segment,
            offset=row.offset,
            size_bytes=row.size_bytes,
            local=row.local,
            pack_key=intern(row.key) if row.key is not None else None,
            pack_offset=row.pack_offset,
        ),
    )
