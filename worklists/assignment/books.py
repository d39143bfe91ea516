"""The two rule books of assignment, read into values.

`routing`, of the county: which centre takes what, and where it goes when that centre is overwhelmed.
`assignment`, of a centre: by when, how urgent, how heavy, and how a task finds its reader.

A county or centre without a book of its own goes by the defaults. The times are customs of hospital grading, unconfirmed
in any primary text.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from worklists.directory import Kind
from worklists.examinations import Examination, Priority
from worklists.rule_books import COUNTY, live_contents

ROUTING, ASSIGNMENT = "routing", "assignment"
LEAD = "lead"  # the centre of the kind at the lead hospital
PLAIN_FILM = ("CR", "DR", "DX", "RF", "MG")


class Mode(StrEnum):
    """How a task finds its reader."""

    PULL = "pull"  # whoever takes it from the pool
    PUSH = "push"  # the rules say whose it is; nobody else takes it without a reason
    BOTH = "both"  # the rules propose, and anybody may take it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """What of an examination a rule looks at; an empty field fits anything."""

    modalities: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()
    institution_ids: frozenset[uuid.UUID] = frozenset()
    words: tuple[str, ...] = ()  # any of them, in the description or in the clinical information

    @classmethod
    def read(cls, stated: Mapping[str, Any]) -> "Fits":
        return cls(
            modalities=frozenset(stated.get("modalities", ())),
            body_parts=frozenset(stated.get("body_parts", ())),
            institution_ids=frozenset(map(uuid.UUID, stated.get("institutions", ()))),
            words=tuple(stated.get("words", ())),
        )

    def fits(self, examination: Examination) -> bool:
        said = f"{examination.description}\n{examination.clinical_information}"
        return (
            (not self.modalities or bool(self.modalities & modalities_of(examination)))
            and (not self.body_parts or examination.body_part.upper() in self.body_parts)
            and (not self.institution_ids or examination.institution_id in self.institution_ids)
            and (not self.words or any(word in said for word in self.words))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What fits goes to this centre and sub-specialty. `centre_id` None: the lead hospital's centre of the kind."""

    kind: Kind
    what: Fits
    centre_id: uuid.UUID | None
    subspecialty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """When the first centre has too much, or nobody, new work goes to the second."""

    from_id: uuid.UUID
    to_id: uuid.UUID
    waiting: int | None  # more than so many wait
    oldest: timedelta | None  # the oldest waits for longer
    nobody_on_duty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    routes: tuple[Route, ...] = ()
    overflows: tuple[Overflow, ...] = ()

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "Routing":
        return cls(
            routes=tuple(
                Route(
                    kind=Kind(one["kind"]),
                    what=Fits.read(one),
                    centre_id=None if one["centre"] == LEAD else uuid.UUID(one["centre"]),
                    subspecialty=one.get("subspecialty", ""),
                )
                for one in content["routes"]
            ),
            overflows=tuple(
                Overflow(
                    from_id=uuid.UUID(one["from"]),
                    to_id=uuid.UUID(one["to"]),
                    waiting=one.get("waiting"),
                    oldest=_minutes(one.get("oldest_minutes")),
                    nobody_on_duty=one.get("nobody_on_duty", False),
                )
                for one in content["overflows"]
            ),
        )

    def find(self, examination: Examination) -> Route | None:
        """The first that fits, in the order of the book."""
        return next(
            (one for one in self.routes if one.kind is examination.kind and one.what.fits(examination)), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnaround:
    """How long an examination may take. `modality` empty: any."""

    priority: Priority
    modality: str
    allowed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Urgency:
    """What fits is at least so urgent."""

    what: Fits
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreRules:
    """The book of one centre."""

    mode: Mode = Mode.PULL
    turnaround: tuple[Turnaround, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    points: Mapping[str, float] = field(default_factory=dict)  # of a modality; 1 where it is not named
    points_per_100_instances: float = 0.0
    most_open: float = 20.0  # points of work that one person may have in hand
    continuity: bool = True
    kept: timedelta = timedelta(minutes=30)  # what was pushed and is not begun goes to the next
    pause_reasons: tuple[str, ...] = ()

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "CentreRules":
        return cls(
            mode=Mode(content["mode"]),
            turnaround=tuple(
                Turnaround(
                    priority=Priority(one["priority"]),
                    modality=one.get("modality", ""),
                    allowed=timedelta(minutes=one["minutes"]),
                )
                for one in content["turnaround"]
            ),
            urgencies=tuple(
                Urgency(what=Fits.read(one), priority=Priority(one["priority"]))
                for one in content["urgencies"]
            ),
            points=dict(content["points"]),
            points_per_100_instances=content["points_per_100_instances"],
            most_open=content["most_open"],
            continuity=content["continuity"],
            kept=timedelta(minutes=content["kept_minutes"]),
            pause_reasons=tuple(content["pause_reasons"]),
        )

    def allowed(self, examination: Examination, priority: Priority | None = None) -> timedelta:
        """The shortest time of its modalities; a row for any modality where none is named."""
        urgent = [one for one in self.turnaround if one.priority is (priority or examination.priority)]
        modalities = modalities_of(examination)
        named = [one.allowed for one in urgent if one.modality in modalities]
        anyone = [one.allowed for one in urgent if not one.modality]
        return min(named or anyone or [LONGEST])

    def urgency(self, examination: Examination) -> Priority:
        """What its sender said, or more where a rule says so; never less."""
        said = [one.priority for one in self.urgencies if one.what.fits(examination)]
        return min([examination.priority, *said], key=lambda priority: priority.rank)

    def weight(self, examination: Examination) -> float:
        points = [self.points[one] for one in modalities_of(examination) if one in self.points]
        return max(points, default=1.0) + self.points_per_100_instances * examination.instances / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What is live, read once for many examinations."""

    routing: Routing
    centres: Mapping[uuid.UUID, CentreRules]

    @classmethod
    def load(cls, session: Session) -> "Books":
        found = live_contents(session, ROUTING, ASSIGNMENT)
        routing = found.get((ROUTING, COUNTY))
        return cls(
            routing=Routing.read(routing) if routing is not None else Routing(),
            centres={
                uuid.UUID(scope): CentreRules.read(content)
                for (book, scope), content in found.items()
                if book == ASSIGNMENT
            },
        )

    def of(self, centre_id: uuid.UUID | None, kind: Kind) -> CentreRules:
        """The centre's own, or what a centre of the kind begins with."""
        own = self.centres.get(centre_id) if centre_id is not None else None
        return own or _DEFAULTS[kind]


def modalities_of(examination: Examination) -> frozenset[str]:
    return frozenset(examination.modality.split("\\"))


def default_routing() -> dict[str, Any]:
    """Everything to the lead hospital's centre of its kind."""
    return {"routes": [], "overflows": []}


def default_assignment(kind: Kind) -> dict[str, Any]:
    """What a centre begins with: a pool, and the usual times in minutes."""
    routine: Sequence[tuple[str, int]] = _ROUTINE[kind]
    return {
        "mode": Mode.PULL.value,
        "turnaround": [
            {"priority": Priority.CHEST_PAIN.value, "modality": "", "minutes": 10},
            {"priority": Priority.CRITICAL.value, "modality": "", "minutes": 20},
            {"priority": Priority.URGENT.value, "modality": "", "minutes": 30},
            *(
                {"priority": Priority.ROUTINE.value, "modality": modality, "minutes": minutes}
                for modality, minutes in routine
            ),
        ],
        "urgencies": [],
        "points": {"CT": 2.0, "MR": 3.0} if kind is Kind.IMAGING else {},
        "points_per_100_instances": 0.5 if kind is Kind.IMAGING else 0.0,
        "most_open": 20,
        "continuity": True,
        "kept_minutes": 30,
        "pause_reasons": ["等待补充临床资料", "等待既往影像", "等待患者复查", "设备或网络故障"],
    }


def _minutes(stated: int | None) -> timedelta | None:
    return timedelta(minutes=stated) if stated is not None else None


_HOUR, _DAY = 60, 24 * 60
LONGEST = timedelta(days=7)  # a table without a row for it
_ROUTINE: Mapping[Kind, Sequence[tuple[str, int]]] = {
    Kind.IMAGING: [("", _DAY), *((one, 2 * _HOUR) for one in (*PLAIN_FILM, "US"))],
    Kind.ECG: [("", 30)],
    Kind.LABORATORY: [("", 6 * _HOUR)],
    Kind.PATHOLOGY: [("", 5 * _DAY)],
}
_DEFAULTS = {kind: CentreRules.read(default_assignment(kind)) for kind in Kind}
