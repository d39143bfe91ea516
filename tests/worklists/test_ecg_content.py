"""What an ECG report says besides its words: values that are possible, a QTc that its formula gives, known statements."""

from typing import Any

import pytest

from worklists.ecg_content import MEASURES, QTC_FORMULAS, ContentRefused, read_content

KNOWN = {"sinus_rhythm", "normal_ecg"}


def reasons(**content: Any) -> dict[str, str]:
    with pytest.raises(ContentRefused) as refused:
        read_content(content, KNOWN)
    return refused.value.reasons


def test_a_whole_content_is_kept_as_it_was_stated() -> None:
    stated = {
        "measurements": {
            "heart_rate_bpm": 72, "pr_ms": 156, "qrs_ms": 92, "qt_ms": 388, "qtc_ms": 425, "qtc_formula": "bazett",
            "qrs_axis_deg": 55,
            "source": {"heart_rate_bpm": "cart", "pr_ms": "caliper", "qrs_ms": "computed", "qt_ms": "cart",
                       "qtc_ms": "computed", "qrs_axis_deg": "typed"},
        },
        "statements": ["sinus_rhythm", "normal_ecg"],
        "layout": "3x4",
    }  # fmt: skip

    assert read_content(stated, KNOWN) == stated


def test_what_was_not_measured_is_not_there_and_a_number_without_a_source_was_typed() -> None:
    content = read_content({"measurements": {"heart_rate_bpm": 72, "pr_ms": None}}, KNOWN)

    assert content == {
        "measurements": {"heart_rate_bpm": 72, "source": {"heart_rate_bpm": "typed"}},
        "statements": [],
    }


@pytest.mark.parametrize("name", MEASURES)
def test_no_heart_has_what_lies_beyond_the_bounds(name: str) -> None:
    low, high = MEASURES[name]
    others = {"qtc_formula": "bazett", "qt_ms": 400, "heart_rate_bpm": 60} if name == "qtc_ms" else {}

    for value in (low - 1, high + 1):
        assert reasons(measurements={**others, name: value}) == {
            f"content.measurements.{name}": "not_physiological"
        }


@pytest.mark.parametrize("value", ["72", True, float("nan"), float("inf"), [72], {}])
def test_only_numbers_are_measurements(value: object) -> None:
    assert reasons(measurements={"qrs_ms": value}) == {"content.measurements.qrs_ms": "unusable"}


# QT 400 ms at 75 beats a minute (RR 0.8 s), by hand
@pytest.mark.parametrize(
    ("formula", "qtc"), [("bazett", 447.2), ("fridericia", 430.9), ("framingham", 430.8), ("hodges", 426.25)]
)
def test_each_formula_gives_what_its_authors_wrote(formula: str, qtc: float) -> None:
    assert QTC_FORMULAS[formula](400, 75) == pytest.approx(qtc, abs=0.05)


@pytest.mark.parametrize("formula", QTC_FORMULAS)
def test_a_qtc_that_its_own_qt_and_rate_contradict_is_refused(formula: str) -> None:
    whole = {"heart_rate_bpm": 75, "qt_ms": 400, "qtc_formula": formula}
    right = QTC_FORMULAS[formula](400, 75)

    read_content({"measurements": {**whole, "qtc_ms": right + 4.9}}, KNOWN)
    with pytest.raises(ContentRefused) as refused:
        read_content({"measurements": {**whole, "qtc_ms": right - 5.2}}, KNOWN)
    assert refused.value.reasons == {"content.measurements.qtc_ms": "qtc_contradicts"}
    assert refused.value.facts == {"expected": round(right)}


def test_a_qtc_needs_what_it_was_made_of() -> None:
    assert reasons(measurements={"qtc_ms": 420, "qt_ms": 400}) == {
        "content.measurements.qtc_formula": "needed_by_qtc",
        "content.measurements.heart_rate_bpm": "needed_by_qtc",
    }


@pytest.mark.parametrize(
    ("content", "field", "why"),
    [
        ({"statements": ["sinus_rhythm", "made_up"]}, "content.statements", "unknown_statement"),
        ({"statements": "sinus_rhythm"}, "content.statements", "unusable"),
        ({"statements": [7]}, "content.statements", "unusable"),
        ({"measurements": []}, "content.measurements", "unusable"),
        ({"measurements": {"mood_ms": 3}}, "content.measurements.mood_ms", "unknown"),
        ({"measurements": {"qtc_formula": "mine"}}, "content.measurements.qtc_formula", "unknown"),
        ({"measurements": {"qtc_formula": ["bazett"]}}, "content.measurements.qtc_formula", "unknown"),
        ({"measurements": {"qt_ms": 400, "source": {"qt_ms": "dream"}}}, "content.measurements.source.qt_ms", "unknown"),
        ({"measurements": {"source": ["cart"]}}, "content.measurements.source", "unusable"),
        ({"layout": "3x4; drop"}, "content.layout", "unusable"),
        ({"colour": "red"}, "content.colour", "unknown"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(content: dict[str, Any], field: str, why: str) -> None:
    assert reasons(**content) == {field: why}


def test_a_statement_said_twice_is_said_once() -> None:
    content = read_content({"statements": ["normal_ecg", "sinus_rhythm", "normal_ecg"]}, KNOWN)

    assert content["statements"] == ["normal_ecg", "sinus_rhythm"]
