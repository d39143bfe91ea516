"""Codes for reports: made, shown again, printed and taken back by those who got the report; or made by themselves.

A code is sealed like other secrets, so that the slip is printed again without sending anybody a new one.
"""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from gateway.sealing import keyed_hash, seal, unseal
from gateway.sweep import Leased
from gateway.township import RECIPIENTS, get_report
from worklists import sharing
from worklists.access import Sight, visible_to
from worklists.base import new_id
from worklists.directory import Institution, Person
from worklists.errors import NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.reports import Report, ReportReturn, ReturnState
from worklists.sharing import CannotShare, ReportShare, Revoked, ShareState

if TYPE_CHECKING:
    from adapters.reports.slip import Paper

BY_ITSELF = audit.Actor(name="gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A share with the code that its row does not tell."""

    share_id: uuid.UUID
    code: str


def address_of(base_url: str, code: str) -> str:
    """What the QR code says: short, so that it is coarse."""
    return f"{base_url}/p/{code}"


def share_report(runtime: Runtime, who: Who, report_id: uuid.UUID, *, anew: bool = False) -> Shared:
    """The code of a report that came back to the caller: the one that stands, or a new one in its place.

    Raises NotFound, NotAllowed, CannotShare; Unavailable when the code was sealed with other keys.
    """

    def deed(session: Session) -> Shared:
        now, report = runtime.now(), get_report(session, who, report_id)
        _require_recipient(session, who, report)
        standing = sharing.find_standing_share(session, report.examination_id, now)
        if standing is not None and not anew:
            _record(session, "share_shown", who.actor, standing, runtime)
            return Shared(share_id=standing.id, code=code_of(runtime, standing))
        if standing is not None:
            standing.revoke(Revoked.REPLACED, now)
            _record(session, "share_revoked", who.actor, standing, runtime, because=Revoked.REPLACED)
        person = get_person(session, who)
        return _begin(runtime, session, report.examination, person.institution, person, who.actor)

    return in_one(runtime, deed)


def revoke(runtime: Runtime, who: Who, share_id: uuid.UUID) -> None:
    """It opens nothing any more. Repeating it changes nothing."""

    def deed(session: Session) -> None:
        share = get_share(session, who, share_id)
        if share.revoked_at is None:
            share.revoke(Revoked.WITHDRAWN, runtime.now())
            _record(session, "share_revoked", who.actor, share, runtime, because=Revoked.WITHDRAWN)

    in_one(runtime, deed)


def print_slip(runtime: Runtime, who: Who, share_id: uuid.UUID, *, paper: "Paper", language: str) -> bytes:
    """The slip as PDF, audited. Raises NotFound, also of a share that is over; Unavailable."""
    from gateway.share_slips import write_share_slip  # noqa: PLC0415 (typesetting: 25 MB for who prints)

    with runtime.reading() as session:
        share = get_share(session, who, share_id)
        if share.state(runtime.now()) is not ShareState.STANDING:
            raise NotFound("share")
        code = code_of(runtime, share)
        address = address_of(runtime.settings.base_url, code)
        pdf = write_share_slip(runtime, session, share, code, address=address, paper=paper, language=language)
    in_one(
        runtime,
        lambda session: _record(
            session, "share_printed", who.actor, get_share(session, who, share_id), runtime
        ),
    )
    return pdf


def get_share(session: Session, who: Who, share_id: uuid.UUID) -> ReportShare:
    """One of an examination whose report came back to the caller's institution. Raises NotFound."""
    mine = (
        select(Report.examination_id)
        .join(ReportReturn, ReportReturn.report_id == Report.id)
        .where(ReportReturn.recipient_id == who.subject.institution_id)
        .where(ReportReturn.state != ReturnState.PENDING)
    )
    share = session.scalars(
        select(ReportShare)
        .join(Examination, Examination.id == ReportShare.examination_id)
        .where(ReportShare.id == share_id, Examination.id.in_(mine), visible_to(who.subject, Sight.REPORT))
    ).one_or_none()
    if share is None or not who.subject.roles & RECIPIENTS:
        raise NotFound("share")
    return share


def code_of(runtime: Runtime, share: ReportShare) -> str:
    """Raises Unavailable where the keys are others."""
    return unseal(runtime, share.code_sealed, whose=_whose(share.id))


def share_delivered(runtime: Runtime, leased: Leased) -> None:
    """A code for a report that came back to somebody who wants one of each, unless it has one or nothing to ask for."""

    def deed(session: Session) -> None:
        report = session.get_one(Report, uuid.UUID(leased.subject))
        wanted = next((row.recipient for row in report.returns if _wants(row)), None)
        if wanted is None or sharing.find_standing_share(session, report.examination_id, runtime.now()):
            return
        try:
            _begin(runtime, session, report.examination, wanted, None, BY_ITSELF)
        except CannotShare:
            return  # nothing is known of the patient that could be asked for; who opens the report is told so

    in_one(runtime, deed)


def _wants(row: ReportReturn) -> bool:
    return row.state is not ReturnState.PENDING and row.recipient.share_reports


def _begin(
    runtime: Runtime,
    session: Session,
    examination: Examination,
    institution: Institution,
    person: Person | None,
    actor: audit.Actor,
) -> Shared:
    code, own_id = sharing.new_code(), new_id()
    share = sharing.begin_share(
        session, examination, institution, own_id=own_id, code_hash=keyed_hash(runtime, code),
        code_sealed=seal(runtime, code, whose=_whose(own_id)), made_by=person, now=runtime.now(),
    )  # fmt: skip
    session.flush()
    _record(session, "report_shared", actor, share, runtime)
    return Shared(share_id=own_id, code=code)


def _require_recipient(session: Session, who: Who, report: Report) -> None:
    mine = any(
        row.recipient_id == who.subject.institution_id and row.state is not ReturnState.PENDING
        for row in report.returns
    )
    if not mine or not who.subject.roles & RECIPIENTS:
        raise NotAllowed("an institution that the report came back to")


def _whose(share_id: uuid.UUID) -> str:
    return f"share:{share_id}"


def _record(
    session: Session,
    action: audit.Action,
    actor: audit.Actor,
    share: ReportShare,
    runtime: Runtime,
    **detail: str,
) -> None:
    audit.record(
        session, action, actor=actor, now=runtime.now(), examination_id=share.examination_id,
        detail={"share_id": str(share.id), **detail},
    )  # fmt: skip
    live.bump(session, "returns")
