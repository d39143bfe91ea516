"""What was typed into a list: who is called so and which examination has that number, found before the list is asked.

A word that finds few people becomes their ids, and a list begins with them. One that finds many (a surname, initials)
is a test of the rows that a list meets in its order. One that nearly everybody has (a single letter, the beginning of
half of all pinyin) is looked for in each row. All three find the same; see decision 0018.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import ColumnElement, CompoundSelect, and_, false, or_, select, true
from sqlalchemy.orm import Session, aliased

from gateway.database import plan_anew
from worklists.access import Subject, visible_to
from worklists.accession import is_numbered
from worklists.among import Ids, among, count_rows, gather
from worklists.examinations import Examination
from worklists.names import has_han
from worklists.patients import Patient, indexed_as, is_called


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


def read_typed(session: Session, q: str, subject: Subject, limits: Limits = Limits()) -> Typed:
    """Every word typed is in the patient's name, pinyin, initials or number, ends their card's, or begins or ends the
    accession number, where it can be in one: it has a digit and is not of Chinese characters.

    What another institution calls the same person finds them too, where the caller may see an examination of it.
    """
    words = q.lower().split()
    if words:
        plan_anew(session)
    reading = _Reading(session=session, subject=subject, limits=limits)
    return Typed(words=tuple(reading.word(word) for word in words))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Who reads a word, and where."""

    session: Session
    subject: Subject
    limits: Limits

    def word(self, word: str) -> Word:
        indexed = indexed_as(word)
        if indexed is None:
            return self._nearly_alls(word)
        called = gather(self.session, indexed, self.limits.few + 1)
        if called.count <= self.limits.few:
            return self._fews(word, called, self._linked_to(word, indexed))
        if count_rows(self.session, indexed, self.limits.many + 1) > self.limits.many:
            return self._nearly_alls(word)
        return self._manys(word, indexed, self._linked_to(word, indexed))

    def _fews(self, word: str, called: Ids, linked: Ids) -> Word:
        people = gather(
            self.session,
            select(Patient.id).where(among(self.session, Patient.id, called), is_called(word, Patient)),
        )
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
        first = indexed.limit(self.limits.first).subquery()
        return Examination.patient_id.in_(people.where(Patient.id.in_(select(first.c[0]))))

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
        row = aliased(Patient)
        groups = self.session.scalars(
            select(row.master_id)
            .where(row.master_id != row.id)
            .where(or_(row.id.in_(indexed), row.master_id.in_(indexed)))
            .distinct()
        ).all()
        if not groups:
            return Ids(count=0, written="")
        person, other = aliased(Patient), aliased(Patient)
        linked = (
            select(person.id)
            .join(other, and_(other.master_id == person.master_id, other.id != person.id))
            .where(among(self.session, other.master_id, groups))
            .where(is_called(word, other), _is_known(other, self.subject))
        )
        return gather(self.session, linked)

    def _of(self, patients: Ids, *, tested: bool = False) -> ColumnElement[bool]:
        return among(self.session, Examination.patient_id, patients, tested=tested)


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
    """In a form that no planner turns into a join: it is asked of the rows that are left."""
    own = aliased(Patient)
    mine = select(own.id).where(own.id == Examination.patient_id, is_called(word, own))
    return mine.correlate(Examination).exists().is_(true())


def _is_linked(word: str, subject: Subject) -> ColumnElement[bool]:
    person, other = aliased(Patient), aliased(Patient)
    return (
        select(person.id)
        .join(other, and_(other.master_id == person.master_id, other.id != person.id))
        .where(person.id == Examination.patient_id, is_called(word, other), _is_known(other, subject))
        .correlate(Examination)
        .exists()
    )


def _is_known(other: type[Patient], subject: Subject) -> ColumnElement[bool]:
    """The subject may see an examination of this patient."""
    known = select(Examination.id).where(Examination.patient_id == other.id, visible_to(subject))
    return known.correlate(other).exists()
