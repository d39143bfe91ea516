"""What was typed into a list: who is called so and which examination has that number, found before the list is asked.

A word that finds few people becomes their ids, and a list begins with them. One that finds many (a surname, initials)
is a test of the rows that a list meets in its order. One that nearly everybody has (a single letter, the beginning of
half of all pinyin) is looked for in each row. All three find the same; see decision 0018.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from gateway.database import plan_anew
from worklists.access import Subject, visible_to
from worklists.accession import is_numbered
from worklists.among import Ids, among, gather
from worklists.examinations import Examination
from worklists.name_words import asked_words
from worklists.names import has_han
from worklists.patients import Patient, ends_card, indexed_as, indexed_by_parameters, is_called

NOBODY = Ids(count=0, written="")
_MOST = "most"
_OWN, _OTHER = aliased(Patient), aliased(Patient)  # made once: it takes longer than a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Up to how many a word is of one kind."""

    few: int = 1_000  # people or examinations: what a page is worth, wherever they lie in the years
    many: int = 20_000  # people whom the index knows: to read more of them takes longer than to meet them
    first: int = 1_000  # people of whom some are counted, before all of them are


class Size(IntEnum):
    """How many people a word finds."""

    FEW = 1
    MANY = 2
    NEARLY_ALL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word, as predicates over `Examination`."""

    size: Size
    people: int | None  # how many it finds, and examinations by their number; None: more than were gathered
    found: Callable[[], ColumnElement[bool]]  # a way to find them
    tested: ColumnElement[bool]  # the same, of rows that are met anyway
    some: Callable[[], ColumnElement[bool]]  # a way to find some of them: often as many as are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """All words, each of which is true of what is found."""

    words: Sequence[Word] = ()

    @property
    def size(self) -> Size:
        return min((word.size for word in self.words), default=Size.NEARLY_ALL)

    @property
    def people(self) -> int | None:
        """How many at most, where a word finds few."""
        return min((word.people for word in self.words if word.people is not None), default=None)

    @property
    def found(self) -> list[ColumnElement[bool]]:
        """A way to find them: by the words that find the fewest, of which the others are asked."""
        return [word.found() if word.size is self.size else word.tested for word in self.words]

    @property
    def tested(self) -> list[ColumnElement[bool]]:
        """The same of rows that are met anyway."""
        return [word.tested for word in self.words]

    @property
    def listed(self) -> list[ColumnElement[bool]]:
        """The same of the rows of years, which a list meets in its order; few are found all the same."""
        return self.found if self.size is Size.FEW else self.tested

    @property
    def ways(self) -> list[Callable[[], list[ColumnElement[bool]]]]:
        """To count them up to a limit: by some of them, and if those are too few, by all."""
        every = [lambda: self.found]
        return every if self.size is Size.FEW else [lambda: self.some, *every]

    @property
    def some(self) -> list[ColumnElement[bool]]:
        """A way to find some, perhaps not all of them."""
        return [word.tested for word in self.words[1:]] + [word.some() for word in self.words[:1]]


def read_typed(
    session: Session,
    q: str,
    subject: Subject,
    limits: Limits = Limits(),
    *,
    made_at: uuid.UUID | None = None,
) -> Typed:
    """Every word typed is in the patient's name, pinyin, initials or number, ends their card's, or begins or ends the
    accession number, where it can be in one: it has a digit and is not of Chinese characters.

    What another institution calls the same person finds them too, where the caller may see an examination of it.
    `made_at`: of an institution's examinations alone, whose patients are rows of that institution; others may be found
    or not.
    """
    words = q.lower().split()
    if words:
        plan_anew(session)
    reading = _Reading(session=session, subject=subject, limits=limits, made_at=made_at)
    return Typed(words=tuple(reading.word(word) for word in words))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Who reads a word, and where."""

    session: Session
    subject: Subject
    limits: Limits
    made_at: uuid.UUID | None

    def word(self, word: str) -> Word:
        indexed = indexed_as(word)
        if indexed is None:
            return self._nearly_alls(word)
        known = self._look(word)
        if known.count > self.limits.many:
            return self._nearly_alls(word)
        linked = self._linked_to(word, indexed) if known.linked else NOBODY
        if known.count <= self.limits.few:
            return self._fews(word, self._called(word, gather(self.session, indexed)), linked)
        own = self._own_called(word, indexed)
        if own is not None and own.count <= self.limits.few:
            return self._fews(word, own, linked)
        return self._manys(word, indexed, linked)

    def _look(self, word: str) -> "_Known":
        asked = {**asked_words(word), _MOST: self.limits.many + 1}
        count, linked = self.session.execute(_looking(ends_card(word)), asked).one()
        return _Known(count=count, linked=linked > 0)

    def _called(self, word: str, indexed: Ids) -> Ids:
        people = select(Patient.id).where(among(self.session, Patient.id, indexed), is_called(word, Patient))
        if self.made_at is not None:
            people = people.where(Patient.institution_id == self.made_at)
        return gather(self.session, people)

    def _own_called(self, word: str, indexed: CompoundSelect[uuid.UUID]) -> Ids | None:
        """The institution's own, in an index of theirs, of whom those are looked at that the words have."""
        if self.made_at is None:
            return None
        people = select(Patient.id).where(Patient.institution_id == self.made_at)
        people = people.where(Patient.id.in_(indexed).is_(true()), _is_of(word, Patient.id))
        return gather(self.session, people, self.limits.few + 1)

    def _fews(self, word: str, people: Ids, linked: Ids) -> Word:
        numbered = self._numbered(word)
        found = or_(self._of(people), self._of(linked), numbered.found)
        return Word(
            size=numbered.size,
            people=None if numbered.count is None else people.count + linked.count + numbered.count,
            found=lambda: found,
            tested=or_(self._of(people, tested=True), self._of(linked, tested=True), numbered.tested),
            some=lambda: found,
        )

    def _manys(self, word: str, indexed: CompoundSelect[uuid.UUID], linked: Ids) -> Word:
        """The index narrows and decides nothing: each of them is looked at when a row of theirs is met."""
        numbered = self._numbered(word)
        others, others_tested = self._of(linked), self._of(linked, tested=True)
        named = Examination.patient_id.in_(indexed).is_(true())  # read once, and no way to find anybody

        def find() -> ColumnElement[bool]:
            called = self._of(gather(self.session, indexed, self.limits.many))
            return or_(and_(called, _own_name(word)), others, numbered.found)

        return Word(
            size=Size.MANY,
            people=None,
            found=find,
            tested=or_(and_(named, _own_name(word)), others_tested, numbered.tested),
            some=lambda: self._first_called(word),
        )

    def _nearly_alls(self, word: str) -> Word:
        """A list in its order meets them soon."""
        found = or_(_own_name(word), _is_linked(word, self.subject), self._numbered(word).found)
        return Word(
            size=Size.NEARLY_ALL,
            people=None,
            found=lambda: found,
            tested=found,
            some=lambda: self._first_called(word),
        )

    def _first_called(self, word: str) -> ColumnElement[bool]:
        """A few whom the index knows by the word, or of all where it is in no index."""
        indexed = indexed_as(word)
        people = select(Patient.id).where(is_called(word, Patient))
        if indexed is None:
            return self._of(gather(self.session, people, self.limits.first))
        beginning = indexed.limit(self.limits.first).subquery()
        first = select(beginning.c[0].label("id")).distinct().subquery()
        found = people.join(first, first.c.id == Patient.id).subquery()
        return Examination.patient_id == found.c.id  # a join: no more of them are looked at than are counted

    def _numbered(self, word: str) -> "_Numbered":
        """Those with such an accession number, where the word can be in one."""
        if has_han(word) or not any(character.isdigit() for character in word):
            return _Numbered(count=0, found=false(), tested=false())
        numbered = is_numbered(word, Examination.accession_number)
        ids = gather(self.session, select(Examination.id).where(numbered), self.limits.few + 1)
        if ids.count > self.limits.few:
            return _Numbered(count=None, found=numbered, tested=numbered)
        found, tested = (among(self.session, Examination.id, ids, tested=one) for one in (False, True))
        return _Numbered(count=ids.count, found=found, tested=tested)

    def _linked_to(self, word: str, indexed: CompoundSelect[uuid.UUID]) -> Ids:
        """Other rows of the persons who are called so."""
        groups = self.session.scalars(
            select(_OWN.master_id)
            .where(_OWN.master_id != _OWN.id)
            .where(or_(_OWN.id.in_(indexed), _OWN.master_id.in_(indexed)))
            .distinct()
        ).all()
        linked = (
            select(_OWN.id)
            .join(_OTHER, and_(_OTHER.master_id == _OWN.master_id, _OTHER.id != _OWN.id))
            .where(among(self.session, _OTHER.master_id, groups))
            .where(is_called(word, _OTHER), _is_known(_OTHER, self.subject))
        )
        return gather(self.session, linked)

    def _of(self, patients: Ids, *, tested: bool = False) -> ColumnElement[bool]:
        return among(self.session, Examination.patient_id, patients, tested=tested)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the index says of a word."""

    count: int  # up to one more than many
    linked: bool  # to somebody else's row


@cache  # every word asks it
def _looking(card: bool) -> Select[Any]:
    indexed = indexed_by_parameters(card=card)
    most = bindparam(_MOST, type_=Integer())
    count = select(func.count()).select_from(indexed.limit(most).subquery()).scalar_subquery()
    linked = select(
        func.count()
    ).where(
        _OWN.master_id != _OWN.id, or_(_OWN.id.in_(indexed), _OWN.master_id.in_(indexed))
    )  # not `EXISTS`: PostgreSQL would look for the first among all patients, not in the index of the linked ones
    return select(count, linked.scalar_subquery())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    """Examinations by their number."""

    count: int | None  # None: many
    found: ColumnElement[bool]
    tested: ColumnElement[bool]

    @property
    def size(self) -> Size:
        return Size.MANY if self.count is None else Size.FEW


def _own_name(word: str) -> ColumnElement[bool]:
    return _is_of(word, Examination.patient_id)


def _is_of(word: str, patient_id: InstrumentedAttribute[uuid.UUID]) -> ColumnElement[bool]:
    """Of the patient of a row. As a value, not as `EXISTS`: no planner turns it into a join, or into a look at every
    patient beforehand; it is asked of the rows that are left."""
    called = select(is_called(word, _OWN)).where(_OWN.id == patient_id)
    return called.correlate(patient_id.class_).scalar_subquery().is_(true())


def _is_linked(word: str, subject: Subject) -> ColumnElement[bool]:
    return (
        select(_OWN.id)
        .join(_OTHER, and_(_OTHER.master_id == _OWN.master_id, _OTHER.id != _OWN.id))
        .where(_OWN.id == Examination.patient_id, is_called(word, _OTHER), _is_known(_OTHER, subject))
        .correlate(Examination)
        .exists()
    )


def _is_known(other: type[Patient], subject: Subject) -> ColumnElement[bool]:
    """The subject may see an examination of this patient."""
    known = select(Examination.id).where(Examination.patient_id == other.id, visible_to(subject))
    return known.correlate(other).exists()
