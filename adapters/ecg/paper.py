"""A tracing on true-size grid: an EcgRecording in, sheets of vectors in millimetres out.

The grid is 1 mm and 5 mm; before each row stands the calibration pulse, 1 mV for 200 ms. Columns follow one another in
time, as on a cart's own print: the second column begins where the first ends. Each lead is moved up or down so that
its median lies on its line; amplitudes and times are never changed. A page holds what fits at the speed asked for.

Speeds, gains and the pulse: IEC 60601-2-25. Order of Cabrera: the frontal plane from aVL to III, with -aVR.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice
from math import ceil
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.curves import Curve, Field, draw_curve
from adapters.ecg.paper_words import QUIET_CAUTIONS, WORDS, Language, say_caution
from adapters.ecg.recording import STANDARD_LEADS, EcgRecording

LayoutName = Literal["3x4", "6x2", "12x1", "cabrera"]
Anchor = Literal["start", "middle", "end"]

SPEEDS_MM_S = (12.5, 25.0, 50.0)
GAINS_MM_MV = (5.0, 10.0, 20.0)
LAYOUTS: dict[LayoutName, tuple[tuple[str, ...], ...]] = {
    "3x4": (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",)),
    "6x2": (("I", "V1"), ("II", "V2"), ("III", "V3"), ("aVR", "V4"), ("aVL", "V5"), ("aVF", "V6")),
    "12x1": tuple((name,) for name in STANDARD_LEADS),
    "cabrera": (("aVL", "V1"), ("I", "V2"), ("-aVR", "V3"), ("II", "V4"), ("aVF", "V5"), ("III", "V6")),
}

GRID_WIDTH_MM, GRID_HEIGHT_MM = 265.0, 150.0  # of A4 on its side, whole squares of 5 mm
PULSE_WIDTH_MM = 15.0  # of the stretch that the calibration pulse has for itself
SIGNAL_WIDTH_MM = GRID_WIDTH_MM - PULSE_WIDTH_MM
PULSE_S, PULSE_UV = 0.2, 1000.0
TEXT_MM, NAME_MM = 2.7, 3.4
LINE_MM = 4.4  # of a line of text
NARROWEST_ROW_MM = 25.0  # of a strip when few leads share a page
SHORTEST_GAP_S = 0.2  # a shorter one is seen as a gap without being shaded
MOST_CAUTION_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingHead:
    """What stands above the curves besides what the recording says itself."""

    name: str  # of the patient, as people write it
    sex: str  # M, F, O or ""
    age: str  # as people write it: 47岁
    patient_id: str
    institution: str
    accession_number: str
    time_zone: tzinfo
    printed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """How a tracing is to be printed."""

    speed_mm_s: float = 25.0
    gain_mm_mv: float = 10.0
    layout: LayoutName = "3x4"
    language: Language = "zh"

    def __post_init__(self) -> None:
        if self.speed_mm_s not in SPEEDS_MM_S or self.gain_mm_mv not in GAINS_MM_MV:
            raise ValueError(f"no paper for {self.speed_mm_s} mm/s and {self.gain_mm_mv} mm/mV")
        if self.layout not in get_args(LayoutName):
            raise ValueError(f"no layout {self.layout!r}")

    @property
    def page_s(self) -> float:
        """Seconds that a row holds."""
        return SIGNAL_WIDTH_MM / self.speed_mm_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word on the sheet, by the left, middle or right end of its baseline."""

    x_mm: float
    y_mm: float
    text: str
    size_mm: float = TEXT_MM
    bold: bool = False
    colour: Literal["ink", "faint", "alarm"] = "ink"
    anchor: Anchor = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page: the grid with what is drawn on it. Places in mm from the sheet's upper left corner."""

    grid_top_mm: float
    height_mm: float
    curves: tuple[str, ...]  # path data in thousandths of a millimetre
    pulses: tuple[str, ...]
    separators: tuple[tuple[float, float], ...]  # (x, line) where one lead gives way to the next
    gaps: tuple[tuple[float, float, float, float], ...]  # (x, y, width, height) without signal
    cuts: tuple[tuple[float, float, bool], ...]  # (x, y, at the top) where an amplitude left the grid
    labels: tuple[Label, ...]
    start_s: float
    stop_s: float

    @property
    def width_mm(self) -> float:
        return GRID_WIDTH_MM


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A stretch of one lead in its row."""

    lead: str
    start_s: float
    stop_s: float
    left_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    line_mm: float
    height_mm: float
    cells: tuple[_Cell, ...]


def draw_sheets(
    recording: EcgRecording, paper: Paper, *, from_s: float = 0.0, most: int = 1
) -> tuple[Sheet, ...]:
    """The tracing from a moment on, on at most so many sheets; the last is as full as the others. None if empty."""
    return tuple(islice(_sheets(recording, paper, max(0.0, from_s)), most))


def count_sheets(recording: EcgRecording, paper: Paper, *, from_s: float = 0.0) -> int:
    """How many sheets the tracing would take from a moment on."""
    left_s = recording.duration_s - max(0.0, from_s)
    return ceil(left_s / _seconds_of_sheet(recording, paper) - 1e-6) if left_s > 0 else 0


def _sheets(recording: EcgRecording, paper: Paper, from_s: float) -> Iterator[Sheet]:
    for number in range(count_sheets(recording, paper, from_s=from_s)):
        seconds = _seconds_of_sheet(recording, paper)
        start_s = from_s + number * seconds
        if (
            number
        ):  # a short rest is no page of its own: it ends with the recording, and overlaps the one before
            start_s = min(start_s, recording.duration_s - seconds)
        yield _draw_sheet(recording, paper, start_s, min(start_s + seconds, recording.duration_s))


def _is_standard(recording: EcgRecording) -> bool:
    return {lead.name for lead in recording.leads} >= set(STANDARD_LEADS)


def _strips(recording: EcgRecording) -> int:
    """How often all leads of a recording without the twelve standard ones fit below one another."""
    if _is_standard(recording):
        return 1
    return max(1, int(GRID_HEIGHT_MM // (len(recording.leads) * NARROWEST_ROW_MM)))


def _seconds_of_sheet(recording: EcgRecording, paper: Paper) -> float:
    return paper.page_s * _strips(recording)


# --- the layout ------------------------------------------------------------------------------------------------------


def _rows(recording: EcgRecording, paper: Paper, start_s: float, stop_s: float, top_mm: float) -> list[_Row]:
    """Rows of leads; each lies on a line of the grid, where amplitudes can be counted from."""
    if _is_standard(recording):
        lines = [_divided(names, start_s, stop_s, paper) for names in LAYOUTS[paper.layout]]
    else:
        lines = [
            _divided((lead.name,), strip_s, min(strip_s + paper.page_s, stop_s), paper)
            for strip_s in np.arange(start_s, stop_s - 1e-6, paper.page_s).tolist()
            for lead in recording.leads
        ]
    height = GRID_HEIGHT_MM / max(len(lines), min(len(recording.leads), 3))
    # The pulse of the first row and half a row below the last must fit; the others share what is between.
    first = max(height / 2, PULSE_UV / 1000 * paper.gain_mm_mv + 1)
    between = (GRID_HEIGHT_MM - first - height / 2) / max(1, len(lines) - 1)
    return [
        _Row(line_mm=top_mm + round(first + number * min(between, height)), height_mm=height, cells=cells)
        for number, cells in enumerate(lines)
    ]


def _divided(names: tuple[str, ...], start_s: float, stop_s: float, paper: Paper) -> tuple[_Cell, ...]:
    """The leads of a row one after the other, each for its share of the time."""
    share_s = (stop_s - start_s) / len(names)
    return tuple(
        _Cell(
            lead=name,
            start_s=start_s + number * share_s,
            stop_s=start_s + (number + 1) * share_s,
            left_mm=PULSE_WIDTH_MM + number * share_s * paper.speed_mm_s,
        )
        for number, name in enumerate(names)
    )


# --- the drawing -----------------------------------------------------------------------------------------------------


def _draw_sheet(recording: EcgRecording, paper: Paper, start_s: float, stop_s: float) -> Sheet:
    above = _cautions(recording, paper)
    top_mm = len(above) * LINE_MM + (1.0 if above else 0.0)
    rows = _rows(recording, paper, start_s, stop_s, top_mm)
    drawn = [
        (row, cell, _draw_cell(recording, paper, row, cell, top_mm, (start_s, stop_s)))
        for row in rows
        for cell in row.cells
    ]
    gaps = tuple(
        (left, row.line_mm - row.height_mm / 4, right - left, row.height_mm / 2)
        for row, _, curve in drawn
        for left, right in curve.gaps
        if right - left >= SHORTEST_GAP_S * paper.speed_mm_s
    )
    foot_mm = top_mm + GRID_HEIGHT_MM + LINE_MM
    return Sheet(
        grid_top_mm=top_mm,
        height_mm=foot_mm + 1.0,
        curves=tuple(curve.path for _, _, curve in drawn if curve.path),
        pulses=tuple(_pulse(paper, row) for row in rows),
        separators=tuple((cell.left_mm, row.line_mm) for row in rows for cell in row.cells[1:]),
        gaps=gaps,
        cuts=tuple(
            (x, top_mm if at_top else top_mm + GRID_HEIGHT_MM, at_top)
            for _, _, curve in drawn
            for x, at_top in curve.cut_at
        ),
        labels=(
            *(
                Label(x_mm=0, y_mm=(number + 1) * LINE_MM - 1.0, text=line, bold=True, colour="alarm")
                for number, line in enumerate(above)
            ),
            *(_name(recording, paper, row, cell) for row, cell, _ in drawn),
            *_gap_labels(paper, gaps),
            *_foot(recording, paper, start_s, stop_s, foot_mm),
        ),
        start_s=start_s,
        stop_s=stop_s,
    )


def _draw_cell(
    recording: EcgRecording, paper: Paper, row: _Row, cell: _Cell, top_mm: float, page: tuple[float, float]
) -> Curve:
    rate = recording.sampling_rate_hz
    first, last = _index(cell.start_s, rate), _index(cell.stop_s, rate)
    samples = _samples_uv(recording, cell.lead, first, min(last + 1, recording.samples))
    samples = samples - _line_uv(recording, cell.lead, _index(page[0], rate), _index(page[1], rate))
    return draw_curve(
        samples,
        Field(
            left_mm=cell.left_mm + (first / rate - cell.start_s) * paper.speed_mm_s,
            line_mm=row.line_mm,
            mm_per_sample=paper.speed_mm_s / rate,
            mm_per_uv=paper.gain_mm_mv / 1000,
            top_mm=top_mm,
            bottom_mm=top_mm + GRID_HEIGHT_MM,
        ),
    )


def _index(moment_s: float, rate: float) -> int:
    return ceil(moment_s * rate - 1e-6)


def _samples_uv(recording: EcgRecording, name: str, start: int, stop: int) -> NDArray[np.float32]:
    lead = recording.lead(name.removeprefix("-"))
    assert lead is not None, name  # layouts are of leads that are there
    samples = lead.window_uv(start, stop)
    return -samples if name.startswith("-") else samples


def _line_uv(recording: EcgRecording, name: str, start: int, stop: int) -> float:
    samples = _samples_uv(recording, name, start, stop)
    recorded = samples[~np.isnan(samples)]
    return float(np.median(recorded)) if recorded.size else 0.0


def _pulse(paper: Paper, row: _Row) -> str:
    """1 mV for 200 ms before the row, between two short stretches of its line."""
    width, lead_mm = PULSE_S * paper.speed_mm_s, 2.5
    rise = PULSE_UV / 1000 * paper.gain_mm_mv
    left = PULSE_WIDTH_MM - 2 * lead_mm - width
    steps = [(lead_mm, 0.0), (0.0, -rise), (width, 0.0), (0.0, rise), (lead_mm, 0.0)]
    moves = " ".join(f"{round(x * 1000)} {round(y * 1000)}" for x, y in steps)
    return f"M{round(left * 1000)} {round(row.line_mm * 1000)}l{moves}"


# --- the words -------------------------------------------------------------------------------------------------------


def _name(recording: EcgRecording, paper: Paper, row: _Row, cell: _Cell) -> Label:
    lead = recording.lead(cell.lead.removeprefix("-"))
    shown = cell.lead.replace("-", "−") + ("*" if lead is not None and lead.derived else "")
    if (
        row.height_mm < NARROWEST_ROW_MM - 1
    ):  # no room above the curve: beside the pulse, where that leaves any
        x_mm = 0.7 if PULSE_S * paper.speed_mm_s < PULSE_WIDTH_MM / 2 else cell.left_mm + 0.7
        return Label(x_mm=x_mm, y_mm=row.line_mm - 2.2, text=shown, size_mm=NAME_MM, bold=True)
    return Label(
        x_mm=cell.left_mm + 1.0,
        y_mm=row.line_mm - row.height_mm * 0.32,
        text=shown,
        size_mm=NAME_MM,
        bold=True,
    )


def _gap_labels(paper: Paper, gaps: tuple[tuple[float, float, float, float], ...]) -> Iterator[Label]:
    words = WORDS[paper.language]["no_signal"]
    for x, y, width, height in gaps:
        if width >= _width_mm(words, TEXT_MM):
            yield Label(
                x_mm=x + width / 2, y_mm=y + height / 2 + 1, text=words, colour="faint", anchor="middle"
            )


def _cautions(recording: EcgRecording, paper: Paper) -> list[str]:
    """What a reader must know, in lines as wide as the grid."""
    words = WORDS[paper.language]
    said = [
        say_caution(caution.code, caution.about, paper.language)
        for caution in recording.cautions
        if caution.code not in QUIET_CAUTIONS
    ]
    shown = {name.removeprefix("-") for names in LAYOUTS[paper.layout] for name in names}
    if _is_standard(recording) and (
        left_out := [lead.name for lead in recording.leads if lead.name not in shown]
    ):
        said.append(words["not_shown"].format(leads=" ".join(left_out)))
    if not said:
        return []
    lines = _wrapped(words["caution"].format(text=words["separator"].join(said)))
    if len(lines) > MOST_CAUTION_LINES:
        lines = [*lines[: MOST_CAUTION_LINES - 1], lines[MOST_CAUTION_LINES - 1][:-3] + words["more"]]
    return lines


def _foot(
    recording: EcgRecording, paper: Paper, start_s: float, stop_s: float, y_mm: float
) -> tuple[Label, ...]:
    words = WORDS[paper.language]
    parts = [
        f"{paper.speed_mm_s:g} mm/s",
        f"{paper.gain_mm_mv:g} mm/mV",
        _filters(recording, paper.language),
        words["rate"].format(hz=recording.sampling_rate_hz),
    ]
    if any(lead.derived for lead in recording.leads):
        parts.append(words["derived"])
    shown = words["shown"].format(
        start=_seconds(start_s), stop=_seconds(stop_s), whole=_seconds(recording.duration_s)
    )
    return (
        Label(x_mm=0, y_mm=y_mm, text="    ".join(parts)),
        Label(x_mm=GRID_WIDTH_MM, y_mm=y_mm, text=shown, anchor="end"),
    )


def _filters(recording: EcgRecording, language: Language) -> str:
    words, filters = WORDS[language], recording.filters
    high, low = filters.high_pass_hz, filters.low_pass_hz
    stated = []
    if high is not None or low is not None:
        stated.append(f"{'' if high is None else f'{high:g}'}–{'' if low is None else f'{low:g}'} Hz")
    if filters.notch_hz:
        stated.append(words["notch"].format(hz=filters.notch_hz))
    return words["filters"].format(range=" ".join(stated)) if stated else words["filters_unknown"]


def _seconds(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for character in text:
        if _width_mm(line + character, TEXT_MM) > GRID_WIDTH_MM:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


def _width_mm(text: str, size_mm: float) -> float:
    """About as wide as it is printed: a Chinese character is a square, a letter a little more than half of one."""
    return sum(size_mm if ord(character) > 0x2E7F else 0.62 * size_mm for character in text)
