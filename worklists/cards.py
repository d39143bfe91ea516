"""Resident identity cards: the number is checked before anybody is known by it, and says its own birth date and sex.

18 places: region, birth date, sequence (odd is male), check digit by ISO 7064 MOD 11-2 (GB 11643-1999). The 15
places of before 1999 have no check digit and no century; whoever bore one was born in 19…, and it becomes 18.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

_FORM = re.compile(r"[1-9][0-9]{5}((?:18|19|20)[0-9]{2})([0-9]{2})([0-9]{2})[0-9]{2}([0-9])[0-9X]")
_OLD_FORM = re.compile(r"[1-9][0-9]{14}")
_WEIGHTS, _CHECKS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A number that can be a card's, and what it says of its bearer."""

    number: str  # 18 places
    birth_date: date
    sex: str  # M or F

    def fits(self, sex: str | None, birth_date: date | None) -> bool:
        """Whether both are known and are the card's own."""
        return sex == self.sex and birth_date == self.birth_date


def read_card(text: str | None, today: date | None = None) -> Card | None:
    """A card number of 18 or 15 places; None when it cannot be one. With `today`, nobody was born later."""
    number = (text or "").strip().upper()
    if _OLD_FORM.fullmatch(number):
        number = f"{number[:6]}19{number[6:]}"
        number += _check_digit(number)
    form = _FORM.fullmatch(number)
    if form is None or _check_digit(number[:17]) != number[17]:
        return None
    try:
        born = date(int(form[1]), int(form[2]), int(form[3]))
    except ValueError:
        return None
    if today is not None and born > today:
        return None
    return Card(number=number, birth_date=born, sex="M" if int(form[4]) % 2 else "F")


def find_card_number(texts: Iterable[str]) -> str | None:
    """The one card number among several numbers, with 18 places; None without one, or when they contradict."""
    found = {card.number for text in texts if (card := read_card(text)) is not None}
    return found.pop() if len(found) == 1 else None


def masked_number(number: str | None) -> str | None:
    """Enough to compare two of them by eye: region and the last four places."""
    return f"{number[:6]}********{number[-4:]}" if number else None


def _check_digit(first_17: str) -> str:
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_17, strict=True)) % 11]
