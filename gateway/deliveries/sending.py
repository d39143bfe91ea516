"""Sending what is due at one endpoint, one after the other; the due row's subject is the endpoint.

An attempt is a row before anything is sent. Whoever dies after that leaves it without an end, and the same is sent
again with the same identifiers once the lease has run out. What fails is tried later and later; a peer that is away
keeps everything for it waiting, one that has no room for a report that one alone.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from adapters.errors import Inexpressible, Malformed, PeerBusy, PeerLater, PeerRejected, PeerUnreachable
from gateway import audit, live
from gateway.deliveries.causes import NOT_EXPRESSIBLE, NOT_WITHDRAWN, cause_of
from gateway.deliveries.contents import Outgoing, read_outgoing
from gateway.deliveries.rows import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryEvent,
    DeliveryState,
    Endpoint,
    EndpointWire,
)
from gateway.deliveries.wires import WIRES, read_settings
from gateway.fault_points import reach
from gateway.runtime import Runtime
from gateway.sealing import unseal
from gateway.sweep import Leased, NotYet
from worklists.reports import Report, ReportState

log = structlog.get_logger()

LONGEST = timedelta(seconds=60)  # a conversation with its connecting and noting: ends before the lease does


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that was written down, and with what it is made."""

    delivery_id: uuid.UUID
    attempt_id: uuid.UUID
    endpoint_id: uuid.UUID
    wire: EndpointWire
    settings: dict[str, object]
    secret: bytes | None
    client_key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    outcome: AttemptOutcome
    answer: str
    cause: str = ""
    asked: timedelta | None = None  # for so long the peer wants to be left alone


def deliver_reports(runtime: Runtime, leased: Leased) -> None:
    """Send what is due there until nothing is, or it is somebody else's turn."""
    endpoint_id = uuid.UUID(leased.subject)
    while True:
        begun = _begin(runtime, endpoint_id)
        if begun is None:
            return
        reach("deliver.begun")
        sent = _send(runtime, begun)
        reach("deliver.answered")
        _note(runtime, begun, sent)
        if runtime.now() + LONGEST > leased.leased_until:
            raise NotYet(runtime.now())


def _begin(runtime: Runtime, endpoint_id: uuid.UUID) -> Begun | None:
    """Write down the next attempt; None when nothing waits there. Raises NotYet when it is too early."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        endpoint = session.get(Endpoint, endpoint_id)
        if endpoint is None or not endpoint.enabled:
            return None
        _skip_overtaken(session, endpoint_id)
        if endpoint.retry_at is not None and endpoint.retry_at > now:
            until = endpoint.retry_at if _next_at(session, endpoint_id) else None
        else:
            until = _next_at(session, endpoint_id)
        if until is None:
            return None
        if until <= now:
            delivery = session.scalars(_waiting(endpoint_id).order_by(Delivery.next_at, Delivery.id)).first()
            assert delivery is not None
            attempt = delivery.begin(now)
            session.add(attempt)
            return Begun(
                delivery_id=delivery.id,
                attempt_id=attempt.id,
                endpoint_id=endpoint_id,
                wire=endpoint.wire,
                settings=endpoint.settings,
                secret=endpoint.secret,
                client_key=endpoint.client_key,
            )
    raise NotYet(until)


def _waiting(endpoint_id: uuid.UUID) -> Select[Delivery]:
    """What waits there and can go: its signed document is kept."""
    return (
        select(Delivery)
        .join(Report, Report.id == Delivery.report_id)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.state == DeliveryState.PENDING)
        .where(Report.pdf_sha256.is_not(None))
    )


def _next_at(session: Session, endpoint_id: uuid.UUID) -> datetime | None:
    waiting = _waiting(endpoint_id).with_only_columns(Delivery.next_at).order_by(Delivery.next_at)
    return session.scalars(waiting.limit(1)).first()


def _skip_overtaken(session: Session, endpoint_id: uuid.UUID) -> None:
    """A report that a later version took the place of before it went is not sent any more, nor a voided one."""
    rows = session.scalars(
        _waiting(endpoint_id).where(
            Delivery.event == DeliveryEvent.REPORT, Report.state != ReportState.SIGNED
        )
    )
    for row in rows:
        row.skip()
    session.flush()


def _send(runtime: Runtime, begun: Begun) -> Outcome:
    wire = WIRES[begun.wire]
    outgoing = read_outgoing(runtime, begun.delivery_id)
    if outgoing.is_void and not wire.withdraws:
        said = "this wire cannot take a report back; tell them"
        return Outcome(outcome=AttemptOutcome.REFUSED, answer=said, cause=NOT_WITHDRAWN)
    try:
        whose = str(begun.endpoint_id)
        secret, key = (
            unseal(runtime, one, whose=whose) if one else "" for one in (begun.secret, begun.client_key)
        )
        answer = wire.send(outgoing, read_settings(begun.wire, begun.settings, key), secret)
        return Outcome(outcome=AttemptOutcome.SENT, answer=_blind(outgoing, answer))
    except PeerRejected as error:
        answer = _blind(outgoing, str(error))
        return Outcome(outcome=AttemptOutcome.REFUSED, answer=answer, cause=cause_of(error))
    except PeerBusy as error:
        return _later(AttemptOutcome.BUSY, outgoing, error)
    except PeerUnreachable as error:
        return _later(AttemptOutcome.UNREACHABLE, outgoing, error)
    except (Inexpressible, Malformed, ValidationError, UnicodeEncodeError) as error:
        log.warning("report_not_expressible", wire=begun.wire.value, error=type(error).__name__)
        said = f"not expressible: {type(error).__name__}"
        return Outcome(outcome=AttemptOutcome.REFUSED, answer=said, cause=NOT_EXPRESSIBLE)


def _later(outcome: AttemptOutcome, outgoing: Outgoing, error: PeerLater) -> Outcome:
    asked = timedelta(seconds=error.retry_after_s) if error.retry_after_s is not None else None
    return Outcome(outcome=outcome, answer=_blind(outgoing, str(error)), cause=cause_of(error), asked=asked)


def _blind(outgoing: Outgoing, answer: str) -> str:
    """What the peer said, without what it repeats of the patient."""
    for word in outgoing.private_words():
        answer = answer.replace(word, "***")
    return "".join(one if one.isprintable() else " " for one in answer)


def _note(runtime: Runtime, begun: Begun, sent: Outcome) -> None:
    now = runtime.now()
    with runtime.sessions.begin() as session:
        delivery = session.get_one(Delivery, begun.delivery_id, with_for_update={"of": Delivery})
        endpoint = session.get_one(Endpoint, begun.endpoint_id, with_for_update={"of": Endpoint})
        attempt = session.get_one(DeliveryAttempt, begun.attempt_id)
        if attempt.ended_at is None:
            attempt.end(sent.outcome, sent.answer, now, sent.cause)
        if delivery.state is DeliveryState.PENDING:
            delivery.note(sent.outcome, sent.answer, now, sent.asked, sent.cause)
        if sent.outcome is AttemptOutcome.UNREACHABLE:
            endpoint.failed(sent.answer, now, sent.asked, sent.cause)
        else:
            endpoint.answered()
        if sent.outcome is AttemptOutcome.SENT:
            endpoint.last_sent_at = now
            _audit(session, delivery, endpoint, now)
        live.bump(session, "system")
    log.info(
        "report_delivered", wire=begun.wire.value, outcome=sent.outcome.value, delivery=str(begun.delivery_id)
    )


def _audit(session: Session, delivery: Delivery, endpoint: Endpoint, now: datetime) -> None:
    """Who got it besides people."""
    audit.record(
        session,
        "report_delivered",
        actor=audit.Actor(name="gateway"),
        now=now,
        examination_id=delivery.report.examination_id,
        detail={
            "report_id": str(delivery.report_id),
            "endpoint": endpoint.name,
            "endpoint_id": str(endpoint.id),
            "event": delivery.event.value,
        },
    )
