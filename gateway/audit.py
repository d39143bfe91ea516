"""The audit: who saw or changed what. Written unchained with the fact; a sealer chains the rows by hash.

Only one sealer runs at a time; it takes rows in the order of their ids, each hash covering the one before.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ForeignKey, Integer, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base

GENESIS = "0" * 64
TOLD_EVERY = 500
# Everything that is audited. The pages have a word for each.
Action = Literal[
    "signed_in",
    "sign_in_failed",
    "sign_in_locked_out",
    "signed_out",
    "password_changed",
    "password_set",
    "person_added",
    "person_disabled",
    "directory_changed",
    "directory_undone",
    "token_issued",
    "token_revoked",
    "token_enabled",
    "device_authority_made",
    "signing_key_chosen",
    "certificate_issued",
    "certificate_revoked",
    "image_graded",
    "images_opened",
    "examination_opened",
    "original_downloaded",
    "ecg_exported",
    "lab_message_opened",
    "instances_stored",
    "files_uploaded",
    "held_resolved",
    "priority_changed",
    "clinical_information_changed",
    "village_changed",
    "identity_corrected",
    "task_claimed",
    "task_released",
    "task_assigned",
    "task_handed_over",
    "task_taken_over",
    "task_paused",
    "task_resumed",
    "rules_drafted",
    "rules_tried",
    "rules_went_live",
    "claim_expired",
    "examination_sent_back",
    "late_instances_confirmed",
    "duty_called",
    "duty_exhausted",
    "draft_begun",
    "report_submitted",
    "report_rejected",
    "draft_corrected",
    "doubts_overridden",
    "discrepancy_acknowledged",
    "report_signed",
    "amendment_begun",
    "amendment_given_up",
    "report_voided",
    "results_verified",
    "result_unverified",
    "result_remarked",
    "result_chosen",
    "rerun_asked",
    "report_opened",
    "return_acknowledged",
    "report_shared",
    "share_shown",
    "share_printed",
    "share_revoked",
    "share_locked",
    "share_acknowledged",
    "report_delivered",
    "delivery_resent",
    "endpoint_added",
    "endpoint_changed",
    "endpoint_tested",
    "patient_opened",
    "patients_linked",
    "patients_merged",
    "patients_separated",
    "patients_kept_apart",
    "character_set_confirmed",
    "character_set_rejected",
    "character_set_undone",
    "specimen_registered",
    "specimen_opened",
    "specimen_labels_printed",
    "specimen_cancelled",
    "specimens_sent",
    "specimen_taken_back",
    "specimen_received",
    "specimen_rejected",
    "specimen_patient_searched",
    "work_retried",
    "record_retried",
    "record_discarded",
    "control_released",
    "control_excluded",
    "control_included",
    "control_commented",
    "control_material_added",
    "control_material_changed",
    "device_check_entered",
    "device_check_corrected",
    "device_check_released",
    "device_check_evidence_kept",
    "lab_held_opened",
    "lab_held_resolved",
    "lab_reprocessed",
    "lab_dictionary_imported",
    "analyser_profile_changed",
    "lab_rules_drafted",  # these three until rules of verification became a book: they stand in the chain
    "lab_rules_tried",
    "lab_rules_went_live",
    "lab_results_judged",
    "critical_reported",
    "critical_reviewed",
    "critical_withdrawn",
    "critical_called",
    "critical_received",
    "critical_misread",
    "key_images_changed",
    "critical_handled",
    "critical_closed",
    "critical_escalated",
    "critical_exhausted",
    "recognition_asked",
    "recognition_opened",
    "recognition_decided",
    "recognition_cited",
    "backup_made",
    "backup_restored",
    "audit_verified",
    "audit_exported",
]


class AuditEvent(Base):
    """One thing that somebody did or saw. Never changed but for the seal."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(index=True)
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    actor: Mapped[str]
    institution_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    examination_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(default="")
    outcome: Mapped[str] = mapped_column(default="success")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sealed_as: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    seal: Mapped[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a person, a device, or the gateway itself."""

    name: str
    person_id: uuid.UUID | None = None
    institution_id: uuid.UUID | None = None
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What checking the chain found; `first_bad` names the place in the chain where it breaks."""

    ok: bool
    checked: int
    first_bad: int | None = None
    reason: str = ""


def record(
    session: Session,
    action: Action,
    *,
    actor: Actor,
    now: datetime,
    examination_id: uuid.UUID | None = None,
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Say who did what, in the transaction of the deed."""
    session.add(
        AuditEvent(
            at=now,
            action=action,
            person_id=actor.person_id,
            actor=actor.name,
            institution_id=actor.institution_id,
            examination_id=examination_id,
            address=actor.address,
            outcome=outcome,
            detail=dict(detail or {}),
        )
    )


def seal(session: Session, *, limit: int = 1000) -> int:
    """Chain the rows that are not yet chained; answers how many. The caller sees that one sealer runs at a time."""
    last = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.sealed_as.is_not(None))
        .order_by(AuditEvent.sealed_as.desc())
        .limit(1)
    ).first()
    place, previous = (last.sealed_as or 0, last.seal or GENESIS) if last else (0, GENESIS)
    rows = session.scalars(
        select(AuditEvent).where(AuditEvent.sealed_as.is_(None)).order_by(AuditEvent.id).limit(limit)
    ).all()
    for row in rows:
        place += 1
        previous = _hash(row, place, previous)
        row.sealed_as, row.seal = place, previous
    return len(rows)


def count_sealed(session: Session) -> int:
    return session.scalar(select(func.count()).where(AuditEvent.sealed_as.is_not(None))) or 0


def verify(session: Session, *, told: Callable[[int], None] = lambda _place: None) -> Verification:
    """Walk the chain from its beginning. A changed, removed or inserted row is named by its place.

    `told` hears now and then how far it is.
    """
    previous, place = GENESIS, 0
    rows = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.sealed_as.is_not(None))
        .order_by(AuditEvent.sealed_as)
        .execution_options(yield_per=500)
    )
    for row in rows:
        place += 1
        if row.sealed_as != place:
            return Verification(ok=False, checked=place - 1, first_bad=place, reason="a row is missing")
        if row.seal != _hash(row, place, previous):
            return Verification(ok=False, checked=place - 1, first_bad=place, reason="a row was changed")
        previous = row.seal
        if place % TOLD_EVERY == 0:
            told(place)
    return Verification(ok=True, checked=place)


def _hash(row: AuditEvent, place: int, previous: str) -> str:
    content = [
        previous,
        place,
        row.id,
        row.at.isoformat(timespec="microseconds"),
        row.action,
        str(row.person_id),
        row.actor,
        str(row.institution_id),
        str(row.examination_id),
        row.address,
        row.outcome,
        row.detail,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
