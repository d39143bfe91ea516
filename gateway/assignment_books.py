"""The contents of the books of assignment: their shapes, what makes them unusable, and what they would have done."""

import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from worklists.assignment.books import (
    LEAD,
    Books,
    CentreRules,
    Mode,
    Routing,
    default_assignment,
    default_routing,
)
from worklists.directory import Centre, Institution, Kind
from worklists.examinations import Examination, Priority
from worklists.reading import Purpose, ReadingTask

TRIED = 1000  # of the last tasks, in a dry run
LOOKED_BACK = timedelta(days=30)
Content = dict[str, Any]
Reasons = dict[str, str]

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=16)]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 60)]
Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class WhatFits(_Shape):
    modalities: Annotated[list[Code], Field(max_length=40)] = []
    body_parts: Annotated[list[Code], Field(max_length=100)] = []
    institutions: Annotated[list[uuid.UUID], Field(max_length=500)] = []
    words: Annotated[list[Word], Field(max_length=50)] = []


class RouteShape(WhatFits):
    kind: Kind
    centre: str = LEAD
    subspecialty: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""


class OverflowShape(_Shape):
    from_: Annotated[uuid.UUID, Field(alias="from")]
    to: uuid.UUID
    waiting: Annotated[int, Field(ge=1, le=100_000)] | None = None
    oldest_minutes: Minutes | None = None
    nobody_on_duty: bool = False


class RoutingBook(_Shape):
    routes: Annotated[list[RouteShape], Field(max_length=500)]
    overflows: Annotated[list[OverflowShape], Field(max_length=100)]


class TurnaroundShape(_Shape):
    priority: Priority
    modality: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=16)] = ""
    minutes: Minutes


class UrgencyShape(WhatFits):
    priority: Priority


class AssignmentBook(_Shape):
    mode: Mode
    turnaround: Annotated[list[TurnaroundShape], Field(max_length=200)]
    urgencies: Annotated[list[UrgencyShape], Field(max_length=200)]
    points: dict[Code, Points]
    points_per_100_instances: Points
    most_open: Annotated[float, Field(gt=0, le=10_000)]
    continuity: bool
    kept_minutes: Minutes
    pause_reasons: Annotated[list[Word], Field(max_length=30)]


def begin_routing(_session: Session, _scope: str) -> Content:
    return default_routing()


def begin_assignment(session: Session, scope: str) -> Content:
    return default_assignment(session.get_one(Centre, uuid.UUID(scope)).kind)


def check_routing(session: Session, _scope: str, content: Content) -> Reasons:
    centres = {str(one.id): one for one in session.scalars(select(Centre))}
    known = {str(one) for one in session.scalars(select(Institution.id))}
    found: Reasons = {}
    for place, route in enumerate(content["routes"]):
        where = f"routes.{place}"
        if route["centre"] != LEAD:
            centre = centres.get(route["centre"])
            if centre is None or centre.kind.value != route["kind"]:
                found[f"{where}.centre"] = "unknown"
        if not set(route["institutions"]) <= known:
            found[f"{where}.institutions"] = "unknown"
    for place, rule in enumerate(content["overflows"]):
        where = f"overflows.{place}"
        found |= {f"{where}.{name}": "unknown" for name in ("from", "to") if rule[name] not in centres}
        if f"{where}.from" in found or f"{where}.to" in found:
            continue
        if rule["from"] == rule["to"] or centres[rule["from"]].kind is not centres[rule["to"]].kind:
            found[f"{where}.to"] = "unusable"
        if rule["waiting"] is None and rule["oldest_minutes"] is None and not rule["nobody_on_duty"]:
            found[f"{where}.waiting"] = "required"
    return found


def check_assignment(session: Session, _scope: str, content: Content) -> Reasons:
    found: Reasons = {}
    seen = set()
    for place, row in enumerate(content["turnaround"]):
        key = row["priority"], row["modality"]
        if key in seen:
            found[f"turnaround.{place}.modality"] = "twice"
        seen.add(key)
    if any((priority.value, "") not in seen for priority in Priority):
        found["turnaround"] = "required"  # else something would be due at no time
    known = {str(one) for one in session.scalars(select(Institution.id))}
    for place, rule in enumerate(content["urgencies"]):
        if not set(rule["institutions"]) <= known:
            found[f"urgencies.{place}.institutions"] = "unknown"
        if not any(rule[name] for name in ("modalities", "body_parts", "institutions", "words")):
            found[f"urgencies.{place}.words"] = "required"  # else everything would be urgent
    return found


def try_routing(session: Session, _scope: str, content: Content, now: datetime) -> Content:
    """Where the last examinations would have gone, beside where they went. Overflows depend on the moment: left out."""
    routing, names = Routing.read(content), _centre_names(session)
    tasks = last_tasks(session, now)
    moved: Counter[tuple[str, str]] = Counter()
    routed: Counter[str] = Counter()
    for task in tasks:
        route = routing.find(task.examination)
        to = task.centre_id if route is None or route.centre_id is None else route.centre_id
        routed[route.subspecialty if route else ""] += 1
        if to != task.centre_id:
            moved[_name(names, task.centre_id), _name(names, to)] += 1
    return {
        "tasks": len(tasks),
        "moved": [{"from": one, "to": to, "tasks": count} for (one, to), count in moved.most_common()],
        "subspecialties": dict(routed.most_common()),
        "unrouted": sum(routing.find(task.examination) is None for task in tasks),
    }


def try_assignment(session: Session, scope: str, content: Content, now: datetime) -> Content:
    """What the last examinations of the centre would have been: how urgent, by when, how heavy."""
    centre = session.get_one(Centre, uuid.UUID(scope))
    after, before = CentreRules.read(content), Books.load(session).of(centre.id, centre.kind)
    tasks = last_tasks(session, now, centre.id)
    sooner = later = more_urgent = late = 0
    for task in tasks:
        examination = task.examination
        said = after.urgency(examination)
        allowed, was = after.allowed(examination, said), before.allowed(examination)
        sooner, later = sooner + (allowed < was), later + (allowed > was)
        more_urgent += said.rank < examination.priority.rank
        signed_late = task.claimed_at is not None and task.claimed_at > task.waiting_since + allowed
        late += signed_late
    weights = [after.weight(task.examination) for task in tasks]
    return {
        "tasks": len(tasks),
        "sooner": sooner,
        "later": later,
        "more_urgent": more_urgent,
        "begun_late": late,
        "points": round(sum(weights), 1),
        "heaviest": round(max(weights, default=0.0), 1),
    }


def last_tasks(session: Session, now: datetime, centre_id: uuid.UUID | None = None) -> list[ReadingTask]:
    """What a dry run looks at: the last work of the county or of a centre."""
    query = (
        select(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(ReadingTask.purpose == Purpose.READ, Examination.received_at > now - LOOKED_BACK)
        .order_by(ReadingTask.id.desc())
        .limit(TRIED)
        .options(joinedload(ReadingTask.examination))
    )
    if centre_id is not None:
        query = query.where(ReadingTask.centre_id == centre_id)
    return list(session.scalars(query).unique())


def _centre_names(session: Session) -> dict[uuid.UUID, str]:
    rows = session.execute(select(Centre.id, Centre.name))
    return {row.id: row.name for row in rows}


def _name(names: dict[uuid.UUID, str], centre_id: uuid.UUID | None) -> str:
    return names.get(centre_id, "") if centre_id is not None else ""
