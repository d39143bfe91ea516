"""Labels for tubes as PDF, 50 × 30 mm each: whose, which tests, and a Code 128 (ISO/IEC 15417) that a scanner reads.

A module is a whole number of dots of a label printer (203 dpi, 0.125 mm); ten modules beside the bars stay blank. What
is too long for that at two dots is printed in digits alone: such a code came on a label of its own.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

import structlog
import typst
from barcode.codex import Code128  # type: ignore[import-untyped]

from adapters.errors import Unavailable
from adapters.reports.fonts import Fonts
from adapters.reports.printable import make_printable

TEMPLATE = Path(__file__).with_name("label.typ")
WIDTH_MM, DOT_MM, QUIET_MODULES = 50.0, 0.125, 10
_DOTS = (3, 2)  # of one module, the best first

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What stands on one. All words are ready to print."""

    barcode: str
    name: str
    person: str  # sex and age
    tests: str
    specimen: str  # kind and tube
    taken: str  # when and where
    urgent: str = ""  # the word for it


def write_labels(labels: Sequence[Label], *, fonts: Fonts, printed_at: datetime) -> bytes:
    """One page for each."""
    values, _ = make_printable([dataclasses.asdict(label) for label in labels], fonts)
    drawn = [value | draw_code(label.barcode) for value, label in zip(values, labels, strict=True)]
    inputs = {"labels": json.dumps(drawn), "families": json.dumps(fonts.families)}
    compiler = typst.Compiler(TEMPLATE, font_paths=fonts.typst, ignore_system_fonts=True, sys_inputs=inputs)
    try:
        pdf, warnings = compiler.compile_with_warnings(format="pdf", timestamp=int(printed_at.timestamp()))
    except typst.TypstError:
        # Its words quote the patient's name, which no log may hold.
        raise Unavailable("the labels cannot be typeset") from None
    if warnings:
        log.warning("labels_typeset_with_warnings", warnings=len(warnings))
    if not isinstance(pdf, bytes):
        raise TypeError("Typst gave no PDF")
    return pdf


def draw_code(text: str) -> dict[str, object]:
    """Where each bar begins and how wide it is, in millimetres from the left end of the label, on whole dots."""
    modules: str = Code128(text).build()[0]
    for dots in _DOTS:
        width = (len(modules) + 2 * QUIET_MODULES) * dots
        if width * DOT_MM <= WIDTH_MM:
            left = round((WIDTH_MM / DOT_MM - width) / 2) + QUIET_MODULES * dots
            return {"bars": [_bar(left, dots, *run) for run in _runs(modules)]}
    return {"bars": []}


def _runs(modules: str) -> Iterator[tuple[int, int]]:
    """Where black begins, and for how many modules."""
    at = 0
    for black, run in groupby(modules):
        width = len(list(run))
        if black == "1":
            yield at, width
        at += width


def _bar(left: int, dots: int, at: int, width: int) -> tuple[float, float]:
    return (left + at * dots) * DOT_MM, width * dots * DOT_MM
