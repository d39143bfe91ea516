"""Whoever has a code and knows what it asks for: their tries, their visit, what they say of the report.

A visit is half an hour for one share, sealed into a token that its holder's browser keeps; nothing of it is stored.
What somebody is told of a code is the same for one that is not there, is over or was revoked.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from gateway import audit, live
from gateway.reading import in_one
from gateway.runtime import Runtime
from gateway.sealing import keyed_hash, seal, unseal
from worklists import sharing
from worklists.access import visible_by_share
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.reports import Report, ReportState
from worklists.sharing import ReportShare, Revoked, SharedWith, ShareState

VISIT = timedelta(minutes=30)
ANSWER = re.compile(r"[0-9]{3}[0-9X]|[0-9]{8}")  # the tail of a card, or a birth date
_WHOSE = "share visit"


class ShareMistyped(Exception):
    """It is no code, or nothing that a card or a birth date could be."""


class ShareRefused(Exception):
    """The code or the answer is not right, or the share is over; never says which."""


class ShareLocked(Exception):
    """Too many wrong answers to this code; carries for how long."""

    def __init__(self, until: datetime, now: datetime):
        super().__init__(until)
        self.minutes = max(1, -int((now - until).total_seconds() // 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody proved that they may read one report; `seen` is the version that was opened before."""

    share_id: uuid.UUID
    until: datetime
    seen: int | None
    token: str

    @property
    def proof(self) -> str:
        """What our own pages send along with what they change."""
        return hashlib.sha256(f"proof of {self.token}".encode()).hexdigest()[:32]

    def is_proven_by(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.proof.encode())


def enter(runtime: Runtime, code: str, answer: str, *, address: str) -> Visit:
    """Begin a visit. Raises ShareMistyped, ShareLocked, ShareRefused."""

    code, answer = sharing.read_code(code), sharing.read_answer(answer)
    if not code or not ANSWER.fullmatch(answer):
        raise ShareMistyped  # what cannot be one is no try

    def deed(session: Session) -> Visit | ShareLocked | ShareRefused:
        now, code_hash = runtime.now(), keyed_hash(runtime, code)
        tries = sharing.lock_tries(session, code_hash, now)
        if tries.locked_until is not None and now < tries.locked_until:
            return ShareLocked(tries.locked_until, now)
        share = session.scalars(select(ReportShare).where(ReportShare.code_hash == code_hash)).one_or_none()
        if share is None or not share.is_answered_by(answer):
            return _note_wrong(session, share, tries, address, now)
        report = sharing.find_shown_report(session, share.examination_id)
        if report is None or share.state(now) is not ShareState.STANDING:
            return ShareRefused()
        visit = _begin(runtime, share, now)
        _note_opening(session, share, report, address, now)
        return visit

    found = in_one(runtime, deed)  # what was counted stays, whatever is raised after
    if isinstance(found, Exception):
        raise found
    return found


def find_visit(runtime: Runtime, token: str | None) -> Visit | None:
    """The visit that a token is of, while it lasts."""
    if not token:
        return None
    try:
        said = json.loads(unseal(runtime, base64.urlsafe_b64decode(token.encode()), whose=_WHOSE))
    except (Unavailable, ValueError, binascii.Error):
        return None
    until = datetime.fromisoformat(said["until"])
    if runtime.now() >= until:
        return None
    return Visit(share_id=uuid.UUID(said["share_id"]), until=until, seen=said["seen"], token=token)


def get_shared(session: Session, visit: Visit, now: datetime) -> tuple[ReportShare, Report]:
    """What a visit shows: the last version of the report. Raises NotFound once the share is over."""
    examination = session.scalars(
        select(Examination).where(visible_by_share(visit.share_id, now))
    ).one_or_none()
    report = sharing.find_shown_report(session, examination.id) if examination is not None else None
    if report is None:
        raise NotFound("share")
    return session.get_one(ReportShare, visit.share_id), report


def note_newer(runtime: Runtime, visit: Visit, *, address: str) -> None:
    """A version that came during the visit is opened too. Raises NotFound."""

    def deed(session: Session) -> None:
        now = runtime.now()
        share, report = get_shared(session, visit, now)
        if share.opened_version != report.version:
            _note_opening(session, share, report, address, now)

    in_one(runtime, deed)


def acknowledge(runtime: Runtime, visit: Visit, who: SharedWith, name: str, *, address: str) -> None:
    """Somebody says that they have read the version that stands. Raises NotFound."""

    def deed(session: Session) -> None:
        now = runtime.now()
        share, report = get_shared(session, visit, now)
        if report.state is not ReportState.SIGNED or share.acknowledged_version == report.version:
            return
        share.acknowledge(who, name, report.version, now)
        _record(session, "share_acknowledged", share, report, address, now, said_by=who.value)
        live.bump(session, "returns")

    in_one(runtime, deed)


def _begin(runtime: Runtime, share: ReportShare, now: datetime) -> Visit:
    until = now + VISIT
    said = {"share_id": str(share.id), "until": until.isoformat(), "seen": share.opened_version}
    token = base64.urlsafe_b64encode(seal(runtime, json.dumps(said), whose=_WHOSE)).decode()
    return Visit(share_id=share.id, until=until, seen=share.opened_version, token=token)


def _note_opening(session: Session, share: ReportShare, report: Report, address: str, now: datetime) -> None:
    share.open(report.version, now)
    _record(session, "report_opened", share, report, address, now)
    live.bump(session, "returns")


def _note_wrong(
    session: Session, share: ReportShare | None, tries: sharing.ShareTries, address: str, now: datetime
) -> ShareLocked | ShareRefused:
    """Of a code that somebody has a lock is audited; the last try takes it back, and who made it is told."""
    tries.note(now)
    if tries.locked_until is None or now >= tries.locked_until:
        return ShareRefused()
    if share is not None and share.revoked_at is None:
        if tries.spent:
            share.revoke(Revoked.GUESSED, now)
            live.bump(session, "returns")
        audit.record(
            session, "share_revoked" if tries.spent else "share_locked", actor=_actor(share, address), now=now,
            outcome="failure", examination_id=share.examination_id,
            detail={"share_id": str(share.id), "wrong": tries.wrong},
        )  # fmt: skip
    return ShareLocked(tries.locked_until, now)


def _record(
    session: Session,
    action: audit.Action,
    share: ReportShare,
    report: Report,
    address: str,
    now: datetime,
    **detail: str,
) -> None:
    audit.record(
        session, action, actor=_actor(share, address), now=now, examination_id=share.examination_id,
        detail={"share_id": str(share.id), "report_id": str(report.id), "version": report.version, **detail},
    )  # fmt: skip


def _actor(share: ReportShare, address: str) -> audit.Actor:
    return audit.Actor(name="share", institution_id=share.institution_id, address=address)
