"""Accession numbers as people type them: the whole number, its beginning with or without its letters, its last places.

What is typed is compared with three forms of the number, and each has an index: folded, without the letters before it,
and backwards. Only ASCII is folded, and letters sort by their bytes, so that both databases find the same.
"""

from typing import Any

from sqlalchemy import ColumnElement, String, and_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

LAST_PLACES = 16  # as many as stand in the index; what is typed before them is compared anyway
_BEFORE_DIGITS = "abcdefghijklmnopqrstuvwxyz-_./# "
_AFTER_ALL = "\U0010ffff"  # sorts behind whatever goes on


class Folded(FunctionElement[str]):
    """The number in small letters."""

    type, inherit_cache, name = String(), True, "folded"


class WithoutLetters(FunctionElement[str]):
    """From its first digit on."""

    type, inherit_cache, name = String(), True, "without_letters"


class Backwards(FunctionElement[str]):
    """From its last place to the first, or as far as is in the index."""

    type, inherit_cache, name = String(), True, "backwards"


def is_numbered(word: str, column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """A predicate over an accession number: it begins or ends with this word, or is it."""
    word = word.lower()
    form = WithoutLetters if word[0].isdigit() else Folded
    return or_(_begins(form(column), word), _ends(column, word))


def _ends(column: InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    last = _begins(Backwards(column), word[::-1][:LAST_PLACES])
    return and_(last, Folded(column).endswith(word, autoescape=True)) if len(word) > LAST_PLACES else last


def _begins(form: ColumnElement[str], word: str) -> ColumnElement[bool]:
    return and_(form >= word, form < word + _AFTER_ALL)


def _of(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(Folded)
def _folded(element: Folded, compiler: SQLCompiler, **kw: Any) -> str:
    return f"lower({_of(element, compiler, **kw)})"


@compiles(Folded, "postgresql")
def _folded_postgresql(element: Folded, compiler: SQLCompiler, **kw: Any) -> str:
    return f'lower({_of(element, compiler, **kw)} COLLATE "C")'


@compiles(WithoutLetters)
def _without_letters(element: WithoutLetters, compiler: SQLCompiler, **kw: Any) -> str:
    return f"ltrim(lower({_of(element, compiler, **kw)}), '{_BEFORE_DIGITS}')"


@compiles(WithoutLetters, "postgresql")
def _without_letters_postgresql(element: WithoutLetters, compiler: SQLCompiler, **kw: Any) -> str:
    return f"ltrim(lower({_of(element, compiler, **kw)} COLLATE \"C\"), '{_BEFORE_DIGITS}')"


@compiles(Backwards)
def _backwards(element: Backwards, compiler: SQLCompiler, **kw: Any) -> str:
    """SQLite cannot turn a text around, but an index over an expression takes only what it can do itself."""
    column = _of(element, compiler, **kw)
    places = " || ".join(f"substr({column}, -{place}, 1)" for place in range(1, LAST_PLACES + 1))
    return f"lower({places})"


@compiles(Backwards, "postgresql")
def _backwards_postgresql(element: Backwards, compiler: SQLCompiler, **kw: Any) -> str:
    return f'reverse(lower({_of(element, compiler, **kw)} COLLATE "C"))'
