"""A tracing as PDF: A4 on its side, true millimetres, with whose it is and what the cart measured.

What the cart measured and said is printed as the cart's, not as a reader's. A long recording fills at most MOST_PAGES
from the moment asked for; the last line of a page says which seconds of how many it shows.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import typst

from adapters.ecg.measurement_words import say_measurements
from adapters.ecg.paper import Paper, Sheet, TracingHead, count_sheets, draw_sheets
from adapters.ecg.paper_words import WORDS
from adapters.ecg.recording import EcgRecording
from adapters.ecg.svg import write_svg
from adapters.errors import Inexpressible, Unavailable
from adapters.reports.fonts import Fonts
from adapters.reports.printable import make_printable

TEMPLATE = Path(__file__).with_name("tracing.typ")
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
MOST_PAGES = 6  # a minute at 25 mm/s
MOST_STATEMENTS = 6  # what the head of a page has room for

log = structlog.get_logger()


def write_pdf(
    recording: EcgRecording, paper: Paper, *, head: TracingHead, fonts: Fonts, from_s: float = 0.0
) -> bytes:
    """The tracing from a moment on. Inexpressible when nothing was recorded then."""
    sheets = draw_sheets(recording, paper, from_s=from_s, most=MOST_PAGES)
    if not sheets:
        raise Inexpressible("a tracing without samples")
    cut_off = count_sheets(recording, paper, from_s=from_s) > len(sheets)
    values, _ = make_printable(_values(recording, paper, head, sheets, cut_off=cut_off), fonts)
    inputs = {
        "tracing": json.dumps(values),
        "curves": json.dumps(drawn_curves(sheets)),
        "families": json.dumps(fonts.families),
    }
    compiler = typst.Compiler(TEMPLATE, font_paths=fonts.typst, ignore_system_fonts=True, sys_inputs=inputs)
    try:
        pdf, warnings = compiler.compile_with_warnings(
            format="pdf", pdf_standards=["a-2b"], timestamp=int(head.printed_at.timestamp())
        )
    except typst.TypstError:
        # Its words quote the patient's name, which no log may hold.
        raise Unavailable("the tracing cannot be typeset") from None
    if warnings:
        log.warning("tracing_typeset_with_warnings", warnings=len(warnings))
    if not isinstance(pdf, bytes):
        raise TypeError("Typst gave no PDF")
    return pdf


def printed_sheet(sheet: Sheet) -> dict[str, Any]:
    """The words of a sheet as `sheet.typ` takes them, besides its `drawn_curves`."""
    return {
        "width_mm": sheet.width_mm,
        "height_mm": sheet.height_mm,
        "labels": [dataclasses.asdict(label) for label in sheet.labels],
    }


def drawn_curves(sheets: Sequence[Sheet]) -> list[str]:
    """Grid and curves of each sheet: no words, so nothing in them needs a font."""
    return [write_svg(sheet, labels=False) for sheet in sheets]


def _values(
    recording: EcgRecording, paper: Paper, head: TracingHead, sheets: tuple[Sheet, ...], *, cut_off: bool
) -> dict[str, Any]:
    words, device = WORDS[paper.language], recording.device
    started_at = recording.started_at
    about = [
        (words["patient_id"], head.patient_id),
        (words["accession"], head.accession_number),
        (
            words["started"],
            started_at.astimezone(head.time_zone).strftime(TIME_FORMAT) if started_at else "—",
        ),
        (words["institution"], head.institution or device.institution),
        (words["device"], f"{device.manufacturer} {device.model}".strip()),
    ]
    statements = [*recording.statements]
    if len(statements) > MOST_STATEMENTS:
        statements = [*statements[: MOST_STATEMENTS - 1], "…"]
    if cut_off:
        statements = [*statements[: MOST_STATEMENTS - 1], words["cut_off"].format(pages=len(sheets))]
    return {
        "title": words["title"],
        "language": paper.language,
        "name": head.name or words["nameless"],
        "who": f"{words.get(f'sex_{head.sex}', '')} {head.age}".strip(),
        "about": [pair for pair in about if pair[1]],
        "measurements_title": words["measurements"],
        "measurements": say_measurements(recording.measurements, paper.language),
        "statements_title": words["statements"],
        "statements": statements or ["—"],
        "sheets": [printed_sheet(sheet) for sheet in sheets],
    }
