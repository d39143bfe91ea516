"""Resident identity cards: which numbers can be one, and what they say."""

from datetime import date

import pytest

from worklists.cards import Card, find_card_number, masked_number, read_card

CARD = Card(number="11010519491231002X", birth_date=date(1949, 12, 31), sex="F")


@pytest.mark.parametrize("text", ["11010519491231002X", "11010519491231002x", " 11010519491231002X "])
def test_a_valid_number_says_birth_date_and_sex(text: str) -> None:
    assert read_card(text) == CARD


@pytest.mark.parametrize(
    "text",
    [
        "330281199203046017",  # its check digit is 4
        "110105194913310029", "110105194902300020",  # no such day
        "11010519491231002", "11010519491231002XX", "A1010519491231002X", "", None,
        "010105194912310025",  # no region begins with 0
    ],
)  # fmt: skip
def test_what_cannot_be_a_card_is_none(text: str | None) -> None:
    assert read_card(text) is None


def test_every_wrong_check_digit_is_refused() -> None:
    right = [digit for digit in "0123456789X" if read_card(f"33028119920304601{digit}")]

    assert right == ["4"]


def test_fifteen_places_become_eighteen() -> None:
    card = read_card("110105491231002")

    assert card == CARD
    assert read_card("110105491331002") is None


def test_nobody_is_born_in_the_future() -> None:
    assert read_card(CARD.number, date(1949, 12, 30)) is None
    assert read_card(CARD.number, date(1949, 12, 31)) == CARD


def test_the_card_fits_only_what_is_known_and_its_own() -> None:
    assert CARD.fits("F", date(1949, 12, 31))
    assert not CARD.fits("M", date(1949, 12, 31))
    assert not CARD.fits("F", date(1949, 12, 30))
    assert not CARD.fits(None, date(1949, 12, 31))
    assert not CARD.fits("F", None)


def test_one_card_among_other_numbers_is_found_and_two_different_ones_say_nothing() -> None:
    assert find_card_number(["A1", "110105491231002", "11010519491231002x"]) == CARD.number
    assert find_card_number([CARD.number, "330281199203046014"]) is None
    assert find_card_number(["A1"]) is None


def test_a_masked_number_keeps_its_ends() -> None:
    assert masked_number(CARD.number) == "110105********002X"
    assert masked_number(None) is None
