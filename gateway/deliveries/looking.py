"""What IT sees of deliveries, without patients, and sends again."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, joinedload

from gateway import audit, live
from gateway.audit import Actor
from gateway.deliveries.queueing import wake_endpoints
from gateway.deliveries.rows import Delivery, DeliveryAttempt, DeliveryEvent, DeliveryState, Endpoint
from gateway.figures import DeliveryFigures, FailingEndpoint
from gateway.runtime import Runtime
from worklists.errors import Conflict, NotFound
from worklists.reports import Report, ReportState

STUCK = (DeliveryState.REFUSED, DeliveryState.GAVE_UP)


def list_deliveries(
    session: Session,
    *,
    states: Collection[DeliveryState] = (),
    endpoint_id: uuid.UUID | None = None,
    number: str = "",
    before: uuid.UUID | None = None,
    limit: int,
) -> Sequence[Delivery]:
    """The last queued first; one more than the limit where there are more."""
    query = _query(endpoint_id, number)
    if states:
        query = query.where(Delivery.state.in_(states))
    if before is not None:
        query = query.where(Delivery.id < before)
    query = query.options(
        joinedload(Delivery.report).joinedload(Report.examination), joinedload(Delivery.endpoint)
    )
    return session.scalars(query.order_by(Delivery.id.desc()).limit(limit + 1)).unique().all()


def count_deliveries(
    session: Session, *, endpoint_id: uuid.UUID | None = None, number: str = ""
) -> dict[str, int]:
    """How many wait, and how many a person must look at; what was sent are too many to count each time."""
    query = _query(endpoint_id, number).with_only_columns(Delivery.state, func.count())
    query = query.where(Delivery.state.in_((DeliveryState.PENDING, *STUCK)))
    counted = dict(session.execute(query.group_by(Delivery.state)).all())
    return {state.value: counted.get(state, 0) for state in (DeliveryState.PENDING, *STUCK)}


def waiting_by_endpoint(session: Session) -> dict[uuid.UUID, dict[str, int]]:
    """For each endpoint how many wait, and how many a person must look at."""
    query = (
        select(Delivery.endpoint_id, Delivery.state, func.count())
        .where(Delivery.state.in_((DeliveryState.PENDING, *STUCK)))
        .group_by(Delivery.endpoint_id, Delivery.state)
    )
    found: dict[uuid.UUID, dict[str, int]] = {}
    for endpoint_id, state, count in session.execute(query):
        found.setdefault(endpoint_id, {})[state.value] = count
    return found


def read_figures(session: Session) -> DeliveryFigures:
    """For IT and metrics: how many wait or are stuck, since when, and which systems do not take what waits for them."""
    waiting = select(Delivery.endpoint_id).where(Delivery.state == DeliveryState.PENDING).distinct()
    failing = session.scalars(
        select(Endpoint)
        .where(Endpoint.enabled, Endpoint.failing_since.is_not(None), Endpoint.id.in_(waiting))
        .order_by(Endpoint.failing_since)
    )
    return DeliveryFigures(
        counts=count_deliveries(session),
        oldest_pending_at=_oldest(session, DeliveryState.PENDING),
        oldest_stuck_at=_oldest(session, *STUCK),
        failing=tuple(
            FailingEndpoint(
                site=one.institution.code,
                name=one.name,
                where=f"{one.institution.name} {one.name}",
                since=since,
                cause=one.last_cause,
            )
            for one in failing.unique()
            if (since := one.failing_since) is not None
        ),
    )


def _oldest(session: Session, *states: DeliveryState) -> datetime | None:
    return session.scalar(select(func.min(Delivery.queued_at)).where(Delivery.state.in_(states)))


def get_delivery(session: Session, delivery_id: uuid.UUID) -> tuple[Delivery, Sequence[DeliveryAttempt]]:
    """One with its attempts. Raises NotFound."""
    row = session.get(Delivery, delivery_id)
    if row is None:
        raise NotFound("delivery")
    attempts = session.scalars(
        select(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == delivery_id)
        .order_by(DeliveryAttempt.number)
    )
    return row, attempts.all()


def resend(runtime: Runtime, actor: Actor, delivery_id: uuid.UUID) -> None:
    """Send it now, again perhaps: with the identifiers that it had.

    Raises NotFound; Conflict when it is due anyway, or when its report stands no more.
    """
    now = runtime.now()
    with runtime.sessions.begin() as session:
        row = session.get(Delivery, delivery_id, with_for_update={"of": Delivery})
        if row is None:
            raise NotFound("delivery")
        if row.event is DeliveryEvent.REPORT and row.report.state is not ReportState.SIGNED:
            raise Conflict("delivery")
        before = row.state
        row.ask_again(now)
        _try_now(session, [row.endpoint_id], actor, now, {"delivery_id": str(row.id), "before": before.value})


def resend_stuck(runtime: Runtime, actor: Actor, endpoint_id: uuid.UUID) -> int:
    """All that an endpoint refused, or that was given up; answers how many. Raises NotFound."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        if session.get(Endpoint, endpoint_id) is None:
            raise NotFound("endpoint")
        moved = session.execute(
            update(Delivery)
            .where(Delivery.endpoint_id == endpoint_id, Delivery.state.in_(STUCK))
            .values(state=DeliveryState.PENDING, failures=0, asked_at=now, next_at=now)
            .returning(Delivery.id)
        ).all()
        _try_now(session, [endpoint_id], actor, now, {"endpoint_id": str(endpoint_id), "count": len(moved)})
        return len(moved)


def _try_now(
    session: Session,
    endpoint_ids: Sequence[uuid.UUID],
    actor: Actor,
    now: datetime,
    detail: dict[str, object],
) -> None:
    """A person is at it: what keeps an endpoint waiting is over."""
    session.execute(update(Endpoint).where(Endpoint.id.in_(endpoint_ids)).values(retry_at=None))
    wake_endpoints(session, endpoint_ids, now)
    audit.record(session, "delivery_resent", actor=actor, now=now, detail=detail)
    live.bump(session, "system")


def _query(endpoint_id: uuid.UUID | None, number: str) -> Select[Delivery]:
    query = select(Delivery)
    if endpoint_id is not None:
        query = query.where(Delivery.endpoint_id == endpoint_id)
    if number:
        query = query.join(Report, Report.id == Delivery.report_id).where(Report.number == number)
    return query
