"""What was typed into a list: who is called so and which examination has that number, found before the list is asked.

A word that finds few people becomes their ids, and a list begins with them. One that finds many (a surname, initials)
is a test of the rows that a list meets in its order. One that nearly everybody has (a single letter, the beginning of
half of all pinyin) is looked for in each row. All three find the same; see decision 0018.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import ColumnElement, CompoundSelect, and_, or_, select, true
from sqlalchemy.orm import Session, aliased

from gateway.database import plan_anew
from worklists.access import Subject, visible_to
from worklists.accession import is_numbered
from worklists.among import Ids, among, gather
from worklists.examinations import Examination
from worklists.names import has_han
from worklists.patients import Patient, indexed_as, is_called


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Up to how many a word is of one kind."""

    few: int = 1_000  # people or examinations: what a page is worth, wherever they lie in the years
    many: int = 20_000  # people whom the index knows: to read more of them takes longer than to meet them


class Size(IntEnum):
    """How many people a word finds."""

    FEW = 1
    MANY = 2
    NEARLY_ALL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word, as predicates over `Examination`."""

    size: Size
    found: ColumnElement[bool]  # a way to find them
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
    def found(self) -> list[ColumnElement[bool]]:
        """A way to find them: by the words that find the fewest, of which the others are asked."""
        return [word.found if word.size is self.size else word.tested for word in self.words]

    @property
    def tested(self) -> list[ColumnElement[bool]]:
        """The same of rows that a list meets in its order; few are found all the same."""
        return self.found if self.size is Size.FEW else [word.tested for word in self.words]

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
        called = gather(self.session, indexed, self.limits.many + 1)
        if called.count > self.limits.many:
            return self._nearly_alls(word)
        linked = self._linked_to(word, indexed, called)
        return (self._manys if called.count > self.limits.few else self._fews)(word, called, linked)

    def _fews(self, word: str, called: Ids, linked: Ids) -> Word:
        people = select(Patient.id).where(among(self.session, Patient.id, called), is_called(word, Patient))
        size, numbered = self._numbered(word)
        found = or_(self._of(gather(self.session, people)), self._of(linked), *numbered)
        return Word(size=size, found=found, tested=found, some=lambda: found)

    def _manys(self, word: str, called: Ids, linked: Ids) -> Word:
        """The index narrows and decides nothing: each of them is looked at when a row of theirs is met."""
        _, numbered = self._numbered(word)
        others = [self._of(linked)] if linked.count else []

        def found(*, tested: bool) -> ColumnElement[bool]:
            named = among(self.session, Examination.patient_id, called, tested=tested)
            return or_(and_(named, _own_name(word)), *others, *numbered)

        return Word(
            size=Size.MANY,
            found=found(tested=False),
            tested=found(tested=True),
            some=lambda: self._first_called(word),
        )

    def _nearly_alls(self, word: str) -> Word:
        """A list in its order meets them soon."""
        _, numbered = self._numbered(word)
        found = or_(_own_name(word), _is_linked(word, self.subject), *numbered)
        return Word(size=Size.NEARLY_ALL, found=found, tested=found, some=lambda: self._first_called(word))

    def _first_called(self, word: str) -> ColumnElement[bool]:
        """A few whom the index knows by the word, or of all where it is in no index."""
        indexed = indexed_as(word)
        people = select(Patient.id).where(is_called(word, Patient))
        if indexed is None:
            return self._of(gather(self.session, people, self.limits.few))
        first = indexed.limit(self.limits.few).subquery()
        return self._of(gather(self.session, people.where(Patient.id.in_(select(first.c[0])))))

    def _numbered(self, word: str) -> tuple[Size, list[ColumnElement[bool]]]:
        """Those with such an accession number, where the word can be in one."""
        if has_han(word) or not any(character.isdigit() for character in word):
            return Size.FEW, []
        numbered = is_numbered(word, Examination.accession_number)
        ids = gather(self.session, select(Examination.id).where(numbered), self.limits.few + 1)
        if ids.count > self.limits.few:
            return Size.MANY, [numbered]
        return Size.FEW, [among(self.session, Examination.id, ids)] if ids.count else []

    def _linked_to(self, word: str, indexed: CompoundSelect[uuid.UUID], called: Ids) -> Ids:
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
            .where(among(self.session, other.master_id, groups), among(self.session, other.id, called))
            .where(is_called(word, other), _is_known(other, self.subject))
        )
        return gather(self.session, linked)

    def _of(self, patients: Ids) -> ColumnElement[bool]:
        return among(self.session, Examination.patient_id, patients)


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
