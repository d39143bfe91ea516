"""The words by which patients are found, as an index: it narrows who is compared with what was typed, and decides nothing.

What is typed may stand anywhere in a name, its pinyin or a number, so every end of each word is a row: what is typed
begins one of them. Bytes of UTF-8 sort alike in every database.
"""

import re
import uuid

from sqlalchemy import ColumnElement, and_, bindparam, or_
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base
from worklists.names import has_han

LONGEST = 24  # characters kept of an end; what is typed beyond them is compared anyway
_BETWEEN_WORDS = re.compile(r"[\s^=,*?]+")
_FOLDED_ALIKE = re.compile(r"[\x21-\x7e\u3400-\u9fff\U00020000-\U0003ffff]+")
_AFTER_ALL = b"\xff"  # in no text
_CARD = "#"  # before the number of a card, backwards: people read its last places out


class PatientWord(Base):
    """An end of a word of a patient. It may be of a name that the row had once."""

    __tablename__ = "patient_word"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (SQLAlchemy reads it from the class)

    word: Mapped[bytes] = mapped_column(primary_key=True)
    patient_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True
    )  # no foreign key: nobody is looked up by it


def ends_of(name: str, search_text: str, national_id: str | None) -> set[bytes]:
    """All rows of a patient: of what may be typed, and of every group of the name with and without its carets."""
    words = set(search_text.split())
    for group in name.lower().split("="):
        words.update(group.replace("^", " ").split(), group.replace("^", "").split())
    ends = {word[start : start + LONGEST] for word in words for start in range(len(word))}
    found = {end.encode() for end in ends if _narrows(end)}
    if national_id:
        found.add(f"{_CARD}{national_id[::-1].lower()}".encode())
    return found


def longest_word(text: str) -> str | None:
    """Of a name as it is looked for, perhaps with wildcards, the part that narrows the most; None when none does.

    Letters beyond ASCII are left out: databases fold their case in different ways.
    """
    words = [word for word in _BETWEEN_WORDS.split(text.lower()) if _FOLDED_ALIKE.fullmatch(word)]
    return max(filter(_narrows, words), key=lambda word: len(word.encode()), default=None)


def begins(word: str) -> ColumnElement[bool]:
    """A predicate over `PatientWord`: an end begins with this word."""
    return _between(word[:LONGEST].lower().encode())


def ends_card(places: str) -> ColumnElement[bool]:
    """A predicate over `PatientWord`: the number of a card ends in these places."""
    return _between(f"{_CARD}{places[::-1].lower()}".encode())


def asked_words(text: str) -> dict[str, bytes]:
    """The parameters of `any_between`: of a name or number, and of the last places of a card."""
    asked = {"begins": text[:LONGEST].lower().encode(), "ends_card": f"{_CARD}{text[::-1].lower()}".encode()}
    return asked | {f"{name}_after": word + _AFTER_ALL for name, word in asked.items()}


def any_between(*, card: bool) -> ColumnElement[bool]:
    """The predicate of `begins`, or of `ends_card` as well, for a statement that is made once."""
    between = [
        and_(PatientWord.word >= bindparam(name), PatientWord.word < bindparam(f"{name}_after"))
        for name in (("begins", "ends_card") if card else ("begins",))
    ]
    return or_(*between)


def _between(first: bytes) -> ColumnElement[bool]:
    return and_(PatientWord.word >= first, PatientWord.word < first + _AFTER_ALL)


def _narrows(word: str) -> bool:
    """One letter or digit is in nearly everybody's."""
    return len(word) > 1 or has_han(word)
