"""The four corrections on values that can be calculated by hand."""

import pytest

from adapters.ecg.qtc import FORMULAS, bazett, corrected, framingham, fridericia, hodges


@pytest.mark.parametrize("formula", FORMULAS.values())
def test_at_sixty_a_minute_nothing_is_corrected(formula):
    assert formula(400, 1000) == pytest.approx(400)


def test_the_formulas_give_what_the_hand_calculates_at_eighty_a_minute():
    # RR 750 ms: 360/√0.75 = 415.7; 360/∛0.75 = 396.2; 360 + 154 × 0.25 = 398.5; 360 + 1.75 × 20 = 395
    assert bazett(360, 750) == pytest.approx(415.69, abs=0.01)
    assert fridericia(360, 750) == pytest.approx(396.23, abs=0.01)
    assert framingham(360, 750) == pytest.approx(398.5)
    assert hodges(360, 750) == pytest.approx(395)


def test_a_quarter_of_a_second_doubles_bazett_and_an_eighth_doubles_fridericia():
    assert bazett(240, 250) == pytest.approx(480)
    assert fridericia(200, 125) == pytest.approx(400)


@pytest.mark.parametrize(
    "qt, rr", [(None, 800), (400, None), (400, 0), (0, 800), (float("nan"), 800), (400, -5)]
)
def test_without_a_qt_or_an_rr_there_is_no_qtc(qt, rr):
    assert corrected(qt, rr) == dict.fromkeys(FORMULAS)


def test_a_qtc_is_said_to_the_millisecond():
    assert corrected(360, 750) == {"bazett": 416.0, "fridericia": 396.0, "framingham": 398.0, "hodges": 395.0}
