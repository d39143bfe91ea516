"""Shares: one examination's report by a code on paper, for whoever also knows the tail of the patient's card.

A share follows to the version that stands. Its code is found by a keyed hash; wrong answers are counted by that hash,
also for codes that nobody has, so that no answer tells which codes there are.
"""

import hmac
import secrets
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, delete, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists import bulk
from worklists.base import Base, new_id
from worklists.cards import read_card
from worklists.directory import Institution, Person
from worklists.errors import Invalid
from worklists.examinations import Examination
from worklists.patients import Patient
from worklists.reports import Report

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 and O, 1 and I and L, U and V: nobody misreads them
CODE_LENGTH, GROUP = 8, 4
TAIL_LENGTH = 4
TRIES_BEFORE_LOCK, LOCKED_FOR = 5, timedelta(minutes=15)
TRIES_IN_ALL = 20  # of about 11,000 tails
FORGOTTEN_AFTER = timedelta(hours=24)  # tries at codes that nobody has
LONGEST_NAME = 40


class ShareKey(StrEnum):
    """What is asked of whoever has the code."""

    CARD = "card"  # the last four places of the identity card
    BIRTH_DATE = "birth_date"  # eight digits, where no card is known


class ShareState(StrEnum):
    STANDING = "standing"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Revoked(StrEnum):
    REPLACED = "replaced"  # by another code
    WITHDRAWN = "withdrawn"
    GUESSED = "guessed"  # too many wrong answers


class SharedWith(StrEnum):
    """Who says that they have read it."""

    VILLAGE_DOCTOR = "village_doctor"
    PATIENT = "patient"
    FAMILY = "family"


class ReportShare(Base):
    """A code for the report of one examination, and what became of it."""

    __tablename__ = "report_share"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    code_hash: Mapped[str] = mapped_column(unique=True)
    code_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    asks: Mapped[ShareKey]
    made_at: Mapped[datetime]
    made_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))  # None: by itself
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[Revoked | None]
    opened_at: Mapped[datetime | None]
    opened_count: Mapped[int] = mapped_column(default=0)
    opened_version: Mapped[int | None]  # the last that was seen
    acknowledged_at: Mapped[datetime | None]
    acknowledged_as: Mapped[SharedWith | None]
    acknowledged_name: Mapped[str] = mapped_column(default="")
    acknowledged_version: Mapped[int | None]

    examination: Mapped[Examination] = relationship()
    institution: Mapped[Institution] = relationship()
    made_by: Mapped[Person | None] = relationship()

    def state(self, now: datetime) -> ShareState:
        if self.revoked_at is not None:
            return ShareState.REVOKED
        return ShareState.STANDING if now < self.expires_at else ShareState.EXPIRED

    def revoke(self, because: Revoked, now: datetime) -> None:
        """The first reason stands."""
        if self.revoked_at is None:
            self.revoked_at, self.revoked_because = now, because

    def is_answered_by(self, answer: str) -> bool:
        """Whether it is what the share asks of its patient; takes as long whatever is wrong."""
        expected = answer_of(self.examination.patient, self.asks)
        return hmac.compare_digest(answer.encode(), (expected or "").encode()) and expected is not None

    def open(self, version: int, now: datetime) -> None:
        self.opened_at = self.opened_at or now
        self.opened_count, self.opened_version = self.opened_count + 1, version

    def acknowledge(self, who: SharedWith, name: str, version: int, now: datetime) -> None:
        """Of each version the first word stands."""
        if self.acknowledged_version != version:
            self.acknowledged_at, self.acknowledged_version = now, version
            self.acknowledged_as, self.acknowledged_name = who, name.strip()[:LONGEST_NAME]


class ShareTries(Base):
    """Wrong answers to one code, whether anybody has it or not."""

    __tablename__ = "share_tries"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    wrong: Mapped[int] = mapped_column(default=0)
    tried_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]

    def note(self, now: datetime) -> None:
        self.wrong, self.tried_at = self.wrong + 1, now
        if self.wrong % TRIES_BEFORE_LOCK == 0:
            self.locked_until = now + LOCKED_FOR

    @property
    def spent(self) -> bool:
        return self.wrong >= TRIES_IN_ALL


class CannotShare(Invalid):
    """Neither a card nor a birth date is known: there would be nothing to ask for."""

    def __init__(self) -> None:
        super().__init__("patient", "share_needs_identity")


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def read_code(text: str) -> str:
    """A code as somebody typed it, in groups or not, in any width and case; "" for what cannot be one."""
    typed = "".join(one for one in unicodedata.normalize("NFKC", text).upper() if one.isalnum())
    return typed if len(typed) == CODE_LENGTH and set(typed) <= set(ALPHABET) else ""


def spoken_code(code: str) -> str:
    """In groups, as it is printed and read out."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def read_answer(text: str) -> str:
    """What somebody typed: 1958-03-12 is as good as 19580312, and x as X."""
    return "".join(one for one in unicodedata.normalize("NFKC", text).upper() if one.isalnum())


def key_of(patient: Patient) -> ShareKey:
    """What can be asked of somebody. Raises CannotShare."""
    found = next((key for key in ShareKey if answer_of(patient, key)), None)
    if found is None:
        raise CannotShare
    return found


def answer_of(patient: Patient, asks: ShareKey) -> str | None:
    if asks is ShareKey.BIRTH_DATE:
        return f"{patient.birth_date:%Y%m%d}" if patient.birth_date else None
    card = read_card(patient.national_id) or read_card(patient.patient_id)
    return card.number[-TAIL_LENGTH:] if card else None


def begin_share(
    session: Session,
    examination: Examination,
    institution: Institution,
    *,
    own_id: uuid.UUID,
    code_hash: str,
    code_sealed: bytes,
    made_by: Person | None,
    now: datetime,
) -> ReportShare:
    """Raises CannotShare."""
    share = ReportShare(
        id=own_id,
        examination=examination,
        institution=institution,
        code_hash=code_hash,
        code_sealed=code_sealed,
        asks=key_of(examination.patient),
        made_at=now,
        made_by=made_by,
        expires_at=now + timedelta(days=institution.share_days),
        opened_count=0,
    )
    session.add(share)
    return share


def find_standing_share(session: Session, examination_id: uuid.UUID, now: datetime) -> ReportShare | None:
    """The one code of an examination that is good now."""
    return session.scalars(
        select(ReportShare)
        .where(ReportShare.examination_id == examination_id, ReportShare.revoked_at.is_(None))
        .where(ReportShare.expires_at > now)
        .order_by(ReportShare.made_at.desc(), ReportShare.id.desc())
        .limit(1)
    ).first()


def shares_of(session: Session, examination_ids: Sequence[uuid.UUID]) -> list[ReportShare]:
    """The newest first."""
    return list(
        session.scalars(
            select(ReportShare)
            .where(ReportShare.examination_id.in_(examination_ids))
            .order_by(ReportShare.made_at.desc(), ReportShare.id.desc())
        )
    )


def find_shown_report(session: Session, examination_id: uuid.UUID) -> Report | None:
    """The last version: the one that stands, or what was made void."""
    return session.scalars(
        select(Report).where(Report.examination_id == examination_id).order_by(Report.version.desc()).limit(1)
    ).first()


def lock_tries(session: Session, code_hash: str, now: datetime) -> ShareTries:
    """The count of one code, for this transaction alone."""
    session.execute(
        delete(ShareTries)
        .where(ShareTries.tried_at < now - FORGOTTEN_AFTER, ShareTries.code_hash != code_hash)
        .where(~exists(select(ReportShare.id).where(ReportShare.code_hash == ShareTries.code_hash)))
    )
    row = {"code_hash": code_hash, "wrong": 0, "tried_at": now, "locked_until": None}
    bulk.insert_rows(session, ShareTries, [row], on_conflict="ON CONFLICT (code_hash) DO NOTHING")
    return session.scalars(
        select(ShareTries).where(ShareTries.code_hash == code_hash).with_for_update()
    ).one()
