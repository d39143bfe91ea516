"""Printed tracings, measured in the pixels of what poppler draws of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.ecg.paper import Paper, TracingHead
from adapters.ecg.pdf import MOST_PAGES, write_pdf
from adapters.ecg.recording import EcgRecording
from adapters.ecg.svg import CURVE_MM
from adapters.errors import Inexpressible
from tests.adapters.ecg.papers import MM_PER_DOT, day_of_nothing, is_ink, known_recording, rendered
from tests.adapters.ecg.recordings import made_recording, real_recording
from tests.adapters.reports.pdftools import pages_of, run_on, squeezed

HEAD = TracingHead(
    name="张小明",
    sex="M",
    age="58岁",
    patient_id="LH00012345",
    institution="柳河镇中心卫生院",
    accession_number="ECG0001",
    time_zone=ZoneInfo("Asia/Shanghai"),
    printed_at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)


@pytest.fixture(scope="session")
def printed(fonts) -> Callable[..., bytes]:
    def write(recording: EcgRecording, head: TracingHead = HEAD, from_s: float = 0.0, **paper) -> bytes:
        return write_pdf(recording, Paper(**paper), head=head, fonts=fonts, from_s=from_s)

    return write


def test_a_known_pulse_of_1_mv_and_1_s_is_10_mm_high_and_25_mm_wide_in_pixels(printed, tmp_path):
    page = rendered(printed(known_recording()), tmp_path)

    ink = is_ink(page)
    flanks = np.flatnonzero(
        _longest_runs(ink) > 8 / MM_PER_DOT
    )  # columns with a vertical stroke of more than 8 mm
    strokes = [group.mean() for group in np.split(flanks, np.flatnonzero(np.diff(flanks) > 3) + 1)]
    assert len(strokes) == 4  # up and down of the calibration pulse and of the signal
    calibration, signal = np.diff(strokes)[[0, 2]] * MM_PER_DOT
    assert signal == pytest.approx(25, abs=0.2)
    assert calibration == pytest.approx(5, abs=0.2)
    for stroke in strokes:
        longest = _longest_runs(ink[:, round(stroke) : round(stroke) + 1])[0]
        assert longest * MM_PER_DOT - CURVE_MM == pytest.approx(10, abs=0.2)  # half a line more at both ends


def test_the_grid_is_of_true_millimetres(printed, tmp_path):
    page = rendered(printed(known_recording()), tmp_path)

    assert (page.shape[1] * MM_PER_DOT, page.shape[0] * MM_PER_DOT) == (
        pytest.approx(297, abs=0.1),
        pytest.approx(210, abs=0.1),
    )
    bold = np.flatnonzero((page[1200, :, 1] < 190) & (page[1203, :, 1] < 190) & (page[1206, :, 1] < 190))
    lines = [group.mean() for group in np.split(bold, np.flatnonzero(np.diff(bold) > 3) + 1)]
    assert (lines[-1] - lines[0]) * MM_PER_DOT == pytest.approx(265, abs=0.2)


def test_the_head_says_whose_it_is_and_that_the_device_measured_it(printed):
    text = squeezed(printed(made_recording()))

    for said in (
        "张小明", "男58岁", "LH00012345", "ECG0001", "2026-11-2209:02:03", "柳河镇中心卫生院", "理邦SE-1200",
        "设备测量值（未经医师确认）", "心率72次/分", "PR间期160ms", "QTc(Bazett)438ms", "QRS电轴-12°",
        "设备自动分析（未经医师确认）", "窦性心律", "25mm/s10mm/mV", "aVR", "1/1",
    ):  # fmt: skip
        assert said in text, said


def test_nothing_known_is_said_to_be_unknown(printed):
    recording = made_recording(started_at=None, statements=())

    text = squeezed(printed(recording, replace(HEAD, name="", sex="", age="", patient_id="")))

    assert "姓名未知" in text
    assert "记录时间—" in text


def test_the_curves_are_vectors_on_one_page_with_embedded_fonts(printed):
    pdf = printed(real_recording())

    assert pages_of(pdf) == 1
    assert run_on(pdf, "pdfimages", "-list", "{pdf}").count("\n") == 2  # its heading alone
    assert "no" not in run_on(pdf, "pdffonts", "{pdf}").split()


def test_a_long_recording_is_a_few_pages_from_where_it_was_asked_for(printed):
    day = day_of_nothing()

    pdf = printed(day, from_s=40_000)

    assert pages_of(pdf) == MOST_PAGES
    text = squeezed(pdf)
    assert "40000–40020s/86400s" in text
    assert "只打印了前6页" in text


def test_everything_at_its_fullest_still_leaves_one_page(printed):
    recording = made_recording(statements=tuple("很长的自动分析结论" * 9 for _ in range(20)))

    head = replace(HEAD, name="阿卜杜热合曼·" * 9, patient_id="9" * 64)
    assert pages_of(printed(recording, head)) == 1


def test_characters_that_no_font_has_do_not_stop_it(printed):
    head = replace(HEAD, name="王😀")

    assert "王〓" in squeezed(printed(made_recording(("导联😀", "II")), head))


def test_the_same_recording_gives_the_same_bytes(printed):
    assert printed(made_recording()) == printed(made_recording())


def test_a_document_has_no_tracing(printed):
    with pytest.raises(Inexpressible):
        printed(replace(made_recording(), leads=()))
    with pytest.raises(Inexpressible):
        printed(made_recording(), from_s=10.0)


def _longest_runs(ink: np.ndarray) -> np.ndarray:
    """Of every column, the longest unbroken stretch of ink, in pixels."""
    longest, current = np.zeros(ink.shape[1], dtype=int), np.zeros(ink.shape[1], dtype=int)
    for row in ink:
        current = np.where(row, current + 1, 0)
        longest = np.maximum(longest, current)
    return longest
