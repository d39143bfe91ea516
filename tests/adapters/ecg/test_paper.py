"""Tracings on true-size grid, measured in the millimetres of the SVG."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import adapters.ecg
from adapters.ecg.paper import (
    GRID_HEIGHT_MM,
    PULSE_WIDTH_MM,
    Paper,
    Sheet,
    count_sheets,
    draw_sheets,
)
from adapters.ecg.paper_words import CAUTIONS, QUIET_CAUTIONS, say_caution
from adapters.ecg.recording import STANDARD_LEADS, Caution, Lead
from adapters.ecg.svg import write_svg
from tests.adapters.ecg.papers import PULSE_FROM_S, day_of_nothing, known_recording, points_mm
from tests.adapters.ecg.recordings import DERIVED, NO_SAMPLE, made_recording, real_recording


def only_sheet(recording, paper=None, **changes) -> Sheet:
    (sheet,) = draw_sheets(recording, paper or Paper(**changes))
    return sheet


def words_of(sheet: Sheet) -> list[str]:
    return [label.text for label in sheet.labels]


@pytest.mark.parametrize("speed", [12.5, 25.0, 50.0])
@pytest.mark.parametrize("gain", [5.0, 10.0, 20.0])
def test_a_known_pulse_has_its_size_and_so_has_the_calibration(speed, gain):
    sheet = draw_sheets(known_recording(), Paper(speed_mm_s=speed, gain_mm_mv=gain))[0]

    (curve,) = points_mm(sheet.curves[0])
    up = curve[curve[:, 1] < curve[:, 1].max() - gain / 2]
    assert np.ptp(curve[:, 1]) == pytest.approx(gain, abs=0.001)
    assert np.ptp(up[:, 0]) == pytest.approx(speed, abs=speed / 500 + 0.001)  # less one sample
    assert up[0, 0] == pytest.approx(PULSE_WIDTH_MM + PULSE_FROM_S * speed, abs=0.001)
    (pulse,) = points_mm(sheet.pulses[0])
    high = pulse[pulse[:, 1] == pulse[:, 1].min()]
    assert (np.ptp(pulse[:, 1]), np.ptp(high[:, 0])) == (gain, 0.2 * speed)


def test_the_svg_is_in_true_millimetres_and_says_its_scale():
    sheet = only_sheet(made_recording())

    svg = ElementTree.fromstring(write_svg(sheet))

    assert (svg.get("width"), svg.get("viewBox")) == ("265mm", f"0 0 265 {sheet.height_mm:g}")
    grid = [path.get("d") for path in svg.iterfind("{*}path")][:2]
    columns = sorted(int(x) for lines in grid for x in re.findall(r"M(\d+) 0v150", lines))
    assert columns == list(range(266))
    text = " ".join(element.text for element in svg.iterfind("{*}text"))
    for said in (
        "25 mm/s",
        "10 mm/mV",
        "设备滤波 0.05–150 Hz 工频 50 Hz",
        "采样 500 Hz",
        "0–10 s / 10 s",
        "aVR",
        "V6",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("layout", "rows", "first_row"),
    [
        ("3x4", 4, ["I", "aVR", "V1", "V4"]),
        ("6x2", 6, ["I", "V1"]),
        ("12x1", 12, ["I"]),
        ("cabrera", 6, ["aVL", "V1"]),
    ],
)
def test_layouts_have_their_leads_in_their_order(layout, rows, first_row):
    sheet = only_sheet(made_recording(), layout=layout)

    names = [label for label in sheet.labels if label.text.lstrip("−") in STANDARD_LEADS]
    assert len(sheet.pulses) == rows
    assert {label.text.lstrip("−") for label in names} == set(STANDARD_LEADS)
    assert [label.text for label in names[: len(first_row)]] == first_row
    assert len({label.y_mm for label in names[: len(first_row)]}) == 1


def test_columns_follow_one_another_in_time_and_the_rhythm_runs_through():
    recording = known_recording(STANDARD_LEADS)  # the pulse is in the second quarter

    curves = [points_mm(path)[0] for path in only_sheet(recording).curves]

    assert len(curves) == 13
    heights = [np.ptp(curve[:, 1]) for curve in curves]
    assert [round(height) for height in heights] == [0, 10, 0, 0] * 3 + [10]
    assert curves[1][0, 0] == pytest.approx(PULSE_WIDTH_MM + 62.5)
    assert np.ptp(curves[12][:, 0]) == pytest.approx(250, abs=0.06)


def test_cabrera_turns_avr_round():
    recording = known_recording(STANDARD_LEADS)
    sheet = only_sheet(recording, layout="cabrera")

    third = points_mm(sheet.curves[4])[0]

    assert "−aVR" in words_of(sheet)
    assert third[:, 1].max() - third[0, 1] == pytest.approx(10, abs=0.001)  # downwards


def test_a_gap_is_never_drawn_through_and_is_said_to_be_one():
    digital = np.zeros(5000, dtype=np.int16)
    digital[1000:2000] = NO_SAMPLE
    digital[3000] = NO_SAMPLE
    recording = replace(made_recording(("I",)), leads=(Lead(name="I", digital=digital, missing=NO_SAMPLE),))

    sheet = draw_sheets(recording, Paper())[0]

    before, between, after = points_mm(sheet.curves[0])
    assert before[-1, 0] == pytest.approx(PULSE_WIDTH_MM + 999 * 0.05)
    assert between[0, 0] == pytest.approx(PULSE_WIDTH_MM + 2000 * 0.05)
    assert after[0, 0] - between[-1, 0] == pytest.approx(0.1)
    ((x, _, width, _),) = sheet.gaps
    assert (x, width) == (pytest.approx(PULSE_WIDTH_MM + 50), pytest.approx(50))
    assert "无信号" in words_of(sheet)
    assert "nan" not in write_svg(sheet).lower()


def test_a_lead_without_any_sample_is_a_gap_from_end_to_end():
    empty = Lead(name="V3", digital=np.full(5000, NO_SAMPLE, dtype=np.int16), missing=NO_SAMPLE)
    made = made_recording()
    leads = tuple(empty if lead.name == "V3" else lead for lead in made.leads)

    sheet = only_sheet(replace(made, leads=leads))

    assert len(sheet.curves) == 12
    assert len(sheet.gaps) == 1


def test_amplitudes_that_leave_the_paper_are_cut_at_its_edge_with_a_mark():
    digital = np.zeros(5000, dtype=np.int16)
    digital[1000:1010], digital[2000:2010] = 30_000, -30_000
    recording = replace(made_recording(("I",)), leads=(Lead(name="I", digital=digital),))

    sheet = draw_sheets(recording, Paper())[0]

    curve = points_mm(sheet.curves[0])[0]
    assert (curve[:, 1].min(), curve[:, 1].max()) == (0, GRID_HEIGHT_MM)
    assert [(y, top) for _, y, top in sheet.cuts] == [(0, True), (GRID_HEIGHT_MM, False)]


@pytest.mark.parametrize("rate", [500, 1000, 8000, 32_000])
def test_no_peak_is_thinned_away(rate):
    digital = np.zeros(rate * 10, dtype=np.int16)
    digital[rate * 3 + 1] = 1000  # one sample
    digital[rate * 3 + 2] = -700
    recording = replace(
        made_recording(("I",)), leads=(Lead(name="I", digital=digital),), sampling_rate_hz=float(rate)
    )

    sheet = draw_sheets(recording, Paper(speed_mm_s=12.5))[0]

    curve = points_mm(sheet.curves[0])[0]
    line = curve[0, 1]
    assert (line - curve[:, 1].min(), curve[:, 1].max() - line) == (pytest.approx(10), pytest.approx(7))
    assert curve[:, 1].argmin() < curve[:, 1].argmax()
    assert len(curve) < 6000


def test_a_constant_offset_moves_a_lead_back_to_its_line_and_changes_nothing_else():
    recording = known_recording()
    shifted = replace(recording, leads=tuple(replace(lead, offset_uv=25_000) for lead in recording.leads))

    assert draw_sheets(shifted, Paper())[0].curves == draw_sheets(recording, Paper())[0].curves


def test_calculated_leads_cautions_and_leads_without_a_place_are_said():
    recording = made_recording(
        (*STANDARD_LEADS, "V7"), derived=DERIVED, cautions=(Caution(code="unheard-of", about="V1"),)
    )

    words = words_of(only_sheet(recording))

    assert {"III*", "aVR*", "aVL*", "aVF*", "V1"} <= set(words)
    assert words[0] == "注意：unheard-of V1；此版式未显示的导联：V7"
    assert any("* 由其他导联计算" in text for text in words)


def test_every_caution_of_the_readers_has_words_in_both_languages():
    sources = "".join(path.read_text() for path in Path(adapters.ecg.__file__).parent.glob("*.py"))
    used = set(re.findall(r'Caution\(\s*code="(\w+)"', sources))

    assert used
    assert used <= set(CAUTIONS) | QUIET_CAUTIONS
    assert say_caution("saturated", "V2", "zh") == "V2 超出量程"


def test_many_cautions_leave_the_curves_their_place():
    recording = made_recording(cautions=tuple(Caution(code="提醒" * 40) for _ in range(9)))

    sheet = only_sheet(recording)

    assert sheet.grid_top_mm < 10
    assert words_of(sheet)[1].endswith("等")


def test_few_leads_fill_the_page_with_strips_that_follow_one_another():
    sheet = only_sheet(made_recording(("I", "II", "V5"), duration_s=20))

    assert len(sheet.curves) == 6
    assert [label.text for label in sheet.labels][:6] == ["I", "II", "V5"] * 2


def test_an_english_sheet_has_no_chinese():
    recording = made_recording((*STANDARD_LEADS, "V7"), gaps=True, derived=DERIVED)

    assert not re.search(r"[\u4e00-\u9fff]", write_svg(only_sheet(recording, language="en")))


def test_pages_follow_one_another_and_the_last_is_as_full_as_the_others():
    recording = made_recording(duration_s=24)

    sheets = draw_sheets(recording, Paper(), most=10)

    assert [(sheet.start_s, sheet.stop_s) for sheet in sheets] == [(0, 10), (10, 20), (14, 24)]


def test_a_day_is_opened_where_somebody_looks_and_no_further():
    day = day_of_nothing()

    sheets = draw_sheets(day, Paper(), from_s=40_000, most=6)

    assert count_sheets(day, Paper()) == 4320
    assert len(sheets) == 6
    assert sheets[0].start_s == 40_000
    assert draw_sheets(day, Paper(), from_s=90_000) == ()


def test_names_in_a_file_cannot_become_markup():
    svg = write_svg(draw_sheets(made_recording(("<script>&",)), Paper())[0])

    assert "<script" not in svg
    assert "&lt;script&gt;&amp;" in svg


@pytest.mark.parametrize("changes", [{"speed_mm_s": 0.0}, {"gain_mm_mv": 7.0}, {"layout": "4x3"}])
def test_paper_that_nobody_sells_is_refused(changes):
    with pytest.raises(ValueError, match="no "):
        Paper(**changes)


def test_a_real_one_is_drawn_in_every_layout_with_all_its_samples_on_the_grid():
    for layout in ("3x4", "6x2", "12x1", "cabrera"):
        sheet = only_sheet(real_recording(), layout=layout)

        assert sheet.cuts == ()
        assert sheet.gaps == ()
