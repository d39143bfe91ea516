"""Decision table 2: what is proposed of an ordered item to the institution that is about to examine again.

| row | what there is of the same patient | proposed |
|---|---|---|
| 1 | another patient, or likeness alone | nothing |
| 2 | no report of the same catalogue item | nothing |
| 3 | a report that was superseded or voided, or is preliminary | nothing |
| 4 | older than the item's days | shown as older |
| 5 | its scope does not reach here | 可参考 |
| 6 | its scope reaches here | a reminder; the doctor decides, and nothing is ever blocked |
| 7 | several of the strongest kind | the latest examined, then the latest reported |
| 8 | one's own result | nothing, unless the institution wants it, from an age on |
"""

import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.cards import read_card
from worklists.directory import Institution, Kind
from worklists.examinations import Examination
from worklists.names import display_name
from worklists.patients import Patient
from worklists.recognising.rows import Outcome, OwnSource, RecognitionScope
from worklists.recognition import Qualification, RecognitionItem, ScopeLevel
from worklists.reports import Report, ReportState

RESIDENT_CARD = "resident_card"
_STRENGTH = list(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoIsAsked:
    """Somebody as their document says: all of it has to agree."""

    id_type: str
    number: str
    name: str
    sex: str
    birth_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A standing report of a catalogue item, and where the image, tracing or measurement was made."""

    report: Report
    item_code: str
    source: Institution
    mark: Mapping[str, Any]

    @property
    def examined_at(self) -> datetime:
        examination = self.report.examination
        return examination.studied_at or examination.received_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What decision table 2 says of one ordered item; no `candidate` where there is nothing."""

    item: RecognitionItem
    outcome: Outcome
    candidate: Candidate | None = None


def propose(
    session: Session,
    *,
    receiving: Institution,
    who: WhoIsAsked,
    items: Sequence[RecognitionItem],
    now: datetime,
) -> list[Proposal]:
    """One proposal for each ordered item, in their order."""
    found = _find_candidates(session, who, {item.code for item in items})
    own = session.scalars(select(OwnSource).where(OwnSource.institution_id == receiving.id)).first()
    reach = Reach.of(session, receiving, found)
    return [
        choose(
            item,
            [one for one in found if one.item_code == item.code],
            receiving=receiving,
            own=own,
            reach=reach,
            now=now,
        )
        for item in items
    ]


def choose(
    item: RecognitionItem,
    candidates: Iterable[Candidate],
    *,
    receiving: Institution,
    own: OwnSource | None,
    reach: "Reach",
    now: datetime,
) -> Proposal:
    """Rows 2 and 4 to 8 for one item. What stands on the negative list is never proposed."""
    judged = [
        (judge(item, one, reach=reach, now=now), one)
        for one in candidates
        if not item.negative_list and _is_asked_for(one, receiving, own, now)
    ]
    if not judged:
        return Proposal(item=item, outcome=Outcome.NONE)
    outcome, candidate = max(
        judged,
        key=lambda pair: (
            -_STRENGTH.index(pair[0]), pair[1].examined_at, pair[1].report.signed_at, pair[1].report.id
        ),
    )  # fmt: skip
    return Proposal(item=item, outcome=outcome, candidate=candidate)


def judge(item: RecognitionItem, one: Candidate, *, reach: "Reach", now: datetime) -> Outcome:
    """Rows 4, 5 and 6. Days are 24 hours from the time of the report, the end among them."""
    if item.valid_days is not None and now - one.report.signed_at > timedelta(days=item.valid_days):
        return Outcome.OLDER
    return Outcome.REMINDER if reach.covers(one) else Outcome.REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which scopes reach the receiving institution; a mark speaks by the qualifications that it was signed with."""

    receiving: Institution
    regional: frozenset[tuple[ScopeLevel, str]]  # levels and labels that name its region
    held: Mapping[str, Qualification]

    @classmethod
    def of(cls, session: Session, receiving: Institution, candidates: Sequence[Candidate]) -> "Reach":
        rows = session.scalars(
            select(RecognitionScope).where(RecognitionScope.region == receiving.region)
        ).all()
        ids = {uuid.UUID(text) for one in candidates for text in one.mark.get("qualification_ids", ())}
        held = session.scalars(select(Qualification).where(Qualification.id.in_(ids)))
        return cls(
            receiving=receiving,
            regional=frozenset((row.level, row.label) for row in rows if receiving.region),
            held={str(row.id): row for row in held},
        )

    def covers(self, one: Candidate) -> bool:
        """A report whose item has neither mark nor community remark says nothing of where it counts."""
        ids = one.mark.get("qualification_ids", ())
        return any(self._reaches(self.held[text], one.source) for text in ids if text in self.held)

    def _reaches(self, held: Qualification, source: Institution) -> bool:
        if held.scope_level is ScopeLevel.NATIONAL:
            return True
        if held.scope_level is ScopeLevel.COMMUNITY:
            return _community(source) == _community(self.receiving)
        if held.scope_level is ScopeLevel.COUNTY and held.scope_label == self.receiving.region != "":
            return True
        return (held.scope_level, held.scope_label) in self.regional


def _community(institution: Institution) -> uuid.UUID:
    """Known by its lead hospital; a village point belongs to that of its township."""
    above = institution
    while above.lead is not None:
        above = above.lead
    return above.id


def _is_asked_for(one: Candidate, receiving: Institution, own: OwnSource | None, now: datetime) -> bool:
    """Row 8."""
    if one.source.id != receiving.id:
        return True
    if own is None or not own.enabled:
        return False
    return now - one.report.signed_at >= timedelta(hours=own.minimum_hours)


def _find_candidates(session: Session, who: WhoIsAsked, codes: set[str]) -> list[Candidate]:
    """Rows 1 to 3. Only resident cards are kept of a patient: another document finds nobody."""
    card = read_card(who.number) if who.id_type == RESIDENT_CARD else None
    if card is None:
        return []
    reports = session.scalars(
        select(Report)
        .join(Examination, Examination.id == Report.examination_id)
        .join(Patient, Patient.id == Examination.patient_id)
        .where(Patient.national_id == card.number)
        .where(Report.state == ReportState.SIGNED, Report.preliminary.is_(False))
        .order_by(Report.id)
    )
    theirs = [one for one in reports if _is_the_same(who, one)]
    makers = _makers(session, theirs)
    return [
        Candidate(report=report, item_code=mark["item_code"], source=source, mark=mark)
        for report in theirs
        for mark in report.marks
        if mark["item_code"] in codes
        and (source := _source(report, mark["item_code"], makers)) is not None
    ]  # fmt: skip


def _is_the_same(who: WhoIsAsked, report: Report) -> bool:
    """Name, sex and birth date agree with who the patient is now, and with whom the signed report names."""
    patient, named = report.examination.patient, report.patient
    said = (_plain(who.name), who.sex, who.birth_date.isoformat())
    born = patient.birth_date.isoformat() if patient.birth_date else None
    return said == (_plain(patient.name), patient.sex, born) == (
        _plain(named["name"]), named["sex"], named["birth_date"]
    )  # fmt: skip


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", display_name(name)).casefold().strip()


def result_of(report: Report, item_code: str) -> Mapping[str, Any] | None:
    """The line of a laboratory report that is this item of the catalogue."""
    for line in (report.content or {}).get("results", ()):
        if (line.get("mark") or {}).get("item_code") == item_code:
            found: Mapping[str, Any] = line
            return found
    return None


def _makers(session: Session, reports: Sequence[Report]) -> dict[str, Institution]:
    """By code: the institutions in which the analysers of laboratory reports stand."""
    codes = {
        line["device"]["institution"]["code"]
        for report in reports
        for line in (report.content or {}).get("results", ())
        if line.get("device")
    }
    return {row.code: row for row in session.scalars(select(Institution).where(Institution.code.in_(codes)))}


def _source(report: Report, item_code: str, makers: Mapping[str, Institution]) -> Institution | None:
    """Who made what is recognised: an image where it was taken, a result where it was measured."""
    if report.examination.kind is not Kind.LABORATORY:
        return report.examination.institution
    line = result_of(report, item_code)
    device = (line or {}).get("device")
    return makers.get(device["institution"]["code"]) if device else None
