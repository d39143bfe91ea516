"""How an analyser departs from what its wire usually looks like: a small value that its profile carries as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from adapters.errors import Malformed

_BARCODE_FIELDS = (0, 3, 4)
_COMPONENTS = ("barcode_component", "test_component", "query_component")
_MOST_COMPONENTS = 32
_LETTERS = ("action_code", "report_type", "termination")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Of an ASTM analyser. Places are counted from 1; 0 and "" stand for "as it looks"."""

    barcode_field: int = 0  # of the O record: 3 or 4
    barcode_component: int = 0
    test_component: int = 0  # of the universal test ID, in results and in orders: 4 by the standard
    query_component: int = 0  # of Q-3: 2 by the standard
    dilution_field: bool = (
        False  # R-6 is a dilution, all behind it one field later; R-4 is value^flags (Beckman DxH)
    )
    answer_text_limit: int = 240  # characters of a frame (E1381); LIS1-A allows 64 000
    answer_one_record_each: bool = True
    action_code: str = "N"  # O-12 of an answer: N new, A added to what the analyser has
    report_type: str = "Q"  # O-26 of an answer: Q in response to a query, O order
    termination: str = "F"  # L-3 of an answer: F all that was asked for was sent; some want N
    says_unknown: bool = True  # no order: an O record with Y; without, only L with I


def read_dialect(stated: Mapping[str, Any]) -> Dialect:
    """Raises Malformed for what is no dialect: names and kinds of values must fit."""
    known = {one.name: one.default for one in fields(Dialect)}
    for name, value in stated.items():
        if name not in known:
            raise Malformed(f"{name} is nothing that a dialect says")
        if type(value) is not type(known[name]):
            raise Malformed(f"{name} cannot be {value!r}")
    found = Dialect(**stated)
    if found.barcode_field not in _BARCODE_FIELDS:
        raise Malformed("barcode_field is 3 or 4, or 0")
    for name in _COMPONENTS:
        if not 0 <= getattr(found, name) <= _MOST_COMPONENTS:
            raise Malformed(f"{name} is between 1 and {_MOST_COMPONENTS}, or 0")
    if not 1 <= found.answer_text_limit <= 64_000:
        raise Malformed("answer_text_limit is between 1 and 64000")
    for name in _LETTERS:
        letter = getattr(found, name)
        if not (len(letter) == 1 and letter.isascii() and letter.isalpha()):
            raise Malformed(f"{name} is one letter")
    return found
